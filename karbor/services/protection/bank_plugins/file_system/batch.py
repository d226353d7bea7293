# SPDX-License-Identifier: Apache-2.0
"""Many files on their way to the disk at once.

One fsync waits for the disk's cache, some milliseconds, however little there is to
write, while many at once are one wait for the filesystem and the disk. So a batch
writes a file, has the kernel begin to bring it to the disk, and goes on; some threads
wait for the files in turn, and at the end for the folders.

A file has its name only after its content is durable. Whoever sees it may therefore
rely on it, also after a power cut, which at most takes the name away again: that is
what :meth:`FileSystemBatch.rely_on` is for.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank_plugin import BankPlugin, ObjectBatch
from karbor.services.protection.bank_plugins.file_system import values
from karbor.services.protection.bank_plugins.file_system.files import (
    FileStore,
    PendingFile,
)

# Open files of one batch: with many streams at once the process still has enough of
# the 1024 that it may usually open.
_MOST_PENDING = 32
# So many fsyncs the disk takes for one: 64 folders took 8 ms instead of 180.
_THREADS = 8


class FileSystemBatch(ObjectBatch):
    """A batch of the filesystem bank.

    :param plugin: whose batch it is
    :param files: where its files go
    :param root: the folder that all of them are in
    :param path_of: gives the path of a key
    :param not_updated: gives the error that says why an object was not put
    """

    def __init__(
        self,
        plugin: BankPlugin,
        files: FileStore,
        root: bytes,
        path_of: Callable[[str], bytes],
        not_updated: Callable[[str, Exception], exception.BankException],
    ) -> None:
        super().__init__(plugin)
        self._files = files
        self._root = root
        self._path_of = path_of
        self._not_updated = not_updated
        self._threads = ThreadPoolExecutor(_THREADS, "bank-sync")
        self._room = threading.BoundedSemaphore(_MOST_PENDING)
        self._changed = threading.Condition()
        # All below are changed with it held.
        self._pending: deque[tuple[str, PendingFile]] = deque()
        self._in_hand = 0
        self._folders: set[bytes] = set()
        self._failure: exception.BankException | None = None

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        path = self._path_of(key)
        self._check()
        self._room.acquire()
        try:
            pending = self._files.begin(path, *values.encode(value, key))
        except BaseException as error:
            self._room.release()
            if isinstance(error, OSError | TypeError | ValueError):
                raise self._not_updated(key, error) from error
            raise
        # A hint: Linux begins to write back what is said not to be needed in memory.
        with contextlib.suppress(OSError):
            os.posix_fadvise(pending.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        with self._changed:
            self._pending.append((key, pending))
            self._folders.add(os.path.dirname(path))
            due = len(self._pending) > _MOST_PENDING // 2
        if due:
            self._finish_oldest()

    def rely_on(self, key: str) -> None:
        folder = os.path.dirname(self._path_of(key))
        with self._changed:
            self._folders.add(folder)

    def flush(self) -> None:
        while self._finish_oldest():
            pass
        with self._changed:
            self._changed.wait_for(lambda: not self._in_hand)
            # Another process may have made one just now, and not yet made that durable.
            folders = self._with_those_above(self._folders)
            self._folders = set()
        self._check()
        try:
            for _ in self._threads.map(self._files.sync_folder, sorted(folders)):
                pass
        except OSError as error:
            self._fail(self._not_updated(os.fsdecode(error.filename or b""), error))
        self._check()

    def close(self) -> None:
        self._threads.shutdown()
        with self._changed:
            left = list(self._pending)
            self._pending.clear()
        for _key, pending in left:
            self._files.drop(pending)

    def _finish_oldest(self) -> bool:
        """Have one file finished; False when there is none."""
        with self._changed:
            if not self._pending:
                return False
            key, pending = self._pending.popleft()
            self._in_hand += 1
        self._threads.submit(self._finish, key, pending)
        return True

    def _finish(self, key: str, pending: PendingFile) -> None:
        try:
            self._files.finish(pending)
        except Exception as error:  # noqa: BLE001
            # Whatever it is, a flush must not succeed after it.
            self._fail(self._not_updated(key, error))
        finally:
            self._room.release()
            with self._changed:
                self._in_hand -= 1
                self._changed.notify_all()

    def _with_those_above(self, folders: set[bytes]) -> set[bytes]:
        """Folders, and all that they are in, up to the root."""
        found: set[bytes] = set()
        for folder in folders:
            while folder not in found:
                found.add(folder)
                if folder != self._root:
                    folder = os.path.dirname(folder)
        return found

    def _fail(self, failure: exception.BankException) -> None:
        with self._changed:
            self._failure = self._failure or failure

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
