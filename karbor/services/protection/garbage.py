# SPDX-License-Identifier: Apache-2.0
"""Collecting garbage while the service runs: by time, and soon after deletions."""

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.collection.collector import Collector
from karbor.services.protection.collection.report import Report
from karbor.services.protection.provider import Provider

LOG = logging.getLogger(__name__)

#: Seconds between two looks at whether what a collection waits for has come, and
#: after one that failed.
_LOOK_AGAIN = 60.0
#: A project's collections take one part of so many of the time.
_SHARE = 10
_STOP_SECONDS = 15.0


class Providers(Protocol):
    """Where the providers come from: a registry, at each look anew."""

    def list(self) -> list[Provider]: ...


class BackgroundCollection:
    """Collects the banks of all providers, one after the other, in one thread.

    Another service may do the same with the same banks. All methods may be called
    from any thread.

    :param clock: seconds that only grow
    :param draw: gives a number from 0 to 1; spreads the first collections of services
        that start together
    """

    def __init__(
        self,
        providers: Providers,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._providers = providers
        self._clock = clock
        self._draw = draw
        self._due: dict[tuple[str, str | None], float] = {}
        self._not_before: dict[tuple[str, str | None], float] = {}
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to collect."""
        self._thread = threading.Thread(
            target=self._run, name="garbage-collection", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop; what was under way is gone on with by whoever collects next."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread is None:
            return
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            LOG.warning(
                "A collection of garbage has not stopped within %d seconds. Going on.",
                _STOP_SECONDS,
            )

    def note_deleted(self, provider_id: str, project_id: str) -> None:
        """A checkpoint was deleted: collect what only it needed, soon."""
        for provider in self._providers.list():
            after = provider.garbage.after_deletion
            if provider.id == provider_id and after is not None:
                self._plan((provider_id, project_id), after.total_seconds())

    def look(self) -> float:
        """Collect what is due.

        :returns: seconds until the next thing is due, at most a minute
        """
        providers = self._providers.list()
        self._forget_all_but({provider.id for provider in providers})
        for provider in providers:
            whole = (provider.id, None)
            interval = provider.garbage.interval
            if interval is not None and whole not in self._due:
                self._plan(whole, interval.total_seconds() * self._draw())
            for place in self._take_due(provider.id):
                if not self._is_stopping:
                    self._collect(provider, place)
        with self._changed:
            now = self._clock()
            waits = [at - now for at in self._due.values()]
        return max(0.0, min([_LOOK_AGAIN, *waits]))

    def _run(self) -> None:
        while True:
            wait = _LOOK_AGAIN
            try:
                wait = self.look()
            except Exception:
                LOG.exception("Collecting garbage failed; it is tried again")
            with self._changed:
                if not self._is_stopping:
                    self._changed.wait(wait)
                if self._is_stopping:
                    return

    def _forget_all_but(self, provider_ids: set[str]) -> None:
        with self._changed:
            for times in (self._due, self._not_before):
                for place in [place for place in times if place[0] not in provider_ids]:
                    del times[place]

    def _take_due(self, provider_id: str) -> list[tuple[str, str | None]]:
        """The provider's places that are due; all of it in place of single projects."""
        with self._changed:
            now = self._clock()
            due = [
                place
                for place, at in self._due.items()
                if place[0] == provider_id and at <= now
            ]
            for place in due:
                del self._due[place]
        return [(provider_id, None)] if (provider_id, None) in due else due

    def _collect(self, provider: Provider, place: tuple[str, str | None]) -> None:
        begun = self._clock()
        collector = Collector(
            provider.checkpoints.store,
            settle=provider.garbage.settle,
            max_names=provider.garbage.max_names,
            is_cancelled=lambda: self._is_stopping,
            only_project=place[1],
        )
        try:
            report = collector.run()
        except exception.BankException as error:
            LOG.warning(
                "The garbage of provider %s cannot be collected now: %s",
                provider.id,
                error,
            )
            self._plan(place, _LOOK_AGAIN)
            return
        ended = self._clock()
        with self._changed:
            self._not_before[place] = ended + (ended - begun) * (_SHARE - 1)
        self._tell(provider, place, report, ended - begun)
        self._plan_next(provider, place, report)

    def _plan_next(
        self,
        provider: Provider,
        place: tuple[str, str | None],
        report: Report,
    ) -> None:
        if report.is_waiting:
            wait = _LOOK_AGAIN
            if report.until is not None:
                left = report.until - provider.checkpoints.store.clock()
                wait = max(wait, left.total_seconds())
            self._plan(place, wait)
        elif report.findings:
            self._plan(place, _LOOK_AGAIN * _SHARE)
        elif place[1] is None and provider.garbage.interval is not None:
            self._plan(place, provider.garbage.interval.total_seconds())

    def _plan(self, place: tuple[str, str | None], seconds: float) -> None:
        with self._changed:
            at = max(self._clock() + seconds, self._not_before.get(place, 0.0))
            self._due[place] = min(at, self._due.get(place, at))
            self._changed.notify_all()

    def _tell(
        self,
        provider: Provider,
        place: tuple[str, str | None],
        report: Report,
        seconds: float,
    ) -> None:
        what = "all projects" if place[1] is None else f"project {place[1]}"
        deleted = sum(project.deleted for project in report.projects.values())
        log = LOG.info if deleted or report.cleared or report.ended else LOG.debug
        log(
            "Collected the garbage of %s of provider %s in %.1f seconds: %d objects "
            "deleted",
            what,
            provider.id,
            seconds,
            deleted,
        )
        for problem in (*report.findings, *report.refusals):
            LOG.warning("Garbage of provider %s: %s", provider.id, problem)
