# SPDX-License-Identifier: Apache-2.0
"""Verifying and deleting what Freezer keeps."""

from collections.abc import Generator
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.freezer.actions import (
    delete_actions,
)
from karbor.services.protection.protection_plugins.freezer.jobs import JobRunner
from karbor.services.protection.protection_plugins.freezer.protect import (
    NAME,
    NOTE,
    clean_up,
    container_of,
    is_covered,
)
from karbor.services.protection.protection_plugins.freezer.restore import settle
from karbor.services.protection.protection_plugins.freezer.saved_backup import (
    SavedBackup,
)
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)
from karbor.services.protection.protection_plugins.freezer.storage import StoredData
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import (
    delete_notes,
    mark_of,
    noted_restores,
    protect_notes,
)
from karbor.services.protection.waiting.until import Until


class VerifyOperation(Operation):
    """Checks that the storage has as many bytes of the backup as it had."""

    def __init__(self, settings: FreezerSettings) -> None:
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
        remark = ""
        with failing(exception.VerifyResourceFailed, NAME, resource, record):
            if is_covered(checkpoint, resource):
                remark = _("It is part of the backup of its project")
            else:
                saved = SavedBackup.load(section.uncached)
                data = StoredData(
                    self._settings, context, saved.storage, saved.container
                )
                if data.is_seen and saved.targets:
                    _check_size(saved, data.size())
                elif saved.targets:
                    remark = (
                        _("Karbor cannot look into Freezer's storage '%s'")
                        % saved.storage
                    )
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE, remark)


class DeleteOperation(Operation):
    """Has Freezer delete the data, then deletes what the bank keeps."""

    def __init__(self, settings: FreezerSettings) -> None:
        self._settings = settings

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.DeleteResourceFailed, NAME, resource):
            # Of operations that were cut off, or not wholly reverted.
            for notes in noted_restores(section):
                yield from settle(self._settings, context, section, notes)
            yield from clean_up(self._settings, context, protect_notes(section))
            saved = SavedBackup.find(section)
            if saved is not None and saved.targets:
                yield from self._run_job(section, saved, resource, context)
                storage, container = saved.storage, saved.container
            else:
                storage = self._settings.storage
                container = container_of(self._settings, checkpoint, resource)
            if section.list_objects():
                StoredData(self._settings, context, storage, container).delete()
            section.delete_all()

    def _run_job(
        self,
        section: Any,
        saved: SavedBackup,
        resource: Resource,
        context: RequestContext,
    ) -> Generator[Until, Any, None]:
        runner = JobRunner(self._settings, context)
        note = delete_notes(section).take(NOTE)
        try:
            yield from runner.run(
                note,
                None,
                runner.choose_scheduler(resource.id, preferred=saved.client_id),
                delete_actions(self._settings, saved, mark_of(note.token)),
            )
        except exception.KarborException:
            # So that a further try runs a job of its own.
            yield from runner.remove(note.token)
            raise
        yield from runner.remove(note.token)


def _check_size(saved: SavedBackup, found: int | None) -> None:
    if not found:
        problem = _("is gone")
    elif saved.size not in (None, found):
        problem = _("has %(found)s bytes, and had %(saved)s") % {
            "found": found,
            "saved": saved.size,
        }
    else:
        return
    raise exception.InvalidInput(
        reason=_("the Freezer backup in %(container)s %(problem)s. Protect it again")
        % {"container": saved.container, "problem": problem}
    )
