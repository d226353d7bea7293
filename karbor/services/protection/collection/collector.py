# SPDX-License-Identifier: Apache-2.0
"""Collecting the garbage of a bank: what no stream's manifest refers to."""

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterator

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank.chunks import condemned, space
from karbor.services.protection.bank.walking import names_below
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoints.store import CheckpointStore
from karbor.services.protection.collection import operations
from karbor.services.protection.collection.deleting import Deleter
from karbor.services.protection.collection.leftovers import Leftovers
from karbor.services.protection.collection.marking import Marks
from karbor.services.protection.collection.project import ProjectCollection, Rules
from karbor.services.protection.collection.report import Report

LOG = logging.getLogger(__name__)

#: On a bank that promises no strong read: twice the longest time that a change takes
#: to be seen or a late request to be done, and the difference of two clocks.
DEFAULT_SETTLE = datetime.timedelta(hours=1)
#: On one that does, where a request that timed out may still be carried out: the
#: longest time that this takes, and the difference of two clocks.
DEFAULT_STRONG_SETTLE = datetime.timedelta(minutes=3)


@dataclasses.dataclass(frozen=True)
class SettleTimes:
    """How long to wait between the phases of a collection, by what a bank promises.

    On one that promises strong reads and that nothing is done late: not at all.

    :param late: on one that promises no strong read
    :param strong: on one that promises only that
    """

    late: datetime.timedelta = DEFAULT_SETTLE
    strong: datetime.timedelta = DEFAULT_STRONG_SETTLE

    def of(self, capabilities: BankCapabilities) -> datetime.timedelta:
        """The time for a bank."""
        if not capabilities.strong_read:
            return self.late
        return _NO_TIME if capabilities.no_late_writes else self.strong


_NO_TIME = datetime.timedelta(0)

_DELETING_THREADS = 8


class Cancelled(Exception):
    """The collector was told to stop."""


def _never() -> bool:
    return False


class Collector:
    """Collects the garbage of one bank, phase by phase; a collector for each thread.

    How far it is stands in the bank. So any process goes on where another one was
    stopped or killed, and several may do so at once: they may do the same twice, and
    nothing wrong. It takes no lock, and neither protects nor deletions wait for it.

    :param store: the bank's checkpoints; its lease, if it has one, is checked before
        anything is deleted
    :param settle: how long to wait between the phases
    :param max_names: that may be condemned in a project at once; as many are in the
        memory of this process, 150 bytes each
    :param is_cancelled: asked often, from this thread
    :param on_progress: told what was done so far, after each phase
    :param only_project: to collect; None: all
    :param threads: that delete
    """

    def __init__(
        self,
        store: CheckpointStore,
        *,
        settle: datetime.timedelta | SettleTimes | None = None,
        max_names: int = condemned.MAX_NAMES,
        is_cancelled: Callable[[], bool] = _never,
        on_progress: Callable[[Report], None] | None = None,
        only_project: str | None = None,
        threads: int = _DELETING_THREADS,
    ) -> None:
        self._store = store
        self._bank = store.bank.uncached
        self._settle = SettleTimes() if settle is None else settle
        self._max_names = max_names
        self._is_cancelled = is_cancelled
        self._on_progress = on_progress
        self._only_project = only_project
        self._deleter = Deleter(threads, self._may_delete)

    def step(self) -> Report:
        """Look at every project once; each goes on by one phase, if it can.

        A collection begins where none is under way.

        :raises LeaseLost: when this process may no longer delete
        :raises BankException: when the bank cannot be listed at all; what is wrong
            with one project is among the report's findings
        """
        report = Report()
        with self._cancellable(report):
            self._clear(report)
            self._step(report, begun=None)
        return report

    def run(self, wait: Callable[[Report], None] | None = None) -> Report:
        """Go on until nothing is left to do, or nothing can be done now.

        :param wait: called, with what was done so far, when operations or the settle
            time must be waited for; returns when it is time to look again. None: the
            run ends then, and a later one goes on
        :returns: what this run has done, and where it has come to
        :raises LeaseLost, BankException: as :meth:`step`
        """
        report = Report()
        begun: set[str] = set()
        is_cleared = False
        with self._cancellable(report):
            while True:
                report.begin_step()
                # First, so that what leftovers refer to is collected as well.
                is_cleared = is_cleared or self._clear(report)
                self._step(report, begun)
                if self._on_progress is not None:
                    self._on_progress(report)
                if report.has_progressed:
                    continue
                if wait is None or not report.is_waiting:
                    break
                wait(report)
        return report

    @contextlib.contextmanager
    def _cancellable(self, report: Report) -> Iterator[None]:
        try:
            yield
        except Cancelled:
            report.is_cancelled = True

    def _step(self, report: Report, begun: set[str] | None) -> None:
        """One look at every project.

        :param begun: the projects that need not begin anew; those that do are added
        """
        projects = self._projects(report)
        # Listed after the states were read, each of which may tell of operations, or
        # of condemned names, that were not there a moment ago.
        present = operations.in_hand(self._store)
        for project in projects:
            if begun is None or project.id not in begun:
                with _findings_of(project.id, report):
                    project.begin(present)
        if begun is not None:
            begun.update(project.id for project in projects)
        wanting = {project.id for project in projects if project.wants_marks(present)}
        with Marks(self._store, wanting) as marks:
            if wanting:
                marks.take(self._go_on)
            for project in projects:
                with _findings_of(project.id, report):
                    project.advance(present, marks)
        if begun is not None:
            begun.difference_update(
                project.id for project in projects if project.begins_again
            )

    def _clear(self, report: Report) -> bool:
        """Clear leftovers away; whether none is to be looked at again."""
        if self._only_project is not None:
            return True
        return Leftovers(self._store, self._rules(), report).clear()

    def _projects(self, report: Report) -> list[ProjectCollection]:
        """The projects of the bank, and which collections are under way in each."""
        rules = self._rules()
        found = []
        for project_id in self._project_ids():
            self._go_on()
            section = self._bank.chunk_space(project_id).section
            with _findings_of(project_id, report):
                found.append(
                    ProjectCollection(project_id, section, rules, self._deleter, report)
                )
        return found

    def _project_ids(self) -> list[str]:
        if self._only_project is not None:
            return [self._only_project]
        return list(names_below(self._bank, f"/{space.ROOT}/"))

    def _rules(self) -> Rules:
        settle = self._settle
        if isinstance(settle, SettleTimes):
            settle = settle.of(self._bank.plugin.capabilities)
        return Rules(
            settle=settle,
            max_names=self._max_names,
            owner_id=self._store.owner_id,
            clock=self._store.clock,
            operations=lambda: operations.in_hand(self._store),
            go_on=self._go_on,
        )

    def _go_on(self) -> None:
        if self._is_cancelled():
            raise Cancelled

    def _may_delete(self) -> None:
        self._go_on()
        self._store.check_lease()


@contextlib.contextmanager
def _findings_of(project_id: str, report: Report) -> Iterator[None]:
    """What goes wrong with one project is told, and the others go on."""
    try:
        yield
    except exception.LeaseLost:
        raise
    except exception.BankException as error:
        LOG.warning("Project %s cannot be collected now: %s", project_id, error)
        report.find(f"Project {project_id} cannot be collected now: {error}")
