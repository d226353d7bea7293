# SPDX-License-Identifier: Apache-2.0
"""What an owner remembers of its own lease."""

import threading
import time

from karbor.services.protection.bank.leases import LeaseWindows

#: Where leases are in a bank, by owner.
LEASES = "/leases/"

# Goes on while the machine sleeps, as the clocks of others do.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds on the clock by which an owner counts."""
    return time.clock_gettime(_CLOCK)


class OwnLease:
    """When the lease was last written. Safe from many threads at once."""

    def __init__(self, windows: LeaseWindows) -> None:
        self._windows = windows
        self._lock = threading.Lock()
        self._written: float | None = None

    def written(self, began: float) -> None:
        """It was written.

        :param began: :func:`now` before the write began: however long it took, the
            owner never believes in its lease for longer than others do
        """
        with self._lock:
            self._written = began

    def forget(self) -> None:
        """It was given up."""
        with self._lock:
            self._written = None

    def is_valid(self) -> bool:
        """Whether more than the validity window is left of it."""
        with self._lock:
            written = self._written
        if written is None:
            return False
        return written + self._windows.expire - now() > self._windows.validity
