# SPDX-License-Identifier: Apache-2.0
"""Restoring a volume from what Cinder keeps: into a new one, or into a given one."""

from collections.abc import Generator
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import (
    Notes,
    restore_notes,
)
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.protection_plugins.volume.kept.keep import (
    NotKept,
    kept_thing,
)
from karbor.services.protection.protection_plugins.volume.kept.keeping import (
    Keeping,
    SavedVolume,
)
from karbor.services.protection.protection_plugins.volume.making import (
    VolumeMaking,
    equip,
)
from karbor.services.protection.protection_plugins.volume.settings import (
    VolumeCloud,
    VolumeSettings,
)
from karbor.services.protection.waiting.until import Until, Waits

#: Notes that a given volume is overwritten.
_OVERWRITING = "given-volume"


class RestoreOperation(Operation):
    """A volume of the backup or snapshot, under a temporary name until all is done."""

    def __init__(self, settings: VolumeSettings, keeping: Keeping) -> None:
        self._settings = settings
        self._keeping = keeping

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        record = kwargs.get("restore")
        progress = kwargs.get("progress")
        report(record, resource, constants.RESOURCE_STATUS_RESTORING)
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(
            exception.RestoreResourceFailed, self._keeping.title, resource, record
        ):
            cloud = self._settings.cloud(context)
            notes = restore_notes(section, record)
            saved = SavedVolume.load(section, self._keeping)
            kept = yield from kept_thing(cloud, self._keeping, saved)
            described = _described(saved, kept)
            if progress is not None:
                progress.expect(described.bytes)
            given = parameters.get("volume_id")
            if given:
                volume_id, remark = yield from _overwrite(
                    cloud, notes, kept, described, parameters
                )
                notes.forget(_OVERWRITING)
            else:
                making = VolumeMaking(cloud, notes, parameters)
                volume_id, remark = yield from making.run(
                    described,
                    {self._keeping.id_field: kept["id"]},
                    follows_source=self._keeping.follows_source,
                )
            if progress is not None:
                progress.advance(described.bytes)
        kwargs["new_resources"][resource.id] = volume_id
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE, remark)

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        record = kwargs.get("restore")
        with failing(
            exception.RestoreResourceFailed, self._keeping.title, resource, record
        ):
            VolumeMaking(
                self._settings.cloud(context),
                restore_notes(section, record),
                parameters,
            ).complete(SavedVolume.load(section, self._keeping).described)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        record = kwargs.get("restore")
        notes = restore_notes(section, record)
        saved = SavedVolume.find(section, self._keeping)
        if saved is None:
            return
        making = VolumeMaking(self._settings.cloud(context), notes, parameters)
        yield from making.revert(saved.described, resource, kwargs)
        if notes.find(_OVERWRITING) is not None:
            remark = _(
                "Volume %s was being overwritten: what it holds now is neither its "
                "old data nor the backup's. Restore into it again"
            ) % parameters.get("volume_id")
            report(record, resource, constants.RESOURCE_STATUS_ERROR, remark)
            notes.forget(_OVERWRITING)


def _described(saved: SavedVolume, kept: dict[str, Any]) -> VolumeDescription:
    """The volume; of what Karbor 1.x protected, its size is all that is known."""
    fields = saved.described.fields or {"size": kept["size"]}
    return VolumeDescription(saved.described.id, fields)


def _overwrite(
    cloud: VolumeCloud,
    notes: Notes,
    backup: dict[str, Any],
    described: VolumeDescription,
    parameters: dict[str, Any],
) -> Generator[Until, Any, tuple[str, str]]:
    volumes, volume_id = cloud.volumes, parameters["volume_id"]
    volume = volumes.get(volume_id)
    if volume is None:
        raise exception.InvalidParameterValue(
            err=_("Cinder has no volume %s to restore into: give another volume_id")
            % volume_id
        )
    status = volumes.status_of(volume)
    # Without a note it is overwritten with another backup, by somebody else.
    is_mine = notes.find(_OVERWRITING) is not None
    if status != "available" and not (is_mine and status == "restoring-backup"):
        raise exception.ProtectableResourceInvalidStatus(
            id=volume_id,
            type=constants.VOLUME_RESOURCE_TYPE,
            status=_(
                "'%s'. Only an available volume can be overwritten: detach it, or wait"
            )
            % status,
        )
    if volume["size"] < backup["size"]:
        raise NotKept(
            what=_("Volume Backup"),
            id=backup["id"],
            reason=_("of %(size)s GiB does not fit into volume %(volume)s of %(own)s")
            % {"size": backup["size"], "volume": volume_id, "own": volume["size"]},
        )
    notes.take(_OVERWRITING)
    if status == "available":
        cloud.backups.restore(backup["id"], volume_id)
    yield cloud.until_copied(
        volumes, volume_id, "available", pending=("restoring-backup",)
    )
    remarks: list[str] = []
    equip(cloud, volume_id, described, remarks)
    name = parameters.get("restore_name")
    description = parameters.get("restore_description")
    if name or description:
        volumes.rename(
            volume_id,
            name or volume["name"],
            volume["description"] if description is None else description,
        )
    return volume_id, " ".join(remarks)
