# SPDX-License-Identifier: Apache-2.0
"""Restoring by Freezer: one job that makes a volume or servers anew."""

from collections.abc import Generator
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.freezer.actions import (
    prefix_of,
    restore_actions,
)
from karbor.services.protection.protection_plugins.freezer.cloud import Cloud
from karbor.services.protection.protection_plugins.freezer.jobs import JobRunner
from karbor.services.protection.protection_plugins.freezer.protect import (
    NAME,
    NOTE,
    clean_up,
    is_covered,
    tell_moved,
)
from karbor.services.protection.protection_plugins.freezer.saved_backup import (
    SavedBackup,
)
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)
from karbor.services.protection.protection_plugins.freezer.targets import KINDS
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import (
    Notes,
    mark_of,
    restore_notes,
)
from karbor.services.protection.waiting.until import Until

LOG = logging.getLogger(__name__)


class RestoreOperation(Operation):
    """Finds what the job has made by its marks, and names it at the end.

    What is whole when another resource's failure reverts the restore is kept, with
    its name; the restore's record says so.
    """

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
        if is_covered(checkpoint, resource):
            return
        record = kwargs.get("restore")
        report(record, resource, constants.RESOURCE_STATUS_RESTORING)
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.RestoreResourceFailed, NAME, resource, record):
            saved = SavedBackup.load(section)
            made = {}
            if saved.targets:
                made = yield from self._make(section, saved, resource, context, record)
            tell_moved(kwargs.get("progress"), saved.size)
        kwargs["new_resources"].update(made)
        for target in saved.targets:
            kind = KINDS[target.kind]
            if target.id != resource.id:
                of_project = Resource(kind.resource_type, target.id, target.name)
                report(record, of_project, constants.RESOURCE_STATUS_AVAILABLE)
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE)

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        record = kwargs.get("restore")
        with failing(exception.RestoreResourceFailed, NAME, resource, record):
            yield from _finish(
                self._settings,
                context,
                section,
                restore_notes(section, record),
                kwargs["new_resources"],
                parameters.get("restore_name"),
            )

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
        yield from settle(
            self._settings, context, section, notes, parameters.get("restore_name")
        )

    def _make(
        self,
        section: Any,
        saved: SavedBackup,
        resource: Resource,
        context: RequestContext,
        record: Any,
    ) -> Generator[Until, Any, dict[str, str]]:
        """Run the job.

        :returns: the new ids by the original ones
        """
        notes = restore_notes(section, record)
        note = notes.take(NOTE)
        mark = mark_of(note.token)
        runner = JobRunner(self._settings, context)
        yield from runner.run(
            note,
            None,
            runner.choose_scheduler(resource.id, preferred=saved.client_id),
            restore_actions(self._settings, saved, mark),
        )
        cloud = Cloud(self._settings, context)
        made = _made(cloud, saved, mark)
        for target in saved.targets:
            if target.id not in made:
                raise exception.InvalidInput(
                    reason=_(
                        "Freezer's job was a success, and yet there is nothing in "
                        "place of '%(name)s' (%(id)s) in this project. See whether "
                        "the freezer-scheduler works in the same project"
                    )
                    % {"name": target.name, "id": target.id}
                )
            yield KINDS[target.kind].until_ready(cloud, made[target.id])
        notes.finish(note)
        return made


def settle(
    settings: FreezerSettings,
    context: RequestContext,
    section: Any,
    notes: Notes,
    name: str | None = None,
) -> Generator[Until, Any, None]:
    """Name what a restore has made when it is whole, else delete it.

    Nothing will run again.

    :param name: that it is to have; its old one by default
    :raises KarborException: when a job does not end, or a service refuses
    """
    note = notes.find(NOTE)
    if note is not None and note.finished:
        cloud = Cloud(settings, context)
        made = _made(cloud, SavedBackup.load(section), mark_of(note.token))
        yield from _finish(settings, context, section, notes, made, name)
    elif note is not None:
        yield from clean_up(settings, context, notes)
        notes.forget(NOTE)
        LOG.info("Deleted what a failed restore had made from %s.", section)


def _made(cloud: Cloud, saved: SavedBackup, mark: str) -> dict[str, str]:
    """What a job has made that is not named yet: new ids by the original ones."""
    made = {}
    for index, target in enumerate(saved.targets):
        kind = KINDS[target.kind]
        new_id = kind.restored(cloud, target, prefix_of(mark, index))
        if new_id is not None:
            made[target.id] = new_id
    return made


def _finish(
    settings: FreezerSettings,
    context: RequestContext,
    section: Any,
    notes: Notes,
    made: dict[str, str],
    name: str | None,
) -> Generator[Until, Any, None]:
    """Name what was made, and remove the job."""
    note = notes.find(NOTE)
    if note is None:
        return
    cloud = Cloud(settings, context)
    for target in SavedBackup.load(section).targets:
        if target.id in made:
            KINDS[target.kind].finish(
                cloud, target, made[target.id], name or target.name
            )
    yield from JobRunner(settings, context).remove(note.token)
    notes.forget(NOTE)
