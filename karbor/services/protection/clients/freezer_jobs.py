# SPDX-License-Identifier: Apache-2.0
"""Jobs and schedulers of a Freezer as plain dicts, and as things to wait for.

Fields are as the Backup API v2 documents them. Freezer shows a user only what the same
user made in the same project: jobs, and the schedulers that run them.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from karbor.i18n import _
from karbor.services.protection.clients.faults import calling
from karbor.services.protection.clients.listed_things import ListedThings
from karbor.services.protection.clients.missing import as_path, is_done_or_missing
from karbor.services.protection.waiting.until import Thing

SERVICE = "Freezer"
PAGE_SIZE = 100

#: What :meth:`Jobs.status_of` says of a job that no scheduler has seen.
WAITING = "waiting"
#: Of one that is about to be scheduled, or that somebody has stopped.
STOPPED = "stop"
SUCCESS = "success"
RUNNING = frozenset({"scheduled", "running", "aborting"})


class Jobs(ListedThings):
    """The jobs that a Freezer client's user made.

    A job's status is ``waiting`` before a scheduler has seen it, then ``scheduled``
    and ``running``, and at the end its result: ``success``, ``fail`` or ``aborted``.

    :param client: as ``ClientFactory.create_client('freezer', …)`` gives
    :param context: whose client it is
    """

    kind: ClassVar[str] = "Freezer job"
    id_field: ClassVar[str] = "job_id"

    @property
    def endpoint(self) -> str:
        return str(self.client.endpoint)

    def get(self, job_id: str) -> dict[str, Any] | None:
        """One job; None when it does not exist or is another's.

        :raises ServiceFailed: when Freezer cannot be asked
        """
        with calling(SERVICE, f"show job {job_id}"):
            found: dict[str, Any] | None = self.client.jobs.get(as_path(job_id))
        return found

    def all(self) -> Iterator[dict[str, Any]]:
        """The jobs of the user, page by page.

        :raises ServiceFailed: when Freezer cannot be asked
        """
        yield from _pages("list jobs", self.client.jobs.list_all)

    def marked(self, mark: str) -> dict[str, Any] | None:
        """The job with this in its description, or None.

        :raises ServiceFailed: when Freezer cannot be asked
        """
        return next(
            (job for job in self.all() if mark in (job.get("description") or "")), None
        )

    def create(
        self, description: str, client_id: str, actions: Sequence[Mapping[str, Any]]
    ) -> str:
        """A new job, which nobody runs before it is started; gives its id.

        :param client_id: of the scheduler that is to run it
        :param actions: what it does, one after the other, until one fails
        :raises ServiceFailed: when Freezer refuses it
        """
        document = {
            "description": description,
            "client_id": client_id,
            "job_actions": [{"freezer_action": dict(action)} for action in actions],
        }
        with calling(SERVICE, f"create a job for scheduler '{client_id}'"):
            return str(self.client.jobs.create(document))

    def start(self, job_id: str) -> None:
        """Let the scheduler run a job.

        :raises ServiceFailed: when Freezer refuses it
        """
        with calling(SERVICE, f"start job {job_id}"):
            self.client.jobs.start_job(as_path(job_id))

    def abort(self, job_id: str) -> None:
        """Ask the scheduler to stop a job; it may as well finish it.

        :raises ServiceFailed: when Freezer refuses it
        """
        with calling(SERVICE, f"abort job {job_id}"):
            self.client.jobs.abort_job(as_path(job_id))

    def delete(self, job: Mapping[str, Any]) -> None:
        """Delete a job with its actions; those that are gone are good.

        :raises ServiceFailed: when Freezer refuses it
        """
        for action in job.get("job_actions") or []:
            action_id = action.get("action_id")
            if action_id:
                is_done_or_missing(
                    SERVICE,
                    f"delete action {action_id}",
                    functools.partial(self.client.actions.delete, as_path(action_id)),
                )
        job_id = job["job_id"]
        is_done_or_missing(
            SERVICE,
            f"delete job {job_id}",
            lambda: self.client.jobs.delete(as_path(job_id)),
        )

    def schedulers(self) -> list[str]:
        """The client ids of the schedulers that run the user's jobs, in order.

        :raises ServiceFailed: when Freezer cannot be asked
        """
        found = _pages("list clients", self.client.clients.list)
        return sorted(one["client"]["client_id"] for one in found)

    def status_of(self, thing: Thing) -> str:
        schedule = thing.get("job_schedule") or {}
        status = str(schedule.get("status") or "")
        if status == "completed":
            return str(schedule.get("result") or status)
        return status or WAITING

    def fault_of(self, thing: Thing) -> str | None:
        return _(
            "Freezer notes no reason; the log of the scheduler '%(client)s' has it, "
            "under job %(job)s"
        ) % {"client": thing.get("client_id"), "job": thing.get("job_id")}


def _pages(
    action: str, list_page: Callable[..., list[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        with calling(SERVICE, action):
            page = list_page(limit=PAGE_SIZE, offset=offset)
        yield from page
        if len(page) < PAGE_SIZE:
            return
        offset += len(page)
