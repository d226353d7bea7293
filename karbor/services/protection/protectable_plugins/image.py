# SPDX-License-Identifier: Apache-2.0
"""Finds images: those a project owns, and those its servers were booted from."""

from collections.abc import Iterable, Sequence

from oslo_log import log as logging

from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.glance_images import Images, names_snapshots
from karbor.services.protection.clients.nova_servers import image_id_of
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

LOG = logging.getLogger(__name__)

#: What stands for the status of an active image that only names snapshots of volumes.
#: These are kept apart from it, as the volumes themselves can be.
WITHOUT_DATA = "active without data: it names snapshots of volumes"

#: Active images have data, those of the other states will have it in a moment.
#: A deactivated one gives its data to nobody but admins, while servers that were booted
#: from it run on: they must not become impossible to protect.
#: https://docs.openstack.org/glance/latest/user/statuses.html
STATES = States(
    protectable=frozenset({"active", "importing", "saving", "uploading"}),
    absent=frozenset(
        {"deactivated", "deleted", "killed", "pending_delete", "queued", WITHOUT_DATA}
    ),
)


class ImageProtectablePlugin(ListedProtectablePlugin):
    """``OS::Glance::Image``.

    A project depends on the images that it owns, a server on the image that it was
    booted from. Images that cannot be protected (no data yet or none at all,
    deactivated, on their way out) are not found; showing one of them says why.
    """

    service = "glance"
    resource_type = constants.IMAGE_RESOURCE_TYPE
    parent_types = (
        constants.SERVER_RESOURCE_TYPE,
        constants.PROJECT_RESOURCE_TYPE,
    )
    states = STATES

    def _status(self, thing: Thing) -> str:
        if thing["status"] == "active" and names_snapshots(thing):
            return WITHOUT_DATA
        return super()._status(thing)

    def _open(self, context: RequestContext) -> Listing:
        client = ClientFactory.create_client("glance", context, self._configuration)
        return Listing(context, _Glance(Images(client)), "owner")

    def _of_servers(
        self, context: RequestContext, servers: Sequence[Resource]
    ) -> dict[Resource, list[Resource]]:
        known = servers_of(self.shared, context, self._configuration, servers)
        image_ids = {server: image_id_of(known[server]) for server in servers}
        wanted = {image_id for image_id in image_ids.values() if image_id}
        existing = self._listing(context).by_ids(sorted(wanted)) if wanted else {}
        for image_id in sorted(wanted - existing.keys()):
            LOG.warning(
                "Image %s, which servers were booted from, does not exist any more "
                "and is not protected with them.",
                image_id,
            )
        usable = {image["id"]: image for image in self._present(existing.values())}
        found: dict[Resource, list[Resource]] = {}
        for server in servers:
            image = usable.get(image_ids[server] or "")
            found[server] = [self._booted(image, server)] if image else []
        return found

    def _booted(self, image: Thing, server: Resource) -> Resource:
        return Resource(
            self.resource_type, image["id"], image.get("name"), {"server_id": server.id}
        )


class _Glance:
    """The images of a Glance as a listing asks for them."""

    #: Glance takes many ids in one query.
    few = 10_000

    def __init__(self, images: Images) -> None:
        self._images = images

    def get_many(self, ids: Iterable[str]) -> dict[str, Thing]:
        wanted = list(ids)
        if len(wanted) > 1:
            return self._images.by_ids(wanted)
        return one_by_one(self._images.get, wanted)

    def of_project(self, project_id: str, *, all_tenants: bool) -> list[Thing]:
        return list(self._images.owned_by(project_id))
