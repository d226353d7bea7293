# SPDX-License-Identifier: Apache-2.0
"""Restoring a database: a new instance, which Trove fills from the backup."""

from collections.abc import Generator
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.database.networks import nics_for
from karbor.services.protection.protection_plugins.database.saved_database import (
    SavedDatabase,
)
from karbor.services.protection.protection_plugins.database.settings import (
    ON_THE_WAY,
    DatabaseSettings,
    Trove,
)
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import (
    Note,
    Notes,
    mark_of,
    restore_notes,
)
from karbor.services.protection.waiting.until import Until

LOG = logging.getLogger(__name__)

_NOTE = "instance"


class RestoreOperation(Operation):
    """Creates the instance under a name that the bank notes first.

    An instance has no metadata that could carry the note's token, so it gets its own
    name at the end, when nothing needs the token any more. One that is complete
    when another resource's failure reverts the restore is kept: it is whole, and the
    restore's record says so.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        record = kwargs.get("restore")
        new_resources = kwargs["new_resources"]
        report(record, resource, constants.RESOURCE_STATUS_RESTORING)
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(
            exception.RestoreResourceFailed, "Database Backup", resource, record
        ):
            saved = SavedDatabase.load(section)
            notes = restore_notes(section, record)
            note = notes.take(_NOTE)
            trove = self._settings.trove(context)
            instance = trove.instances.named(mark_of(note.token))
            if instance is None:
                _check_backup(trove, saved)
                nics = parameters.get("restore_nics")
                if nics is None:
                    nics = yield from nics_for(
                        self._settings, context, checkpoint, saved, new_resources
                    )
                instance = trove.instances.create(
                    _fields(trove, saved, parameters, nics, mark_of(note.token))
                )
            instance = yield trove.until_instance(instance["id"])
            notes.finish(note)
        new_resources[resource.id] = instance["id"]
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE)

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
        notes = restore_notes(section, record)
        note = notes.find(_NOTE)
        if note is None:
            return
        with failing(
            exception.RestoreResourceFailed, "Database Backup", resource, record
        ):
            saved = SavedDatabase.load(section)
            trove = self._settings.trove(context)
            _name(trove, note, parameters.get("restore_name") or saved.name)
        notes.forget(_NOTE)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        notes = restore_notes(section, kwargs.get("restore"))
        saved = SavedDatabase.find(section)
        if saved is None:
            return
        name = parameters.get("restore_name") or saved.name
        is_whole = yield from settle(self._settings.trove(context), notes, name)
        if not is_whole:
            kwargs.get("new_resources", {}).pop(resource.id, None)


def settle(trove: Trove, notes: Notes, name: str | None) -> Generator[Until, Any, bool]:
    """Give the instance of a restore its name when it is whole, else delete it.

    Nothing will run again.

    :returns: whether it was whole, or there was none
    :raises KarborException: when Trove refuses it, or it does not go
    """
    note = notes.find(_NOTE)
    if note is None:
        return True
    if note.finished:
        _name(trove, note, name)
    else:
        yield from _delete(trove, note)
    notes.forget(_NOTE)
    return note.finished


def _name(trove: Trove, note: Note, name: str | None) -> None:
    """Give the instance its name, unless it has it already."""
    instance = trove.instances.named(mark_of(note.token))
    if instance is not None and name:
        trove.instances.rename(instance["id"], name)


def _delete(trove: Trove, note: Note) -> Generator[Until, Any, None]:
    instance = trove.instances.named(mark_of(note.token))
    if instance is None:
        return
    if str(instance["status"]).lower() in ON_THE_WAY:
        # Trove deletes none that it is still making.
        instance = yield trove.until_instance_settled(instance["id"])
    if instance is not None:
        trove.instances.delete(instance["id"])
        yield trove.until_instance_gone(instance["id"])
        LOG.info("Deleted database instance %s of a failed restore.", instance["id"])


def _check_backup(trove: Trove, saved: SavedDatabase) -> None:
    backup = trove.backups.get(saved.backup_id)
    if backup is None:
        raise exception.InvalidInput(
            reason=_(
                "Trove has no database backup %s that this project sees. Such a "
                "backup stays in the cloud and the project of its database: restore "
                "there, or, when it was deleted, from another checkpoint"
            )
            % saved.backup_id
        )
    if backup["status"] not in ("COMPLETED", "RESTORED"):
        raise exception.InvalidInput(
            reason=_("database backup %(id)s is %(status)s, and must be COMPLETED")
            % {"id": saved.backup_id, "status": backup["status"]}
        )


def _fields(
    trove: Trove,
    saved: SavedDatabase,
    parameters: dict[str, Any],
    nics: list[dict[str, str]],
    name: str,
) -> dict[str, Any]:
    size = parameters.get("restore_volume_size") or saved.size
    fields: dict[str, Any] = {
        "name": name,
        "flavor_id": parameters.get("restore_flavor_id") or saved.flavor_id,
        "volume": {"size": size} if size else None,
        "restorePoint": {"backupRef": saved.backup_id},
        "datastore": saved.datastore["type"],
        "datastore_version": saved.datastore["version"],
        "nics": nics or None,
        "access": saved.access or None,
    }
    group = saved.configuration_id
    if group is not None and trove.instances.has_configuration(group):
        fields["configuration"] = group
    elif group is not None:
        LOG.warning(
            "Configuration group %s of database instance %s does not exist any more; "
            "the restored instance has its datastore's defaults.",
            group,
            saved.instance_id,
        )
    return {key: value for key, value in fields.items() if value is not None}
