# SPDX-License-Identifier: Apache-2.0
"""How much may go through, and when."""

import threading

from karbor.services.protection.bank_decorators.clock import Clock


class TokenBucket:
    """Lets so many units a second through, for any number of threads.

    Whoever asks first goes first: each one takes its units at once, owing what the
    bucket does not have yet, and waits until its debt would be paid. In any stretch of
    ``t`` seconds at most ``rate * t + max(burst, largest request)`` units are let
    through.

    :param rate: units a second, more than 0
    :param burst: units that may go at once after a pause, 0 or more
    """

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._level = burst
        self._filled = clock.monotonic()

    def take(self, units: float) -> float:
        """Wait until so many units may go through.

        :returns: the seconds that were waited
        """
        wait = self.reserve(units)
        if wait > 0:
            self._clock.sleep(wait)
        return wait

    def reserve(self, units: float) -> float:
        """Take so many units.

        :returns: the seconds to wait from now before they are used
        """
        with self._lock:
            now = self._clock.monotonic()
            self._level = min(
                self._burst, self._level + (now - self._filled) * self._rate
            )
            self._filled = now
            self._level -= units
            return max(0.0, -self._level / self._rate)
