# SPDX-License-Identifier: Apache-2.0
"""The servers that plugins of several types ask about while a graph is built."""

from collections.abc import MutableMapping, Sequence
from typing import Any

from oslo_config import cfg

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import nova_servers
from karbor.services.protection.protectable_plugins.listing import (
    Listing,
    Thing,
    kept,
)


def open_servers(context: RequestContext, conf: cfg.ConfigOpts) -> Listing:
    """The servers that a Nova lists."""
    client = ClientFactory.create_client(
        "nova", context, conf, version=nova_servers.VERSION
    )
    return Listing(context, nova_servers.Servers(client), nova_servers.OWNER)


def servers_of(
    shared: MutableMapping[str, Any],
    context: RequestContext,
    conf: cfg.ConfigOpts,
    parents: Sequence[Resource],
) -> dict[Resource, Thing]:
    """What Nova knows of each of the servers that are parents.

    :param shared: where the plugins that build a graph keep Nova's answers
    :raises ProtectableResourceNotFound: when one does not exist any more
    """
    listing = kept(
        shared, constants.SERVER_RESOURCE_TYPE, lambda: open_servers(context, conf)
    )
    found = listing.by_ids(parent.id for parent in parents)
    for parent in parents:
        if parent.id not in found:
            raise exception.ProtectableResourceNotFound(
                id=f"{parent.id} ({parent.name})" if parent.name else parent.id,
                type=parent.type,
                reason=_("Nova does not know it, or not any more"),
            )
    return {parent: found[parent.id] for parent in parents}
