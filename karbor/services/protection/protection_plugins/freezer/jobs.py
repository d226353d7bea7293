# SPDX-License-Identifier: Apache-2.0
"""Running one Freezer job to its end, however often the hook is begun again."""

import dataclasses
import zlib
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.freezer_jobs import (
    RUNNING,
    STOPPED,
    SUCCESS,
    WAITING,
    Jobs,
)
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)
from karbor.services.protection.protection_plugins.resumable import Note, mark_of
from karbor.services.protection.waiting.until import Thing, Until, Verdict


class JobRunner:
    """Makes, watches and removes the jobs of one caller."""

    def __init__(self, settings: FreezerSettings, context: RequestContext) -> None:
        self._settings = settings
        self._context = context
        client = ClientFactory.create_client("freezer", context, settings.conf)
        self._jobs = Jobs(client, context)

    def choose_scheduler(self, resource_id: str, preferred: str | None = None) -> str:
        """The client id of the scheduler for a resource's jobs; the same each time.

        :param preferred: the one that made the backup, if it is still there
        :raises InvalidInput: when none is registered
        """
        if self._settings.scheduler_client_id:
            return self._settings.scheduler_client_id
        found = self._jobs.schedulers()
        if preferred in found:
            return str(preferred)
        if not found:
            raise exception.InvalidInput(
                reason=_(
                    "no freezer-scheduler is registered for user %(user)s in project "
                    "%(project)s. Freezer runs a user's jobs only by a scheduler that "
                    "was started with the same user's credentials: start one"
                )
                % {
                    "user": self._context.user_id,
                    "project": self._context.project_id,
                }
            )
        return found[zlib.crc32(resource_id.encode()) % len(found)]

    def run(
        self,
        note: Note,
        description: str | None,
        client_id: str,
        actions: Sequence[Mapping[str, Any]],
    ) -> Generator[Until, Any, None]:
        """Run the job that carries a note's token, or go on watching it.

        :raises KarborException: when Freezer refuses it, nobody runs it, or it fails
        """
        mark = mark_of(note.token)
        job = None if note.is_new else self._jobs.marked(mark)
        if job is None:
            text = f"{description} [{mark}]" if description else mark
            job_id = self._jobs.create(text, client_id, actions)
            self._jobs.start(job_id)
        else:
            job_id = job["job_id"]
            if self._jobs.status_of(job) == WAITING:
                self._jobs.start(job_id)
        pickup = dataclasses.replace(
            self._settings.patience_of("pickup_timeout"),
            hint=f"See whether freezer-scheduler '{client_id}' runs, with the "
            "credentials of the user for whom Karbor acts; else raise "
            f"[{self._settings.group}] pickup_timeout",
        )
        yield pickup.until(
            self._jobs, job_id, _is_taken, goal=_("taken by a scheduler")
        )
        end = self._settings.patience_of("job_timeout")
        yield end.until(self._jobs, job_id, _is_good, goal="'success'")

    def remove(self, token: str) -> Generator[Until, Any, None]:
        """End and delete the job that carries a token, with its actions.

        :raises KarborException: when it does not end, or Freezer refuses
        """
        job = self._jobs.marked(mark_of(token))
        if job is None:
            return
        if self._jobs.status_of(job) in RUNNING:
            self._jobs.abort(job["job_id"])
            # Schedulers often let a job go on to its end all the same.
            end = dataclasses.replace(
                self._settings.patience_of("job_timeout"),
                hint="It is still there, and goes on: delete it when it has ended",
            )
            yield end.until(self._jobs, job["job_id"], _is_over, goal=_("ended"))
        self._jobs.delete(job)


def _is_taken(status: str | None, job: Thing | None) -> Verdict:
    if status is None:
        return Verdict.FAILED
    return Verdict.NOT_YET if status in (WAITING, STOPPED) else Verdict.READY


def _is_good(status: str | None, job: Thing | None) -> Verdict:
    """Of a job that was taken: it waits no more, unless somebody stops it."""
    if status == SUCCESS:
        return Verdict.READY
    return Verdict.NOT_YET if status in RUNNING else Verdict.FAILED


def _is_over(status: str | None, job: Thing | None) -> Verdict:
    return Verdict.NOT_YET if status in RUNNING else Verdict.READY
