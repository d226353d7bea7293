# SPDX-License-Identifier: Apache-2.0
"""Listing files below a folder in the order of their keys, a page at a time.

Keys are bytes here: UTF-8 sorts by code points as the text does. A folder ``a`` is
sorted as ``a/``, for that is what the keys in it go on with: ``a-b`` comes before
``a/b``.
"""

import collections
import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank import keys

LOG = logging.getLogger(__name__)

# A folder that changed a moment ago may change again within the same tick of the
# filesystem's clock, and its mtime would not tell. Two seconds is the coarsest tick
# of a filesystem in use (FAT).
_SETTLED_SECONDS = 2.0
_CACHED_FOLDERS = 64
_CACHED_NAMES = 400_000

Names = Sequence[bytes]


class _NamesCache:
    """Sorted names of a few folders, each good while the folder's mtime stands."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: collections.OrderedDict[bytes, tuple[tuple[int, int], Names]] = (
            collections.OrderedDict()
        )
        self._size = 0

    def get(self, folder: bytes, stamp: tuple[int, int]) -> Names | None:
        with self._lock:
            found = self._folders.get(folder)
            if found is None or found[0] != stamp:
                return None
            self._folders.move_to_end(folder)
            return found[1]

    def put(self, folder: bytes, stamp: tuple[int, int], names: Names) -> None:
        if len(names) > _CACHED_NAMES:
            return
        with self._lock:
            self._drop(folder)
            self._folders[folder] = (stamp, names)
            self._size += len(names)
            while len(self._folders) > _CACHED_FOLDERS or self._size > _CACHED_NAMES:
                self._drop(next(iter(self._folders)))

    def _drop(self, folder: bytes) -> None:
        found = self._folders.pop(folder, None)
        if found is not None:
            self._size -= len(found[1])


class Listing:
    """The files below a folder. Safe from many threads at once.

    Costs one look at each folder on the way to what is asked for, and never one at
    a file.

    :param root: what the key ``/`` stands for
    """

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._cache = _NamesCache()

    def keys(
        self,
        prefix: bytes = b"/",
        marker: bytes | None = None,
        descending: bool = False,
    ) -> Iterator[bytes]:
        """Keys in order, found as they are asked for.

        :param prefix: begins with ``/``
        :param marker: only keys strictly after it in the order asked for
        :raises OSError: when a folder cannot be listed, or the root is gone; any other
            folder that is gone is empty
        """
        folder, _, begin = prefix.rpartition(b"/")
        folder += b"/"
        names = self._names(folder)
        # No byte of UTF-8 is as great as 0xff.
        first, last = bisect_left(names, begin), bisect_left(names, begin + b"\xff")
        stack = [_select(folder, names, first, last, marker, descending)]
        while stack:
            key = next(stack[-1], None)
            if key is None:
                stack.pop()
            elif key.endswith(b"/"):
                names = self._names(key)
                stack.append(_select(key, names, 0, len(names), marker, descending))
            else:
                yield key

    def _names(self, folder: bytes) -> Names:
        """Sorted names in a folder; those of folders end with ``/``."""
        path = self._root + folder
        try:
            status = os.stat(path)
            stamp = (status.st_ino, status.st_mtime_ns)
            names = self._cache.get(folder, stamp)
            if names is not None:
                return names
            settled = time.time() - status.st_mtime >= _SETTLED_SECONDS
            names = sorted(_scan(path))
        except (FileNotFoundError, NotADirectoryError):
            if folder == b"/":
                raise
            return ()
        if settled:
            self._cache.put(folder, stamp, names)
        return names


def valid_keys(found: Iterator[bytes]) -> Iterator[str]:
    """Keys without the files that someone else put there under names no key has."""
    for raw in found:
        try:
            yield keys.validate(raw.decode())
        except (UnicodeDecodeError, exception.InvalidParameterValue):
            LOG.debug("The bank has a file that is no object: %r", raw)


def _scan(path: bytes) -> Iterator[bytes]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield entry.name
            elif entry.is_dir(follow_symlinks=False):
                yield entry.name + b"/"


def _select(
    folder: bytes,
    names: Names,
    first: int,
    last: int,
    marker: bytes | None,
    descending: bool,
) -> Iterator[bytes]:
    """Full keys of the names from ``first`` to ``last`` that may hold a key after
    the marker, in the order asked for."""
    if marker is not None:
        if marker.startswith(folder):
            begin, slash, _ = marker[len(folder) :].partition(b"/")
            # A marker inside a folder of this one: that folder is still asked.
            inside = bool(slash)
            if descending:
                find = bisect_right if inside else bisect_left
                last = min(last, find(names, begin + slash))
            else:
                find = bisect_left if inside else bisect_right
                first = max(first, find(names, begin + slash))
        elif (marker > folder) != descending:
            return
    order = range(last - 1, first - 1, -1) if descending else range(first, last)
    for index in order:
        yield folder + names[index]
