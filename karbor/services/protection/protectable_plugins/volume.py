# SPDX-License-Identifier: Apache-2.0
"""Finds volumes: those of a project, and those that its servers have attached."""

from collections.abc import Sequence
from typing import Any

from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import cinder_volumes
from karbor.services.protection.clients.nova_servers import volume_ids_of
from karbor.services.protection.protectable_plugins.listed import (
    ListedProtectablePlugin,
    States,
)
from karbor.services.protection.protectable_plugins.listing import Listing, Thing
from karbor.services.protection.protectable_plugins.server_listing import servers_of

#: https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes
STATES = States(
    protectable=frozenset(
        {
            "attaching",
            "available",
            "backing-up",
            "detaching",
            "extending",
            "in-use",
            "reserved",
            "retyping",
            "uploading",
        }
    ),
    absent=frozenset({"creating", "deleting", "downloading", "error_deleting"}),
)


class VolumeProtectablePlugin(ListedProtectablePlugin):
    """``OS::Cinder::Volume``.

    A project depends on the volumes that it owns, a server on those that it has
    attached, whatever their state: one in ``error`` makes its protection fail by name,
    so that no checkpoint lacks it silently.
    """

    service = "cinder"
    resource_type = constants.VOLUME_RESOURCE_TYPE
    parent_types = (
        constants.SERVER_RESOURCE_TYPE,
        constants.PROJECT_RESOURCE_TYPE,
    )
    states = STATES

    def _open(self, context: RequestContext) -> Listing:
        client = ClientFactory.create_client("cinder", context, self._configuration)
        return Listing(context, cinder_volumes.Volumes(client), cinder_volumes.OWNER)

    def _extra_info(self, thing: Thing) -> dict[str, Any] | None:
        zone = thing.get("availability_zone")
        return {"availability_zone": zone} if zone else None

    def _of_servers(
        self, context: RequestContext, servers: Sequence[Resource]
    ) -> dict[Resource, list[Resource]]:
        known = servers_of(self.shared, context, self._configuration, servers)
        attached = {server: volume_ids_of(known[server]) for server in servers}
        wanted = [name for names in attached.values() for name in names]
        volumes = self._listing(context).by_ids(wanted) if wanted else {}
        return {
            server: [self._attached(volumes.get(name), name) for name in names]
            for server, names in attached.items()
        }

    def _attached(self, volume: Thing | None, volume_id: str) -> Resource:
        if volume is None:
            return Resource(self.resource_type, volume_id, None)
        return self._resource(volume)
