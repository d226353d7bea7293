# SPDX-License-Identifier: Apache-2.0
"""The client of Neutron, API v2.0."""

import logging
from typing import TYPE_CHECKING, Any

from neutronclient.v2_0 import client as neutron

from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options("neutron", "network", "neutron")

_DEPRECATED = "The python binding code in neutronclient is deprecated"


def _is_news(record: logging.LogRecord) -> bool:
    """Not what the library says of itself whenever a client is made.

    Who runs the service can do nothing about which library it uses.
    """
    return not str(record.msg).startswith(_DEPRECATED)


# At the logger that says it: nothing else goes through this one's filters.
logging.getLogger(neutron.__name__).addFilter(_is_news)


def create(access: "ServiceAccess", **kwargs: Any) -> neutron.Client:
    """A Neutron client that acts for the session's user; it repeats nothing itself."""
    return neutron.Client(
        session=access.session,
        endpoint_override=access.endpoint.rstrip("/").removesuffix("/v2.0"),
        global_request_id=access.request_id,
        retries=0,
        **kwargs,
    )
