# SPDX-License-Identifier: Apache-2.0
"""Finds images: those a project owns, and those its servers were booted from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keystoneauth1.exceptions
import novaclient.exceptions
import requests
from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.glance_images import Images
from karbor.services.protection.protectable_plugin import ProtectablePlugin

LOG = logging.getLogger(__name__)

#: Active images have data, those of the other states will have it in a moment.
#: https://docs.openstack.org/glance/latest/user/statuses.html
PROTECTABLE_STATUSES = frozenset({"active", "saving", "uploading", "importing"})

#: Up to so many servers are asked for one by one instead of listing them all.
_FEW_SERVERS = 3

_NOVA_ERRORS = (
    novaclient.exceptions.ClientException,
    keystoneauth1.exceptions.ClientException,
    requests.exceptions.RequestException,
    exception.KarborException,
)


class ImageProtectablePlugin(ProtectablePlugin):
    """``OS::Glance::Image``.

    A project depends on the images that it owns, a server on the image that it was
    booted from. Images that cannot be protected (no data yet, deactivated, on their
    way out) are not found; showing one of them says why.
    """

    def get_resource_type(self) -> str:
        return constants.IMAGE_RESOURCE_TYPE

    def get_parent_resource_types(self) -> Sequence[str]:
        return (constants.SERVER_RESOURCE_TYPE, constants.PROJECT_RESOURCE_TYPE)

    def list_resources(
        self, context: RequestContext, parameters: Mapping[str, Any] | None = None
    ) -> list[Resource]:
        if not context.project_id:
            return []
        return self._owned_by(context, context.project_id)

    def show_resource(
        self,
        context: RequestContext,
        resource_id: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> Resource | None:
        try:
            image = self._images(context).get(resource_id)
        except exception.KarborException as error:
            raise _list_failed(error) from error
        if image is None:
            return None
        if image["status"] not in PROTECTABLE_STATUSES:
            raise exception.ProtectableResourceInvalidStatus(
                id=resource_id,
                type=constants.IMAGE_RESOURCE_TYPE,
                status=image["status"],
            )
        return _resource(image)

    def get_dependent_resources(
        self, context: RequestContext, parent_resource: Resource
    ) -> list[Resource]:
        found = self.get_dependent_resources_many(context, [parent_resource])
        return found[parent_resource]

    def get_dependent_resources_many(
        self, context: RequestContext, parents: Sequence[Resource]
    ) -> dict[Resource, list[Resource]]:
        found: dict[Resource, list[Resource]] = {parent: [] for parent in parents}
        servers = []
        for parent in parents:
            if parent.type == constants.PROJECT_RESOURCE_TYPE:
                found[parent] = self._owned_by(context, parent.id)
            elif parent.type == constants.SERVER_RESOURCE_TYPE:
                servers.append(parent)
        if servers:
            found.update(self._booted_from(context, servers))
        return found

    def _owned_by(self, context: RequestContext, project_id: str) -> list[Resource]:
        try:
            owned = list(self._images(context).owned_by(project_id))
        except exception.KarborException as error:
            raise _list_failed(error) from error
        return [_resource(image) for image in _protectable(owned)]

    def _booted_from(
        self, context: RequestContext, servers: list[Resource]
    ) -> dict[Resource, list[Resource]]:
        image_ids = self._image_ids(context, {server.id for server in servers})
        wanted = {image_id for image_id in image_ids.values() if image_id}
        try:
            existing = self._images(context).by_ids(wanted) if wanted else {}
        except exception.KarborException as error:
            raise _list_failed(error) from error
        for image_id in wanted - existing.keys():
            LOG.warning(
                "Image %s, which servers were booted from, does not exist any more "
                "and is not protected with them.",
                image_id,
            )
        usable = {image["id"]: image for image in _protectable(existing.values())}
        found: dict[Resource, list[Resource]] = {}
        for server in servers:
            image = usable.get(image_ids[server.id] or "")
            extra_info = {"server_id": server.id}
            found[server] = [_resource(image, extra_info)] if image else []
        return found

    def _image_ids(
        self, context: RequestContext, server_ids: set[str]
    ) -> dict[str, str | None]:
        """The image of each server; None for one booted from a volume."""
        try:
            nova = ClientFactory.create_client("nova", context, self._configuration)
            if len(server_ids) > _FEW_SERVERS:
                listed = {
                    server.id: _image_id(server)
                    for server in nova.servers.list(detailed=True, limit=-1)
                    if server.id in server_ids
                }
            else:
                listed = {}
            for server_id in sorted(server_ids - listed.keys()):
                listed[server_id] = _image_id(nova.servers.get(server_id))
        except _NOVA_ERRORS as error:
            raise _list_failed(error) from error
        return listed

    def _images(self, context: RequestContext) -> Images:
        return Images(
            ClientFactory.create_client("glance", context, self._configuration)
        )

    @property
    def _configuration(self) -> cfg.ConfigOpts:
        return self._conf if self._conf is not None else cfg.CONF


def _protectable(images: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    usable = []
    for image in images:
        if image["status"] in PROTECTABLE_STATUSES:
            usable.append(image)
        else:
            LOG.info(
                "Image %s is left out, because its status is '%s'.",
                image["id"],
                image["status"],
            )
    return usable


def _image_id(server: Any) -> str | None:
    """Nova gives ``""`` in place of the image of a server booted from a volume."""
    return server.image["id"] if server.image else None


def _resource(
    image: Mapping[str, Any], extra_info: dict[str, Any] | None = None
) -> Resource:
    return Resource(
        constants.IMAGE_RESOURCE_TYPE, image["id"], image.get("name"), extra_info
    )


def _list_failed(error: Exception) -> exception.ListProtectableResourceFailed:
    return exception.ListProtectableResourceFailed(
        type=constants.IMAGE_RESOURCE_TYPE, reason=error
    )
