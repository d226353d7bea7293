# SPDX-License-Identifier: Apache-2.0
"""Protecting by Freezer: one job that saves a resource."""

import abc
import dataclasses
import re
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
    backup_actions,
)
from karbor.services.protection.protection_plugins.freezer.cloud import Cloud
from karbor.services.protection.protection_plugins.freezer.jobs import JobRunner
from karbor.services.protection.protection_plugins.freezer.saved_backup import (
    SavedBackup,
    Target,
)
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)
from karbor.services.protection.protection_plugins.freezer.storage import StoredData
from karbor.services.protection.protection_plugins.freezer.targets import (
    Kind,
    ServerKind,
)
from karbor.services.protection.protection_plugins.resumable import (
    Notes,
    mark_of,
    protect_notes,
)
from karbor.services.protection.waiting.until import Until

NAME = "Freezer Backup"
NOTE = "job"
#: What a project's section says before any server's main hook runs.
_COVERED = "servers"


class Coverage(abc.ABC):
    """What one resource's job has to save."""

    @abc.abstractmethod
    def begin(self, section: Any, cloud: Cloud) -> None:
        """In the first hook of the resource."""

    @abc.abstractmethod
    def targets(self, section: Any, cloud: Cloud, resource: Resource) -> list[Target]:
        """The volumes and servers.

        :raises KarborException: when one is gone, or in a state that forbids it
        """


class OneCoverage(Coverage):
    """The resource itself."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def begin(self, section: Any, cloud: Cloud) -> None:
        pass

    def targets(self, section: Any, cloud: Cloud, resource: Resource) -> list[Target]:
        return [self._kind.look(cloud, resource.id, resource.name)]


class ProjectCoverage(Coverage):
    """The servers of a project, which are listed before their own hooks run."""

    def begin(self, section: Any, cloud: Cloud) -> None:
        section.update_object(_COVERED, [one["id"] for one in cloud.servers()])

    def targets(self, section: Any, cloud: Cloud, resource: Resource) -> list[Target]:
        kind = ServerKind()
        wanted = section.get_object(_COVERED)
        listed = {one["id"]: one for one in cloud.servers()}
        return [
            kind.of(listed[name]) if name in listed else kind.look(cloud, name, None)
            for name in wanted
        ]


def is_covered(checkpoint: Any, resource: Resource) -> bool:
    """Whether the job of a project in the checkpoint saves a server."""
    graph = checkpoint.resource_graph
    if graph is None or resource.type != constants.SERVER_RESOURCE_TYPE:
        return False
    for project in graph.resources:
        if project.type == constants.PROJECT_RESOURCE_TYPE:
            section = checkpoint.get_resource_bank_section(
                project.id, is_writable=False
            )
            if _COVERED in section.list_objects(prefix=_COVERED):
                return resource.id in section.get_object(_COVERED)
    return False


class ProtectOperation(Operation):
    """Makes the job in the main hook, watches it, and removes it at the end.

    A server is left to the job of its project, where the provider has a plugin for
    that.
    """

    def __init__(self, settings: FreezerSettings, coverage: Coverage) -> None:
        self._settings = settings
        self._coverage = coverage

    def on_prepare_begin(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.CreateResourceFailed, NAME, resource):
            self._coverage.begin(section, Cloud(self._settings, context))

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
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.CreateResourceFailed, NAME, resource):
            if SavedBackup.find(section) is not None:
                return
            cloud = Cloud(self._settings, context)
            runner = JobRunner(self._settings, context)
            saved = SavedBackup(
                backup_name=_plain(
                    parameters.get("backup_name") or f"backup{resource.id}"
                ),
                storage=self._settings.storage,
                container=container_of(self._settings, checkpoint, resource),
                client_id=runner.choose_scheduler(resource.id),
                targets=tuple(self._coverage.targets(section, cloud, resource)),
            )
            if saved.targets:
                note = protect_notes(section).take(NOTE)
                yield from runner.run(
                    note,
                    parameters.get("description"),
                    saved.client_id,
                    backup_actions(self._settings, saved, mark_of(note.token)),
                )
            data = StoredData(self._settings, context, saved.storage, saved.container)
            size = data.size()
            if saved.targets and data.is_seen and not size:
                raise exception.InvalidInput(
                    reason=_(
                        "Freezer's job was a success, and yet there is nothing of it "
                        "in %s. See whether the freezer-scheduler writes into the "
                        "Swift account of the same project"
                    )
                    % saved.container
                )
            tell_moved(kwargs.get("progress"), size)
            dataclasses.replace(saved, size=size).save(section)

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        notes = protect_notes(checkpoint.get_resource_bank_section(resource.id))
        note = notes.find(NOTE)
        if note is not None:
            with failing(exception.CreateResourceFailed, NAME, resource):
                yield from JobRunner(self._settings, context).remove(note.token)
            notes.forget(NOTE)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        yield from clean_up(self._settings, context, protect_notes(section))
        container = container_of(self._settings, checkpoint, resource)
        if section.list_objects():
            StoredData(
                self._settings, context, self._settings.storage, container
            ).delete()
        section.delete_all()


def clean_up(
    settings: FreezerSettings, context: RequestContext, notes: Notes
) -> Generator[Until, Any, None]:
    """Remove the job of an unfinished operation, and what it has left in the cloud.

    The note stays.

    :raises KarborException: when it does not end, or a service refuses
    """
    note = notes.find(NOTE)
    if note is not None:
        # What goes on would only make more.
        yield from JobRunner(settings, context).remove(note.token)
        yield from Cloud(settings, context).delete_left(mark_of(note.token))


def tell_moved(progress: Any, size: int | None) -> None:
    """Count what a job has moved, which Karbor sees only when it has ended."""
    if progress is not None and size is not None:
        progress.expect(size)
        progress.advance(size)


def container_of(settings: FreezerSettings, checkpoint: Any, resource: Resource) -> str:
    """A folder that no other resource and no other checkpoint uses."""
    return f"{settings.container}/{checkpoint.id}/{resource.id}"


def _plain(name: str) -> str:
    """A name that is part of paths, and of a file that ``configparser`` writes."""
    return re.sub(r"[^\w.@:-]", "_", name)
