# SPDX-License-Identifier: Apache-2.0
"""Verifying and deleting what Cinder keeps of a volume, and reverting its making."""

import functools
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import (
    noted_restores,
    protect_notes,
)
from karbor.services.protection.protection_plugins.volume import temporary
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.protection_plugins.volume.kept.keeping import (
    BACKUP,
    MARK,
    Keeping,
    Marked,
    SavedVolume,
)
from karbor.services.protection.protection_plugins.volume.making import VolumeMaking
from karbor.services.protection.protection_plugins.volume.settings import (
    VolumeCloud,
    VolumeSettings,
)
from karbor.services.protection.protection_plugins.volume.snapshotting import (
    TemporarySnapshot,
)
from karbor.services.protection.waiting.until import Until, Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class NotKept(exception.KarborException):
    """What has a volume's data is not there, or of no use."""

    message = _("%(what)s %(id)s %(reason)s")


def kept_thing(
    cloud: VolumeCloud, keeping: Keeping, saved: SavedVolume
) -> Generator[Until, Any, dict[str, Any]]:
    """What has a volume's data, when it can be used.

    :raises NotKept: when it is gone, in error, or not what was made
    :raises WaitFailed: when something else does not come to an end with it
    """
    things = keeping.things(cloud)
    assert saved.kept_id is not None
    found = things.get(saved.kept_id)
    if found is None:
        raise NotKept(
            what=keeping.title,
            id=saved.kept_id,
            reason=_(
                "does not exist here: somebody has deleted it, or this is another "
                "project or cloud than the volume was protected in. Only "
                "karbor-volume-glance-plugin keeps the data itself in the bank"
            ),
        )
    if things.status_of(found) in ("restoring", "backing-up"):
        found = yield cloud.until_copied(
            things, saved.kept_id, "available", pending=("restoring", "backing-up")
        )
    status = things.status_of(found)
    if status != "available":
        fault = things.told_fault_of(found)
        raise NotKept(
            what=keeping.title,
            id=saved.kept_id,
            reason=f"is '{status}'" + (f": {fault}" if fault else ""),
        )
    expected = saved.described.fields.get("size", found["size"])
    if found["size"] != expected or found["volume_id"] != saved.described.id:
        raise NotKept(
            what=keeping.title,
            id=saved.kept_id,
            reason=_(
                "has %(size)s GiB of volume %(volume)s, and was to have %(expected)s "
                "GiB of volume %(original)s"
            )
            % {
                "size": found["size"],
                "volume": found["volume_id"],
                "expected": expected,
                "original": saved.described.id,
            },
        )
    return found


def take_back(
    cloud: VolumeCloud, keeping: Keeping, section: "BankSection", volume_id: str
) -> Waits:
    """Delete what a failed protection made: nobody restores from its checkpoint.

    :raises LeftBehind: naming all that could not be deleted
    """
    yield from removal.each(
        lambda: _remove_kept(cloud, keeping, section),
        lambda: _clean_up_protection(cloud, keeping, section, volume_id),
    )


def _remove_kept(cloud: VolumeCloud, keeping: Keeping, section: "BankSection") -> Waits:
    saved = SavedVolume.find(section, keeping)
    if saved is None or saved.kept_id is None:
        return
    things = keeping.things(cloud)
    try:
        yield from temporary.remove(cloud, things, things.delete, saved.kept_id)
    except exception.KarborException as error:
        raise removal.LeftBehind(
            what=things.kind, id=saved.kept_id, reason=error
        ) from error


def _clean_up_protection(
    cloud: VolumeCloud, keeping: Keeping, section: "BankSection", volume_id: str
) -> Waits:
    """Delete what is only noted: what was to be kept, and what it was made of."""
    things, notes = keeping.things(cloud), protect_notes(section)
    yield from removal.each(
        lambda: temporary.clean_up(
            cloud, notes, MARK, things, Marked(things, volume_id)
        ),
        TemporarySnapshot(cloud, notes).clean_up,
    )


def _clean_up_all(
    cloud: VolumeCloud, keeping: Keeping, section: "BankSection", volume_id: str
) -> Waits:
    """Delete what operations left that were cut off; a volume before its source.

    A volume that one had restored completely is kept.
    """
    saved = SavedVolume.find(section, keeping)
    described = saved.described if saved else VolumeDescription(volume_id, {})
    yield from removal.each(
        *(
            functools.partial(VolumeMaking(cloud, notes, {}).settle, described)
            for notes in noted_restores(section)
        ),
        lambda: _clean_up_protection(cloud, keeping, section, volume_id),
    )


class VerifyOperation(Operation):
    """Checks that Cinder has what was made, available and of the right size."""

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
        record = kwargs.get("verify")
        report(record, resource, constants.RESOURCE_STATUS_VERIFYING)
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        with failing(
            exception.VerifyResourceFailed, self._keeping.title, resource, record
        ):
            saved = SavedVolume.load(section.uncached, self._keeping)
            cloud = self._settings.cloud(context)
            yield from kept_thing(cloud, self._keeping, saved)
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE)


class DeleteOperation(Operation):
    """Deletes what Cinder keeps, then what the bank does.

    That others build on it is found before any resource's data is deleted.
    """

    def __init__(self, settings: VolumeSettings, keeping: Keeping) -> None:
        self._settings = settings
        self._keeping = keeping

    def on_prepare_begin(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        with failing(exception.DeleteResourceFailed, self._keeping.title, resource):
            cloud = self._settings.cloud(context)
            _check_dependents(cloud, self._keeping, section)

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.DeleteResourceFailed, self._keeping.title, resource):
            cloud = self._settings.cloud(context)
            _check_dependents(cloud, self._keeping, section)
            yield from _clean_up_all(cloud, self._keeping, section, resource.id)
            yield from _remove_kept(cloud, self._keeping, section)
            section.delete_all()


def _check_dependents(
    cloud: VolumeCloud, keeping: Keeping, section: "BankSection"
) -> None:
    """Refuse to delete what others build on.

    :raises NotKept: for a backup that Cinder keeps for the sake of later ones
    """
    saved = SavedVolume.find(section, keeping)
    if saved is None or saved.kept_id is None:
        return
    backup = keeping.things(cloud).get(saved.kept_id)
    if backup is None or not backup.get("has_dependent_backups"):
        return
    later = sorted(
        (other["created_at"], other["id"])
        for other in cloud.backups.list(volume_id=backup["volume_id"])
        if other["is_incremental"] and other["created_at"] > backup["created_at"]
    )
    raise NotKept(
        what=BACKUP.title,
        id=backup["id"],
        reason=_(
            "cannot be deleted before the incremental backups that build on it. "
            "Delete their checkpoints first, the newest before the others: %s"
        )
        % ", ".join(backup_id for _created, backup_id in reversed(later)),
    )
