# SPDX-License-Identifier: Apache-2.0
"""Finds networks: those of a project, and those that its servers are on."""

from collections.abc import Iterable, Sequence

from oslo_log import log as logging

from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.neutron_networks import OWNER, Kind, Neutron
from karbor.services.protection.protectable_plugins.listed import (
    ListedProtectablePlugin,
)
from karbor.services.protection.protectable_plugins.listing import Listing, Thing

LOG = logging.getLogger(__name__)


class NetworkProtectablePlugin(ListedProtectablePlugin):
    """``OS::Neutron::Network``, in whatever state: what is kept is its description.

    A project depends on the networks that it owns, a server on those that it has ports
    on, other projects' too when they are shared or external.
    """

    service = "neutron"
    resource_type = constants.NETWORK_RESOURCE_TYPE
    parent_types = (
        constants.SERVER_RESOURCE_TYPE,
        constants.PROJECT_RESOURCE_TYPE,
    )

    def _open(self, context: RequestContext) -> Listing:
        return Listing(context, _Networks(self._neutron(context)), OWNER)

    def _neutron(self, context: RequestContext) -> Neutron:
        return Neutron(
            ClientFactory.create_client("neutron", context, self._configuration)
        )

    def _of_servers(
        self, context: RequestContext, servers: Sequence[Resource]
    ) -> dict[Resource, list[Resource]]:
        ports = self._neutron(context).by_ids(
            Kind.PORT, [server.id for server in servers], field="device_id"
        )
        # A dict keeps the order, and a server may have two ports on one network.
        on: dict[str, dict[str, None]] = {server.id: {} for server in servers}
        for port in ports.values():
            on[port["device_id"]][port["network_id"]] = None
        wanted = {port["network_id"] for port in ports.values()}
        known = self._listing(context).by_ids(sorted(wanted))
        for network_id in sorted(wanted - known.keys()):
            LOG.warning(
                "Network %s, which servers have ports on, is another project's that "
                "the caller does not see, and is not protected with them.",
                network_id,
            )
        return {
            server: [
                self._resource(known[name]) for name in on[server.id] if name in known
            ]
            for server in servers
        }


class _Networks:
    """The networks of a Neutron as a listing asks for them."""

    #: Neutron takes many ids in one query.
    few = 10_000

    def __init__(self, neutron: Neutron) -> None:
        self._neutron = neutron

    def get_many(self, ids: Iterable[str]) -> dict[str, Thing]:
        return self._neutron.by_ids(Kind.NETWORK, ids)

    def of_project(self, project_id: str, *, all_tenants: bool) -> list[Thing]:
        return self._neutron.list(Kind.NETWORK, project_id=project_id)
