# SPDX-License-Identifier: Apache-2.0
"""Shares of one executor, so that a large operation does not starve a small one."""

import collections
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any


class Lane(futures.Executor):
    """One operation's way into a shared executor.

    The lane keeps its work to itself and hands over a bounded number of pieces at a
    time, so the pieces of several lanes take turns in the executor's queue. Any
    thread may submit. Shutting a lane down leaves the executor alone.

    :param shared: does the work
    :param width: how many pieces of this lane it gets at a time
    """

    def __init__(self, shared: futures.Executor, width: int) -> None:
        self._shared = shared
        self._free = width
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
        with self._lock:
            if not self._free or not self._waiting:
                return
            self._free -= 1
            piece = self._waiting.popleft()
        try:
            self._shared.submit(self._work, piece)
        except RuntimeError as error:
            # The shared executor was shut down under an operation that was left.
            piece.future.set_exception(error)

    def _work(self, piece: "_Piece") -> None:
        try:
            piece.run()
        finally:
            with self._lock:
                self._free += 1
            self._feed()


class _Piece:
    __slots__ = ("_args", "_fn", "_kwargs", "future")

    def __init__(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._fn, self._args, self._kwargs = fn, args, kwargs
        self.future: futures.Future = futures.Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._fn(*self._args, **self._kwargs)
        except BaseException as error:  # noqa: BLE001 - the future carries it on
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
