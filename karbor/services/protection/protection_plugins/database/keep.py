# SPDX-License-Identifier: Apache-2.0
"""Verifying and deleting the backup of a database."""

import functools
from collections.abc import Generator
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.database.protect import (
    check_nothing_is_based_on,
    delete_backup,
)
from karbor.services.protection.protection_plugins.database.restore import settle
from karbor.services.protection.protection_plugins.database.saved_database import (
    SavedDatabase,
)
from karbor.services.protection.protection_plugins.database.settings import (
    DatabaseSettings,
    Trove,
)
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import noted_restores
from karbor.services.protection.waiting.until import Until


class VerifyOperation(Operation):
    """Checks that the backup, and all that it is based on, exist and are complete.

    Trove lets nobody check a backup's data, so that is not looked at.
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
    ) -> None:
        record = kwargs.get("verify")
        report(record, resource, constants.RESOURCE_STATUS_VERIFYING)
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        with failing(
            exception.VerifyResourceFailed, "Database Backup", resource, record
        ):
            saved = SavedDatabase.load(section.uncached)
            trove = self._settings.trove(context)
            backup = _complete(trove, saved.backup_id)
            if saved.backup_size not in (None, backup.get("size")):
                raise _damaged(
                    saved.backup_id,
                    _("has %(found)s GB, and had %(saved)s")
                    % {"found": backup.get("size"), "saved": saved.backup_size},
                )
            while backup.get("parent_id"):
                backup = _complete(trove, backup["parent_id"])
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE)


class DeleteOperation(Operation):
    """Deletes the backup, what restores left half made, then what the bank keeps.

    That others are based on it is found before any resource's data is deleted.
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
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        with failing(exception.DeleteResourceFailed, "Database Backup", resource):
            saved = SavedDatabase.find(section)
            if saved is not None:
                trove = self._settings.trove(context)
                check_nothing_is_based_on(trove, saved.backup_id, resource.id)

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.DeleteResourceFailed, "Database Backup", resource):
            trove = self._settings.trove(context)
            saved = SavedDatabase.find(section)
            name = saved.name if saved is not None else None
            yield from removal.each(
                *(
                    functools.partial(settle, trove, notes, name)
                    for notes in noted_restores(section)
                ),
                lambda: delete_backup(trove, section, resource),
            )
            section.delete_all()


def _complete(trove: Trove, backup_id: str) -> dict[str, Any]:
    backup = trove.backups.get(backup_id)
    if backup is None:
        raise _damaged(backup_id, _("does not exist, or belongs to another project"))
    if backup["status"] not in ("COMPLETED", "RESTORED"):
        raise _damaged(backup_id, _("is %s, and must be COMPLETED") % backup["status"])
    return backup


def _damaged(backup_id: str, problem: str) -> exception.InvalidInput:
    return exception.InvalidInput(
        reason=_("database backup %(id)s %(problem)s. Protect the database again")
        % {"id": backup_id, "problem": problem}
    )
