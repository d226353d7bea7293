# SPDX-License-Identifier: Apache-2.0
"""What Freezer has to be told of a volume or a server, and what it makes of it."""

import abc
import re
from typing import Any, ClassVar

from karbor import exception
from karbor.common import constants
from karbor.i18n import _
from karbor.services.protection.protection_plugins.freezer.cloud import Cloud
from karbor.services.protection.protection_plugins.freezer.saved_backup import (
    SavedBackup,
    Target,
)
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.waiting.until import Until


class Kind(abc.ABC):
    """One of Freezer's modes."""

    #: As Freezer names it.
    mode: ClassVar[str]
    resource_type: ClassVar[str]

    @abc.abstractmethod
    def look(self, cloud: Cloud, resource_id: str, name: str | None) -> Target:
        """What is to be backed up, as it is now.

        :raises KarborException: when it is gone, or in a state that forbids it
        """

    @abc.abstractmethod
    def fields(self, target: Target) -> dict[str, Any]:
        """What an action says of it."""

    def restore_name(self, saved: SavedBackup, prefix: str) -> str:
        """The ``backup_name`` of a restoring action."""
        return saved.backup_name

    @abc.abstractmethod
    def restored(self, cloud: Cloud, target: Target, prefix: str) -> str | None:
        """The id of what a job has made of it, by the prefix of its action."""

    @abc.abstractmethod
    def until_ready(self, cloud: Cloud, new_id: str) -> Until:
        """The wait for that to be usable."""

    @abc.abstractmethod
    def finish(self, cloud: Cloud, target: Target, new_id: str, name: str) -> None:
        """Give it its name, and what Freezer does not bring back."""


class VolumeKind(Kind):
    """Freezer's mode ``cinder``: the volume's data by way of an image."""

    mode = "cinder"
    resource_type = constants.VOLUME_RESOURCE_TYPE

    def look(self, cloud: Cloud, resource_id: str, name: str | None) -> Target:
        volume = _found(cloud.volumes.get(resource_id), self, resource_id, name)
        _check_status(volume, ("available", "in-use"), self)
        described = VolumeDescription.of(volume)
        details = {
            "description": described.description,
            "metadata": described.metadata or {},
            "bootable": described.is_bootable,
        }
        return Target(self.mode, resource_id, volume.get("name") or "", details)

    def fields(self, target: Target) -> dict[str, Any]:
        return {"mode": self.mode, "cinder_vol_id": target.id}

    def restore_name(self, saved: SavedBackup, prefix: str) -> str:
        # Freezer finds the data by the volume's id, and names the new volume so.
        return prefix

    def restored(self, cloud: Cloud, target: Target, prefix: str) -> str | None:
        made = re.compile(re.escape(prefix) + r"~\d+")
        return next(
            (
                volume["id"]
                for volume in cloud.volumes.list()
                if made.fullmatch(volume.get("name") or "")
            ),
            None,
        )

    def until_ready(self, cloud: Cloud, new_id: str) -> Until:
        return cloud.until_volume(new_id)

    def finish(self, cloud: Cloud, target: Target, new_id: str, name: str) -> None:
        details = target.details
        cloud.volumes.rename(new_id, name, details.get("description"))
        if "metadata" in details:
            # Of older checkpoints it has what Cinder had set itself.
            metadata = VolumeDescription(target.id, details).metadata
            cloud.volumes.set_metadata(new_id, metadata or {})
            cloud.volumes.set_flags(new_id, bootable=details["bootable"], readonly=None)


class ServerKind(Kind):
    """Freezer's mode ``nova``: an image of the server's root disk."""

    mode = "nova"
    resource_type = constants.SERVER_RESOURCE_TYPE

    def look(self, cloud: Cloud, resource_id: str, name: str | None) -> Target:
        server = _found(cloud.compute.get(resource_id), self, resource_id, name)
        return self.of(server)

    def of(self, server: dict[str, Any]) -> Target:
        """As :meth:`look`, of a server that was listed."""
        _check_status(server, ("active", "shutoff", "paused", "suspended"), self)
        return Target(self.mode, server["id"], server["name"])

    def fields(self, target: Target) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "engine_name": self.mode,
            "nova_inst_id": target.id,
        }

    def restored(self, cloud: Cloud, target: Target, prefix: str) -> str | None:
        servers = cloud.servers_from(cloud.images_named(prefix + "-restore_"))
        return next((server["id"] for server in servers), None)

    def until_ready(self, cloud: Cloud, new_id: str) -> Until:
        return cloud.until_server(new_id)

    def finish(self, cloud: Cloud, target: Target, new_id: str, name: str) -> None:
        cloud.rename_server(new_id, name)


#: By Freezer's mode.
KINDS: dict[str, Kind] = {kind.mode: kind for kind in (VolumeKind(), ServerKind())}


def _found(
    thing: dict[str, Any] | None, kind: Kind, resource_id: str, name: str | None
) -> dict[str, Any]:
    if thing is None:
        raise exception.ProtectableResourceNotFound(
            id=f"{resource_id} ('{name}')",
            type=kind.resource_type,
            reason=_("it does not exist any more; take it out of the plan"),
        )
    return thing


def _check_status(thing: dict[str, Any], good: tuple[str, ...], kind: Kind) -> None:
    if thing["status"].lower() not in good:
        raise exception.ProtectableResourceInvalidStatus(
            id=f"{thing['id']} ('{thing.get('name')}')",
            type=kind.resource_type,
            status=_("%(status)s; Freezer backs it up when it is %(good)s")
            % {"status": thing["status"], "good": " or ".join(good)},
        )
