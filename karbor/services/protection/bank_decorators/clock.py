# SPDX-License-Identifier: Apache-2.0
"""Time, as decorators that wait or measure are given it."""

from typing import Protocol


class Clock(Protocol):
    """What the standard module ``time`` has; tests bring one of their own."""

    def monotonic(self) -> float:
        """Seconds since some moment in the past."""

    def sleep(self, seconds: float, /) -> None:
        """Wait, without work."""
