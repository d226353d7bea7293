# SPDX-License-Identifier: Apache-2.0
"""Volumes, snapshots and backups of a Cinder as plain dicts, and to wait for.

Fields are as the Block Storage API v3 documents them.
"""

import abc
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from karbor.services.protection.clients.faults import calling
from karbor.services.protection.clients.listed_things import ListedThings
from karbor.services.protection.clients.missing import as_path, found_or_none
from karbor.services.protection.waiting.until import Thing

#: The microversion that these calls need, of the Rocky release: volumes from backups
#: (3.47), zones of backups (3.51), and messages by what they are about (3.31).
VERSION = "3.51"

#: What Cinder calls a volume's owner.
OWNER = "os-vol-tenant-attr:tenant_id"

SERVICE = "Cinder"


class CinderThings(ListedThings):
    """Things of one kind that a Cinder client's user sees.

    :param client: as ``ClientFactory.create_client('cinder', …, version=VERSION)``
        gives
    :param context: whose client it is
    """

    @property
    @abc.abstractmethod
    def _manager(self) -> Any:
        """The client library's part for this kind."""

    @property
    def endpoint(self) -> str:
        return str(self.client.client.endpoint_override)

    def get(self, thing_id: str) -> dict[str, Any] | None:
        """One of them; None when it does not exist or is another's.

        :raises ServiceFailed: when Cinder cannot be asked
        """
        return found_or_none(
            SERVICE,
            f"show {self.kind} {thing_id}",
            lambda: dict(self._manager.get(as_path(thing_id)).to_dict()),
        )

    def all(self) -> list[dict[str, Any]]:
        return self.list()

    def of_project(self, project_id: str) -> list[dict[str, Any]]:
        return self.list(all_tenants=1, project_id=project_id)

    def list(self, **filters: Any) -> list[dict[str, Any]]:
        """The caller's project's, from all pages.

        :param filters: as the API names them, such as ``name`` or ``volume_id``
        :raises ServiceFailed: when Cinder cannot be asked
        """
        with calling(SERVICE, f"list every {self.kind}"):
            found = self._manager.list(detailed=True, search_opts=filters)
        return [dict(thing.to_dict()) for thing in found]

    def named(self, name: str) -> dict[str, Any] | None:
        """One that has a name which nothing else has; None when there is none.

        :raises ServiceFailed: when Cinder cannot be asked
        """
        for thing in self.list(name=name):
            if thing["name"] == name:
                return thing
        return None

    def delete(self, thing_id: str) -> None:
        """Ask for its deletion, which goes on after this returns.

        :raises ServiceFailed: when Cinder refuses, or cannot be asked
        """
        with calling(SERVICE, f"delete {self.kind} {thing_id}"):
            self._manager.delete(thing_id)

    def fault_of(self, thing: Thing) -> str | None:
        """The newest of Cinder's messages about it."""
        with calling(SERVICE, f"list the messages about {self.kind} {thing['id']}"):
            messages = self.client.messages.list(
                search_opts={"resource_uuid": thing["id"]}
            )
        newest = max(messages, key=lambda message: message.created_at, default=None)
        return None if newest is None else str(newest.user_message)


