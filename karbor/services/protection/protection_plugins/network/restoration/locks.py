# SPDX-License-Identifier: Apache-2.0
"""One at a time where networks of one restore share what they need.

Their hooks run in parallel in one process. What an earlier process made is found in
Neutron; that no two hooks make it at once is what these locks are for.
"""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager


class _Lock:
    """A lock that goes when nobody holds or awaits it any more."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


_locks: weakref.WeakValueDictionary[str, _Lock] = weakref.WeakValueDictionary()
_locks_lock = threading.Lock()


@contextmanager
def alone(operation_id: str) -> Iterator[None]:
    """For a block that no other hook of the restore runs at the same time."""
    with _locks_lock:
        mine = _locks.setdefault(operation_id, _Lock())
    with mine.lock:
        yield
