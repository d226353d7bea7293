# SPDX-License-Identifier: Apache-2.0
"""Shares of one executor, so that a large operation does not starve a small one.

A piece of work that returns :class:`Suspended` gives its thread to others while it
waits, and is queued again when there is something to go on with.
"""

import collections
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from karbor.services.protection.waiting.course import Suspended


class Lane(futures.Executor):
    """One operation's way into a shared executor.

    The lane keeps its work to itself and hands over a bounded number of pieces at a
    time, so the pieces of several lanes take turns in the executor's queue. Any
    thread may submit. Shutting a lane down leaves the executor alone.

    :param shared: does the work
    :param width: how many pieces of this lane it gets at a time
    :param depth: how many pieces wait at a time, before no more are begun; None for
        no limit
    """

    def __init__(
        self, shared: futures.Executor, width: int, depth: int | None = None
    ) -> None:
        self._shared = shared
        self._free = width
        self._depth = depth
        self._suspended = 0
        #: What has waited goes on before anything new begins.
        self._resumed: collections.deque[_Piece] = collections.deque()
        self._waiting: collections.deque[_Piece] = collections.deque()
        self._lock = threading.Lock()

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> futures.Future:
        """Queue a call; returns at once."""
        piece = _Piece(fn, args, kwargs)
        with self._lock:
            self._waiting.append(piece)
        self._feed()
        return piece.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing to do: the lane owns no thread."""

    def _feed(self) -> None:
        """Hand over as many pieces as there is room for: one event may make much."""
        while (piece := self._next()) is not None:
            try:
                self._shared.submit(self._work, piece)
            except RuntimeError as error:
                # The shared executor was shut down under an operation that was left.
                with self._lock:
                    self._free += 1
                piece.fail(error)

    def _next(self) -> "_Piece | None":
        with self._lock:
            if not self._free:
                return None
            if self._resumed:
                piece = self._resumed.popleft()
            elif self._waiting and (
                self._depth is None or self._suspended < self._depth
            ):
                piece = self._waiting.popleft()
            else:
                return None
            self._free -= 1
            return piece

    def _work(self, piece: "_Piece") -> None:
        suspended = piece.run()
        with self._lock:
            self._free += 1
            self._suspended += suspended is not None
        if suspended is not None:
            suspended.future.add_done_callback(lambda _: self._resume(piece, suspended))
        self._feed()

    def _resume(self, piece: "_Piece", suspended: Suspended) -> None:
        piece.go_on_with(suspended.resume)
        with self._lock:
            self._suspended -= 1
            self._resumed.append(piece)
        self._feed()


class _Piece:
    __slots__ = ("_args", "_fn", "_is_begun", "_kwargs", "future")

    def __init__(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._fn, self._args, self._kwargs = fn, args, kwargs
        self._is_begun = False
        self.future: futures.Future = futures.Future()

    def go_on_with(self, resume: Callable[[], Any]) -> None:
        self._fn, self._args, self._kwargs = resume, (), {}

    def fail(self, error: Exception) -> None:
        """End without running, or without going on."""
        if self._is_begun or self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)

    def run(self) -> Suspended | None:
        """Run to the end, or to where it waits."""
        if not self._is_begun and not self.future.set_running_or_notify_cancel():
            return None
        self._is_begun = True
        try:
            result = self._fn(*self._args, **self._kwargs)
        except BaseException as error:  # noqa: BLE001 - the future carries it on
            self.future.set_exception(error)
            return None
        if isinstance(result, Suspended):
            return result
        self.future.set_result(result)
        return None
