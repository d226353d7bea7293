# SPDX-License-Identifier: Apache-2.0
"""How far an operation is, as people watch it while it runs."""

import threading
from typing import Any


class ResourceProgress:
    """What one resource's hooks report; every call is cheap and thread-safe."""

    def __init__(self, owner: "OperationProgress") -> None:
        self._owner = owner

    def expect(self, size: int) -> None:
        """So many more bytes will be moved for this resource.

        :param size: bytes, as the data's source counts them
        """
        self._owner.add(bytes_total=size)

    def advance(self, size: int) -> None:
        """So many more bytes have been moved."""
        self._owner.add(bytes_done=size)


class OperationProgress:
    """The sums over an operation's resources.

    Hooks add to it from many threads; the operation's record is written from
    :meth:`snapshot`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums = {
            "bytes_done": 0,
            "bytes_total": 0,
            "hooks_done": 0,
            "hooks_total": 0,
        }

    def add(self, **amounts: int) -> None:
        """Add to the sums named by the keywords."""
        with self._lock:
            for name, amount in amounts.items():
                self._sums[name] += amount

    def snapshot(self) -> dict[str, Any]:
        """``bytes_done``, ``bytes_total``, ``hooks_done``, ``hooks_total``."""
        with self._lock:
            return dict(self._sums)
