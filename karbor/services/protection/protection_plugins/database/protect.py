# SPDX-License-Identifier: Apache-2.0
"""Protecting a database: a backup in Trove, and what the instance is in the bank."""

from collections.abc import Generator
from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.trove_databases import Backups
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.database.saved_database import (
    SavedDatabase,
)
from karbor.services.protection.protection_plugins.database.settings import (
    ON_THE_WAY,
    READY,
    RUNNING,
    DatabaseSettings,
    Trove,
)
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.resumable import (
    mark_of,
    protect_notes,
)
from karbor.services.protection.waiting.until import Until

_NOTE = "backup"


class ProtectOperation(Operation):
    """Has Trove back the instance up; its guest makes the backup consistent by itself.

    What forbids a backup is found in the prepare hook, before other resources' data is
    moved.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings

    def on_prepare_begin(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        trove = self._settings.trove(context)
        with failing(exception.CreateResourceFailed, "Database Backup", resource):
            instance = _instance(trove, resource)
            status = str(instance["status"]).lower()
            if status not in READY and status not in ON_THE_WAY:
                raise exception.ProtectableResourceInvalidStatus(
                    id=resource.id,
                    type=resource.type,
                    status=_("%s; Trove backs up only an instance that is ACTIVE")
                    % instance["status"],
                )
            parent_id = parameters.get("parent_id")
            if parent_id is not None:
                _check_parent(trove.backups.get(parent_id), parent_id, resource.id)

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        trove = self._settings.trove(context)
        with failing(exception.CreateResourceFailed, "Database Backup", resource):
            note = protect_notes(section).take(_NOTE)
            backup = _find_backup(trove.backups, resource.id, note.token)
            if backup is None:
                _instance(trove, resource)
                # A backup of another plan may be on its way: Trove makes one at a time.
                yield trove.until_instance(resource.id)
                backup = trove.backups.create(_fields(resource, parameters, note.token))
            backup = yield trove.until_backup(backup["id"])
            SavedDatabase.of(_instance(trove, resource), backup).save(section)

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        protect_notes(section).forget(_NOTE)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        trove = self._settings.trove(context)
        yield from delete_backup(trove, section, resource)
        section.delete_all()


def delete_backup(
    trove: Trove, section: Any, resource: Resource
) -> Generator[Until, Any, None]:
    """Delete the backup that a section names or that carries its note's token.

    Whether it is whole or half made; one that is gone is good.

    :raises KarborException: when others are based on it, when Trove refuses it, or
        when it does not go
    """
    saved = SavedDatabase.find(section)
    backup = trove.backups.get(saved.backup_id) if saved is not None else None
    note = protect_notes(section).find(_NOTE)
    if backup is None and note is not None:
        backup = _find_backup(trove.backups, resource.id, note.token)
    if backup is None:
        return
    if str(backup["status"]).lower() in RUNNING:
        backup = yield trove.until_backup_settled(backup["id"])
        if backup is None:
            return
    check_nothing_is_based_on(trove, backup["id"], resource.id)
    trove.backups.delete(backup["id"])
    yield trove.until_backup_gone(backup["id"])


def check_nothing_is_based_on(trove: Trove, backup_id: str, instance_id: str) -> None:
    """Refuse to take the data from incremental backups.

    :raises InvalidInput: when Trove would delete some with this one
    """
    based = [
        other["id"]
        for other in trove.backups.all(instance_id)
        if other.get("parent_id") == backup_id
    ]
    if based:
        raise exception.InvalidInput(
            reason=_(
                "Trove deletes with database backup %(id)s the incremental ones that "
                "are based on it: %(based)s. Delete the checkpoints first that have "
                "those, then this one again"
            )
            % {"id": backup_id, "based": ", ".join(sorted(based))}
        )


def _instance(trove: Trove, resource: Resource) -> dict[str, Any]:
    instance = trove.instances.get(resource.id)
    if instance is None:
        raise exception.ProtectableResourceNotFound(
            id=f"{resource.id} ('{resource.name}')",
            type=resource.type,
            reason=_("Trove has no such instance any more; take it out of the plan"),
        )
    return instance


def _check_parent(
    parent: dict[str, Any] | None, parent_id: str, instance_id: str
) -> None:
    if parent is None:
        problem = _("does not exist")
    elif parent["instance_id"] != instance_id:
        problem = _("is of another instance, %s") % parent["instance_id"]
    elif parent["status"] != "COMPLETED":
        problem = _("is %s, and must be COMPLETED") % parent["status"]
    else:
        return
    raise exception.InvalidInput(
        reason=_("the database backup %(id)s that parent_id names %(problem)s")
        % {"id": parent_id, "problem": problem}
    )


def _fields(
    resource: Resource, parameters: dict[str, Any], token: str
) -> dict[str, Any]:
    description = parameters.get("description")
    fields = {
        "name": parameters.get("backup_name") or f"backup{resource.id}",
        "instance": resource.id,
        "description": f"{description} [{mark_of(token)}]"
        if description
        else mark_of(token),
        "parent_id": parameters.get("parent_id"),
        "incremental": bool(parameters.get("incremental")),
        "swift_container": parameters.get("swift_container"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _find_backup(
    backups: Backups, instance_id: str, token: str
) -> dict[str, Any] | None:
    return next(
        (
            backup
            for backup in backups.all(instance_id)
            if mark_of(token) in (backup.get("description") or "")
        ),
        None,
    )
