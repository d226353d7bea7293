# SPDX-License-Identifier: Apache-2.0
"""The volumes, servers and images of a caller that Freezer reads and makes."""

import functools
from collections.abc import Callable, Collection, Iterable
from typing import Any

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import cinder_volumes, nova_compute
from karbor.services.protection.clients.cinder_volumes import (
    CinderThings,
    Snapshots,
    Volumes,
)
from karbor.services.protection.clients.faults import calling
from karbor.services.protection.clients.glance_images import Images, ImageThings
from karbor.services.protection.clients.nova_compute import Compute, ServerThings
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)
from karbor.services.protection.waiting.until import Things, Until, Waits


class Cloud:
    """Clients for one caller, each made when it is first needed."""

    def __init__(self, settings: FreezerSettings, context: RequestContext) -> None:
        self._settings = settings
        self._context = context

    @property
    def project_id(self) -> str:
        """The project that the caller works in."""
        return str(self._context.token_project_id)

    @functools.cached_property
    def volumes(self) -> Volumes:
        """The volumes that the caller sees."""
        return Volumes(self._cinder, self._context)

    @functools.cached_property
    def snapshots(self) -> Snapshots:
        """The volume snapshots that the caller sees."""
        return Snapshots(self._cinder, self._context)

    @functools.cached_property
    def compute(self) -> Compute:
        """The servers that the caller sees."""
        return Compute(self._nova)

    @functools.cached_property
    def images(self) -> Images:
        """The images that the caller sees."""
        return Images(self._client("glance"))

    def servers(self) -> list[dict[str, Any]]:
        """All servers of the project."""
        return self.compute.of_project(self.project_id, all_tenants=False)

    def images_named(self, part: str) -> dict[str, str]:
        """The names of the project's images that have this in them, by id."""
        return {
            image["id"]: image["name"]
            for image in self.images.owned_by(self.project_id)
            if part in (image.get("name") or "")
        }

    def servers_from(self, images: Collection[str]) -> list[dict[str, Any]]:
        """The project's servers that were booted from one of some images."""
        if not images:
            return []
        return [one for one in self.servers() if image_of(one) in images]

    def rename_server(self, server_id: str, name: str) -> None:
        """Give a server another name.

        :raises ServiceFailed: when Nova refuses it
        """
        with calling("Nova", f"rename server {server_id} to '{name}'"):
            self._nova.servers.update(server_id, name=name)

    def until_volume(self, volume_id: str) -> Until:
        """The wait for a volume that is being made."""
        return self._settings.patience.until_status(
            self.volumes, volume_id, "available", pending=("creating", "downloading")
        )

    def until_server(self, server_id: str) -> Until:
        """The wait for a server that is being made."""
        return self._settings.patience.until_status(
            self._server_things, server_id, "active", pending=("build",)
        )

    def delete_left(self, mark: str) -> Waits:
        """Delete all whose name has a mark in it, and servers booted from such.

        What uses another thing goes before it. Nova calls the snapshots of a server's
        volumes after the image that it makes of the server.

        :raises KarborException: naming what a service refuses, or what does not go
        """
        yield from removal.each(
            lambda: self._delete_servers(mark),
            lambda: self._delete_named(self.volumes, mark),
            lambda: self._delete_named(self.snapshots, mark),
            lambda: self._delete_images(mark),
        )

    def _delete_servers(self, mark: str) -> Waits:
        left = [one["id"] for one in self.servers_from(self.images_named(mark))]
        # Nova deletes a server whatever is being done with it.
        yield from self._delete(
            self._server_things, self.compute.delete, left, busy=None, going=()
        )

    def _delete_named(self, things: CinderThings, mark: str) -> Waits:
        left = [one["id"] for one in things.list() if mark in (one.get("name") or "")]
        busy = self._settings.patience_of("job_timeout")
        yield from self._delete(things, things.delete, left, busy=busy)

    def _delete_images(self, mark: str) -> Waits:
        left = self.images_named(mark)
        things = ImageThings(self.images, self._context)
        yield from self._delete(things, self.images.delete, left, busy=None)

    def _delete(
        self,
        things: Things,
        delete: Callable[[str], Any],
        left: Iterable[str],
        **kwargs: Any,
    ) -> Waits:
        remove = functools.partial(
            removal.remove, things, delete, patience=self._settings.patience, **kwargs
        )
        yield from removal.each(*(functools.partial(remove, one) for one in left))

    @property
    def _server_things(self) -> ServerThings:
        return ServerThings(self.compute, self._context)

    @functools.cached_property
    def _cinder(self) -> Any:
        return self._client("cinder", version=cinder_volumes.VERSION)

    @functools.cached_property
    def _nova(self) -> Any:
        return self._client("nova", version=nova_compute.VERSION)

    def _client(self, service: str, **kwargs: Any) -> Any:
        return ClientFactory.create_client(
            service, self._context, self._settings.conf, **kwargs
        )


def image_of(server: dict[str, Any]) -> str | None:
    """The id of the image that a server was booted from."""
    image = server.get("image")
    return image["id"] if image else None
