# SPDX-License-Identifier: Apache-2.0
"""Looks at everything that anybody waits for, one listing for all of a kind."""

import collections
import dataclasses
import math
import threading
import time
from collections.abc import Callable, Hashable
from concurrent import futures

from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.waiting.until import (
    Thing,
    Things,
    Until,
    Verdict,
    WaitFailed,
)

LOG = logging.getLogger(__name__)

GROUP = "waiting"

OPTS: list[cfg.Opt] = [
    cfg.FloatOpt(
        "first_interval",
        default=0.5,
        min=0.01,
        help="Seconds before the first look at something in the cloud that an "
        "operation waits for, such as a volume that is being made. Each further look "
        "comes half as much later again, up to what the plugin's poll_interval says.",
    ),
    cfg.IntOpt(
        "parallel_lists",
        default=4,
        min=1,
        help="How many listings of one kind of thing may run at a time in one of the "
        "cloud's services, each for another project, to look at what operations wait "
        "for. Raise it when a slow service keeps projects waiting for each other.",
    ),
]

_GROWTH = 1.5

#: Seconds after its time that a wait gets, for the last look to be answered.
_LAST_LOOK = 10.0


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the group ``[waiting]`` known to a configuration."""
    conf.register_opts(OPTS, group=GROUP)


@dataclasses.dataclass(eq=False)
class _Wait:
    until: Until
    deadline: float
    owner: object
    future: futures.Future = dataclasses.field(default_factory=futures.Future)


@dataclasses.dataclass(eq=False)
class _Watch:
    """The waits for things of one kind, and when to look next.

    :ivar service: who answers
    :ivar deadline: the nearest one of its waits, or before that
    """

    key: Hashable
    service: Hashable
    interval: float
    due: float
    deadline: float = math.inf
    waits: list[_Wait] = dataclasses.field(default_factory=list)
    is_looking: bool = False


class Watcher:
    """The one place of a process from which things in the cloud are polled.

    However many things of a kind are waited for, they cost one listing at a time,
    less and less often until something changes. Each look has a thread of its own, and
    a service has a bounded number of looks: one that does not answer keeps nobody
    waiting but for its own things, and these for no longer than their time. Every
    method may be called from any thread.

    :param first_interval: seconds before the first look
    :param parallel_lists: listings at a time, of each service
    :param last_look: seconds that a wait gets after its time, for an answer
    :param clock: seconds that only go forward
    """

    def __init__(
        self,
        first_interval: float = 0.5,
        parallel_lists: int = 4,
        last_look: float = _LAST_LOOK,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_interval = first_interval
        self._parallel = parallel_lists
        self._last_look = last_look
        self._clock = clock
        self._changed = threading.Condition()
        self._watches: dict[Hashable, _Watch] = {}
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "Watcher":
        """As ``[waiting]`` says."""
        register_opts(conf)
        group = conf[GROUP]
        return cls(group.first_interval, group.parallel_lists)

    def watch(self, until: Until, owner: object = None) -> futures.Future:
        """Begin to wait; returns at once.

        :param owner: whose right to look this is, such as an operation. That may end
            before the waits of others for things of the same kind do
        :returns: a future of the thing, or of :class:`WaitFailed`. Cancelling it ends
            the wait. Its callbacks run in a thread of the watcher and must be short.
        """
        now = self._clock()
        wait = _Wait(until, now + until.timeout, owner)
        with self._changed:
            if self._is_closed:
                wait.future.cancel()
                return wait.future
            self._start()
            watch = self._watches.get(until.things.key)
            if watch is None:
                watch = _Watch(
                    until.things.key,
                    until.things.service,
                    self._first_interval,
                    math.inf,
                )
                self._watches[watch.key] = watch
            watch.waits.append(wait)
            watch.deadline = min(watch.deadline, wait.deadline)
            # Never later than it was: else a wait that comes puts off all others.
            watch.due = min(watch.due, now + self._first_interval)
            self._changed.notify()
        return wait.future

    def close(self) -> None:
        """End all waits as cancelled, and the threads."""
        with self._changed:
            self._is_closed = True
            waits = [wait for watch in self._watches.values() for wait in watch.waits]
            self._watches.clear()
            self._changed.notify()
        for wait in waits:
            wait.future.cancel()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="watcher", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._is_closed:
                    return
                now = self._clock()
                late = self._take_late(now)
                next_due = self._begin_looks(now)
                if not late:
                    ends = (
                        w.deadline + self._last_look for w in self._watches.values()
                    )
                    next_event = min(next_due, min(ends, default=math.inf))
                    self._changed.wait(
                        None if next_event == math.inf else max(0.0, next_event - now)
                    )
            # Without the lock: this calls whoever waits.
            for wait in late:
                silence = _("the service has not answered yet")
                _end(wait, _too_late(wait.until, None, silence))

    def _take_late(self, now: float) -> list[_Wait]:
        """The waits whose time is over, though no look has ended them."""
        late: list[_Wait] = []
        for watch in list(self._watches.values()):
            if watch.deadline + self._last_look > now:
                continue
            over = {w for w in watch.waits if w.deadline + self._last_look <= now}
            watch.waits = [wait for wait in watch.waits if wait not in over]
            late += (wait for wait in over if not wait.future.done())
            self._tidy(watch)
        return late

    def _begin_looks(self, now: float) -> float:
        """Look where it is time to, and the service has no more looks than it may.

        :returns: when the next look is due
        """
        looks = collections.Counter(
            watch.service for watch in self._watches.values() if watch.is_looking
        )
        idle = [watch for watch in self._watches.values() if not watch.is_looking]
        next_due = math.inf
        for watch in sorted(idle, key=lambda watch: watch.due):
            if watch.due > now:
                next_due = watch.due
                break
            # Where there is no room, the end of a look makes some, and wakes us.
            if looks[watch.service] < self._parallel:
                looks[watch.service] += 1
                self._begin_look(watch)
        return next_due

    def _begin_look(self, watch: _Watch) -> None:
        look = threading.Thread(
            target=self._look, args=(watch,), name="look", daemon=True
        )
        watch.is_looking, watch.due = True, math.inf
        try:
            look.start()
        except RuntimeError as error:
            LOG.warning("No look at every %s now: %s", watch.key, error)
            watch.is_looking = False
            self._plan_next(watch, is_news=False)

    def _look(self, watch: _Watch) -> None:
        with self._changed:
            waits = [wait for wait in watch.waits if not wait.future.done()]
        try:
            outcomes = self._outcomes(waits)
        except Exception as error:  # noqa: BLE001 - whatever a plugin's listing raises
            outcomes = {wait: _unseen(wait.until, error) for wait in waits}
        with self._changed:
            # Not those whose time was over before the answer came.
            ended = [wait for wait in watch.waits if wait in outcomes]
            watch.waits = [
                wait
                for wait in watch.waits
                if wait not in outcomes and not wait.future.done()
            ]
            watch.is_looking = False
            self._plan_next(watch, bool(outcomes))
            self._tidy(watch)
            self._changed.notify()
        for wait in ended:
            _end(wait, outcomes[wait])

    def _plan_next(self, watch: _Watch, is_news: bool) -> None:
        longest = min((wait.until.interval for wait in watch.waits), default=0.0)
        grown = self._first_interval if is_news else watch.interval * _GROWTH
        watch.interval = max(min(grown, longest), self._first_interval)
        nearest = min((wait.deadline for wait in watch.waits), default=math.inf)
        now = self._clock()
        # Whoever has begun to wait meanwhile has said when to look first.
        watch.due = max(now, min(watch.due, now + watch.interval, nearest))

    def _tidy(self, watch: _Watch) -> None:
        """Know what is left to wait for; a watch for nothing ends."""
        watch.deadline = min((wait.deadline for wait in watch.waits), default=math.inf)
        if not watch.waits and not watch.is_looking:
            self._watches.pop(watch.key, None)

    def _outcomes(self, waits: list[_Wait]) -> dict[_Wait, Thing | Exception | None]:
        """What became of the waits that are over."""
        if not waits:
            return {}
        # The newest has the freshest credentials.
        owner, things = waits[-1].owner, waits[-1].until.things
        try:
            found = things.find(sorted({wait.until.id for wait in waits}))
        except exception.KarborException as error:
            if not error.retryable:
                # Others may look yet: this owner may have lost its right meanwhile.
                return {
                    wait: _unseen(wait.until, error)
                    for wait in waits
                    if wait.owner is owner
                }
            LOG.info(
                "Looking at every %s failed, and is repeated: %s", things.kind, error
            )
            return {
                wait: _too_late(wait.until, None, str(error))
                for wait in waits
                if self._clock() >= wait.deadline
            }
        outcomes: dict[_Wait, Thing | Exception | None] = {}
        for wait in waits:
            thing = found.get(wait.until.id)
            status = None if thing is None else things.status_of(thing)
            is_told = thing is None or things.is_told(thing)
            verdict = wait.until.judge(status, thing) if is_told else Verdict.NOT_YET
            if verdict is Verdict.READY:
                outcomes[wait] = thing
            elif verdict is Verdict.FAILED:
                outcomes[wait] = _failed(things, wait.until, status, thing)
            elif self._clock() >= wait.deadline:
                outcomes[wait] = _too_late(wait.until, status, "")
        return outcomes


def _end(wait: _Wait, outcome: Thing | Exception | None) -> None:
    """Tell who waits, if nobody has cancelled it; once for each wait."""
    if not wait.future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        wait.future.set_exception(outcome)
    else:
        wait.future.set_result(outcome)


def _failed(
    things: Things, until: Until, status: str | None, thing: Thing | None
) -> WaitFailed:
    if thing is None:
        reason = _("does not exist any more, and was to be %s") % until.goal
        return WaitFailed(what=until, reason=reason)
    fault = things.told_fault_of(thing)
    reason = _("is '%(status)s', and was to be %(goal)s") % {
        "status": status,
        "goal": until.goal,
    }
    return WaitFailed(what=until, reason=f"{reason}: {fault}" if fault else reason)


def _unseen(until: Until, error: Exception) -> WaitFailed:
    """Each wait gets an error of its own, as each is raised in another thread."""
    text = (
        str(error)
        if isinstance(error, exception.KarborException)
        else f"{type(error).__name__}: {error}"
    )
    made = WaitFailed(
        what=until, reason=_("cannot be looked at while it is waited for: %s") % text
    )
    made.__cause__ = error
    return made


def _too_late(until: Until, status: str | None, error: str) -> WaitFailed:
    reason = _("was not %(goal)s within %(timeout)g seconds") % {
        "goal": until.goal,
        "timeout": until.timeout,
    }
    if status is not None:
        reason += _("; it is '%s'") % status
    if error:
        reason += f"; {error}"
    if until.hint:
        reason += f". {until.hint}"
    return WaitFailed(what=until, reason=reason)
