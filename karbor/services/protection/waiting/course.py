# SPDX-License-Identifier: Apache-2.0
"""A hook's run, from one wait to the next."""

import dataclasses
import inspect
from collections.abc import Callable, Generator
from concurrent import futures
from typing import Any, cast

from karbor.services.protection.waiting.until import Until
from karbor.services.protection.waiting.watcher import Watcher


@dataclasses.dataclass(frozen=True, eq=False)
class Suspended:
    """What a piece of work returns instead of a result while it waits.

    :param future: done when there is something to go on with
    :param resume: goes on, and gives the result or another of these
    """

    future: futures.Future
    resume: Callable[[], Any]


class WaitCancelled(BaseException):
    """Raised where a hook waits when the operation stops.

    No :class:`Exception`, so that no plugin takes it for a failure of what it does.
    A hook lets it pass; what it has begun is taken back by ``on_revert``.
    """


class Course:
    """One call of a hook: a plain function, or a generator that yields its waits.

    :param call: calls the hook
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call: Callable[[], Any] | None = call
        self._generator: Generator[Until, Any, Any] | None = None

    def advance(self, awaited: futures.Future | None) -> Until | None:
        """Run to the next wait.

        :param awaited: the wait that is over; None at first
        :returns: the next wait; None when the hook has ended
        :raises WaitCancelled: when that wait was cancelled
        :raises Exception: what the hook raises
        """
        if self._generator is None:
            assert self._call is not None
            call, self._call = self._call, None
            result: Any = call()
            if not inspect.isgenerator(result):
                return None
            started = cast("Generator[Until, Any, Any]", result)
            self._generator = started
            return self._step(lambda: next(started))
        generator = self._generator
        if awaited is None or awaited.cancelled():
            return self._step(lambda: generator.throw(WaitCancelled()))
        failure = awaited.exception()
        if failure is not None:
            return self._step(lambda: generator.throw(failure))
        return self._step(lambda: generator.send(awaited.result()))

    def _step(self, step: Callable[[], Any]) -> Until | None:
        try:
            until = step()
        except StopIteration:
            return None
        if not isinstance(until, Until):
            assert self._generator is not None
            self._generator.close()
            raise TypeError(
                f"a hook yields what it waits for as Until, not {type(until).__name__}"
            )
        return until


def complete(call: Callable[[], Any], watcher: Watcher) -> None:
    """Call a hook to its end and wait in this thread: outside of an operation.

    :raises Exception: what the hook raises
    """
    course = Course(call)
    until = course.advance(None)
    while until is not None:
        future = watcher.watch(until)
        futures.wait([future])
        until = course.advance(future)
