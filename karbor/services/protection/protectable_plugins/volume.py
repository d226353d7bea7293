# SPDX-License-Identifier: Apache-2.0
"""Finds volumes: those of a project, and those that its servers have attached."""

from collections.abc import Iterable, Sequence
from typing import Any

from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.cinder_volumes import OWNER, VERSION, Volumes
from karbor.services.protection.clients.nova_servers import volume_ids_of
from karbor.services.protection.protectable_plugins.listed import (
    ListedProtectablePlugin,
    States,
)
from karbor.services.protection.protectable_plugins.listing import (
    Listing,
    Thing,
    one_by_one,
)
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
            "restoring-backup",
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
        client = ClientFactory.create_client(
            "cinder", context, self._configuration, version=VERSION
        )
        return Listing(context, _Cinder(Volumes(client, context)), OWNER)

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


class _Cinder:
    """The volumes of a Cinder as a listing asks for them."""

    few = Volumes.few

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def get_many(self, ids: Iterable[str]) -> dict[str, Thing]:
        return one_by_one(self._volumes.get, ids)

    def of_project(self, project_id: str, *, all_tenants: bool) -> list[Thing]:
        # To a caller who is no admin Cinder gives the caller's own in either case.
        if all_tenants:
            return self._volumes.list(all_tenants=1, project_id=project_id)
        return self._volumes.list()
