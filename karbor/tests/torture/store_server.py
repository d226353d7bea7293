# SPDX-License-Identifier: Apache-2.0
"""A late store in a process of its own, for banks in others.

What a client that is killed has asked for is done all the same, and no client that is
paused keeps another one waiting.
"""

import multiprocessing
import multiprocessing.connection
import os
import pathlib
import threading
import time
from typing import Any

from karbor.tests.fakes.late_bank import Lateness, LateStore, StoreFailed


def serve(address: str, lateness: Lateness, seed: int) -> None:
    """Serve one store until the process, or its parent, is ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    store = LateStore(lateness, seed, time.monotonic)
    views = {True: store.exact(), False: store}
    # Moved to its place when it listens, so that clients need not try again.
    beginning = address + ".new"
    with multiprocessing.connection.Listener(beginning, "AF_UNIX", 64) as listener:
        pathlib.Path(beginning).rename(address)
        while True:
            connection = listener.accept()
            threading.Thread(
                target=_answer, args=(views, connection), daemon=True
            ).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _answer(views: dict[bool, LateStore], connection: Any) -> None:
    while True:
        try:
            exact, method, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (True, getattr(views[exact], method)(*arguments))
        except StoreFailed as error:
            answer = (False, error)
        try:
            connection.send(answer)
        except OSError:
            return


class RemoteStore:
    """The store of a server, as :class:`LateStore`; thread-safe.

    :param exact: whether it is asked how things really are
    """

    def __init__(self, address: str, *, exact: bool = False) -> None:
        self.clock = time.monotonic
        self._address = address
        self._exact = exact
        self._lock = threading.Lock()
        self._idle: list[Any] = []

    def __getattr__(self, method: str) -> Any:
        def ask(*arguments: Any) -> Any:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = multiprocessing.connection.Client(self._address)
            connection.send((self._exact, method, arguments))
            is_done, answer = connection.recv()
            with self._lock:
                self._idle.append(connection)
            if not is_done:
                raise answer
            return answer

        return ask
