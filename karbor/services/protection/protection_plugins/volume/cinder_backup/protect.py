# SPDX-License-Identifier: Apache-2.0
"""Protecting a volume by a backup in Cinder."""

from contextlib import AbstractContextManager
from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.resumable import protect_notes
from karbor.services.protection.protection_plugins.volume import temporary
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.protection_plugins.volume.kept.keep import take_back
from karbor.services.protection.protection_plugins.volume.kept.keeping import (
    BACKUP,
    MARK,
    Marked,
    SavedVolume,
)
from karbor.services.protection.protection_plugins.volume.readiness import free_volume
from karbor.services.protection.protection_plugins.volume.settings import (
    BackupSettings,
    VolumeCloud,
)
from karbor.services.protection.protection_plugins.volume.snapshotting import (
    TemporarySnapshot,
)
from karbor.services.protection.waiting.until import Waits


class ProtectOperation(Operation):
    """A snapshot when preparing, and later a backup of it; or of the volume itself.

    With a snapshot the data is that of the moment when preparing, and the volume can
    be used meanwhile.
    """

    def __init__(self, settings: BackupSettings) -> None:
        self._settings = settings

    def on_prepare_finish(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        with _failing(resource):
            cloud = self._settings.cloud(context)
            volume = yield from free_volume(cloud, resource)
            SavedVolume(VolumeDescription.of(volume)).save(section, BACKUP)
            if self._settings.backup_from_snapshot:
                snapshot = TemporarySnapshot(cloud, protect_notes(section))
                yield from snapshot.make(resource)
            elif volume["status"] == "in-use" and not parameters.get("force"):
                raise exception.ProtectableResourceInvalidStatus(
                    id=resource.id,
                    type=resource.type,
                    status=_(
                        "'in-use'. Say force in the plan's parameters to back it up "
                        "while it changes, or set [%s] backup_from_snapshot"
                    )
                    % self._settings.group,
                )

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        progress = kwargs.get("progress")
        with _failing(resource):
            saved = SavedVolume.find(section, BACKUP)
            if saved is None:
                raise exception.ProtectableResourceNotFound(
                    id=resource.id,
                    type=resource.type,
                    reason=_("it was not prepared; on_prepare_finish runs first"),
                )
            if progress is not None:
                progress.expect(saved.described.bytes)
            cloud = self._settings.cloud(context)
            notes = protect_notes(section)
            snapshot = TemporarySnapshot(cloud, notes)
            if saved.kept_id is None:
                source = {}
                if self._settings.backup_from_snapshot:
                    source = snapshot.get(resource)
                else:
                    yield from free_volume(cloud, resource)
                name = parameters.get("backup_name") or f"karbor-{checkpoint.id}"
                made = temporary.find_or_make(
                    notes,
                    MARK,
                    Marked(cloud.backups, resource.id),
                    lambda mark: cloud.backups.create(
                        resource.id,
                        name,
                        metadata={MARK: mark},
                        **_request(cloud, resource, parameters, source),
                    ),
                )
                backup = yield cloud.until_copied(
                    cloud.backups, made["id"], "available", pending=("creating",)
                )
                details = {
                    "name": backup["name"],
                    "description": backup["description"],
                    "container": backup["container"],
                    "is_incremental": backup["is_incremental"],
                }
                # The volume may have been extended since it was prepared.
                described = saved.described.with_size(backup["size"])
                SavedVolume(described, backup["id"], details).save(section, BACKUP)
            notes.forget(MARK)
            yield from snapshot.clean_up()
            if progress is not None:
                progress.advance(saved.described.bytes)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        cloud = self._settings.cloud(context)
        yield from take_back(cloud, BACKUP, section, resource.id)
        section.delete_all()


def _request(
    cloud: VolumeCloud,
    resource: Resource,
    parameters: dict[str, Any],
    snapshot: dict[str, Any],
) -> dict[str, Any]:
    """What Cinder is asked for, beside the name."""
    mode = parameters.get("backup_mode") or "full"
    if mode == "auto":
        incremental = _has_base(cloud, resource, snapshot)
    else:
        incremental = mode == "incremental"
    return {
        "description": parameters.get("description"),
        "container": parameters.get("container"),
        "availability_zone": parameters.get("availability_zone"),
        "incremental": incremental,
        "force": bool(parameters.get("force")),
        "snapshot_id": snapshot.get("id"),
    }


def _has_base(cloud: VolumeCloud, resource: Resource, snapshot: dict[str, Any]) -> bool:
    """Whether Cinder has a backup that an incremental one can build on.

    It takes the one of the latest data; of a snapshot's backup, of data older than
    that. Most of its drivers build on none of a volume that was smaller.
    """
    latest = snapshot.get("created_at")
    bases = [
        backup
        for backup in cloud.backups.list(volume_id=resource.id)
        if backup["status"] == "available"
        and (latest is None or str(backup["data_timestamp"]) < latest)
    ]
    volume = cloud.volumes.get(resource.id)
    if volume is None or not bases:
        return False
    base = max(bases, key=lambda backup: str(backup["data_timestamp"]))
    return bool(base["size"] >= volume["size"])


def _failing(resource: Resource) -> AbstractContextManager[None]:
    return failing(exception.CreateResourceFailed, BACKUP.title, resource)