class Volumes(CinderThings):
    """Volumes."""

    kind: ClassVar[str] = "volume"
    owner_field: ClassVar[str] = OWNER

    @property
    def _manager(self) -> Any:
        return self.client.volumes

    def create(self, size: int, name: str, **fields: Any) -> dict[str, Any]:
        """A new volume, which is ``creating`` when this returns.

        :param size: GiB
        :param fields: ``description``, ``volume_type``, ``availability_zone``,
            ``metadata``, and one of ``snapshot_id``, ``imageRef`` and ``backup_id``
        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"create volume '{name}'"):
            made = self.client.volumes.create(size, name=name, **fields)
        return dict(made.to_dict())

    def rename(self, volume_id: str, name: str, description: str | None) -> None:
        """Give a volume another name and description.

        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"rename volume {volume_id}"):
            self.client.volumes.update(volume_id, name=name, description=description)

    def set_metadata(self, volume_id: str, metadata: Mapping[str, str]) -> None:
        """Replace all metadata of a volume.

        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"set the metadata of volume {volume_id}"):
            self.client.volumes.update_all_metadata(volume_id, dict(metadata))

    def set_image_metadata(
        self,
        volume_id: str,
        metadata: Mapping[str, str],
        unwanted: Iterable[str] = (),
    ) -> None:
        """Set some of what a volume knows of the image that it came from.

        :param unwanted: names to take away
        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"set the image metadata of volume {volume_id}"):
            if metadata:
                self.client.volumes.set_image_metadata(volume_id, dict(metadata))
            self.client.volumes.delete_image_metadata(volume_id, list(unwanted))

    def set_flags(
        self, volume_id: str, *, bootable: bool | None, readonly: bool | None
    ) -> None:
        """Set a volume's flags; None leaves one as it is.

        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"set the flags of volume {volume_id}"):
            if bootable is not None:
                self.client.volumes.set_bootable(volume_id, bootable)
            if readonly is not None:
                self.client.volumes.update_readonly_flag(volume_id, readonly)

    def upload(self, volume_id: str, image_name: str) -> str:
        """Make a raw image from a volume, which is ``uploading`` until it ends.

        :returns: the id of the private image; its data follows
        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"make an image from volume {volume_id}"):
            _response, body = self.client.volumes.upload_to_image(
                volume_id,
                force=False,
                image_name=image_name,
                container_format="bare",
                disk_format="raw",
                visibility="private",
                protected=False,
            )
        return str(body["os-volume_upload_image"]["image_id"])

    def type_names(self) -> set[str]:
        """The volume types that the caller may use.

        :raises ServiceFailed: when Cinder cannot be asked
        """
        with calling(SERVICE, "list volume types"):
            return {kind.name for kind in self.client.volume_types.list()}

    def zone_names(self) -> set[str]:
        """The availability zones that take volumes.

        :raises ServiceFailed: when Cinder cannot be asked
        """
        with calling(SERVICE, "list availability zones"):
            zones = self.client.availability_zones.list(detailed=False)
        return {zone.zoneName for zone in zones if zone.zoneState["available"]}


class Snapshots(CinderThings):
    """Snapshots of volumes."""

    kind: ClassVar[str] = "volume snapshot"
    owner_field: ClassVar[str] = "os-extended-snapshot-attributes:project_id"

    @property
    def _manager(self) -> Any:
        return self.client.volume_snapshots

    def create(self, volume_id: str, name: str, **fields: Any) -> dict[str, Any]:
        """A new snapshot, ``creating`` when this returns; of an attached volume too.

        :param fields: ``description`` and ``metadata``
        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"create a snapshot of volume {volume_id}"):
            made = self.client.volume_snapshots.create(
                volume_id, force=True, name=name, **fields
            )
        return dict(made.to_dict())


class Backups(CinderThings):
    """Backups of volumes."""

    kind: ClassVar[str] = "volume backup"
    owner_field: ClassVar[str] = "os-backup-project-attr:project_id"

    @property
    def _manager(self) -> Any:
        return self.client.backups

    def create(self, volume_id: str, name: str, **fields: Any) -> dict[str, Any]:
        """A new backup, which is ``creating`` when this returns.

        :param fields: ``description``, ``container``, ``incremental``, ``force``,
            ``snapshot_id``, ``availability_zone``, ``metadata``
        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"create a backup of volume {volume_id}"):
            made = self.client.backups.create(volume_id, name=name, **fields)
            # The answer to the creation has an id and a name only.
            made = self.client.backups.get(made.id)
        return dict(made.to_dict())

    def restore(self, backup_id: str, volume_id: str) -> None:
        """Overwrite a volume, which is ``restoring-backup`` until it ends.

        :raises ServiceFailed: when Cinder refuses it
        """
        with calling(SERVICE, f"restore backup {backup_id} into volume {volume_id}"):
            self.client.restores.restore(backup_id, volume_id=volume_id)

    def fault_of(self, thing: Thing) -> str | None:
        return thing.get("fail_reason") or super().fault_of(thing)
