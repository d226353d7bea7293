# SPDX-License-Identifier: Apache-2.0
"""Count what is asked of a bank, and how long it takes."""

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from oslo_config import cfg
from oslo_log import log as logging

from karbor.context import RequestContext
from karbor.services.protection.bank_decorators.clock import Clock
from karbor.services.protection.bank_decorators.decorator import (
    Answer,
    BankDecorator,
    Call,
)
from karbor.services.protection.bank_decorators.sizes import size_of
from karbor.services.protection.bank_plugin import BankPlugin

LOG = logging.getLogger(__name__)

GROUP = "bank_metrics"
OPTS = [
    cfg.FloatOpt(
        "log_interval",
        default=600.0,
        min=0.0,
        help="Seconds after which the counts since the last such line are logged at "
        "level INFO, by the first call after them: a bank that is not used logs "
        "nothing. 0 logs nothing at all.",
    ),
]

_MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class MethodCounts:
    """What one method did.

    :param calls: that have ended, well or not
    :param errors: of these, the ones that raised; a get or delete of what is not there
        is one
    :param bytes: of values written or read by the calls that succeeded
    :param seconds: all calls together
    :param slowest: the longest call, in seconds
    """

    calls: int = 0
    errors: int = 0
    bytes: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def plus(self, seconds: float, size: int, failed: bool) -> "MethodCounts":
        """With one more call."""
        return MethodCounts(
            self.calls + 1,
            self.errors + failed,
            self.bytes + size,
            self.seconds + seconds,
            max(self.slowest, seconds),
        )

    def __str__(self) -> str:
        moved = f", {self.bytes / _MIB:.1f} MiB" if self.bytes else ""
        return (
            f"{self.calls} calls, {self.errors} errors{moved}, {self.seconds:.1f} s, "
            f"slowest {self.slowest:.2f} s"
        )


class _Counts:
    """Counts of all methods since the start, and since the last line in the log."""

    def __init__(self, now: float) -> None:
        self._lock = threading.Lock()
        self._total: dict[str, MethodCounts] = {}
        self._recent: dict[str, MethodCounts] = {}
        self._since = now

    def add(self, method: str, seconds: float, size: int, failed: bool) -> None:
        with self._lock:
            for counts in (self._total, self._recent):
                before = counts.get(method, MethodCounts())
                counts[method] = before.plus(seconds, size, failed)

    def total(self) -> dict[str, MethodCounts]:
        with self._lock:
            return dict(self._total)

    def take_recent(
        self, now: float, interval: float
    ) -> tuple[float, Mapping[str, MethodCounts]]:
        """Seconds and counts since the last time; no counts before ``interval``."""
        with self._lock:
            elapsed = now - self._since
            if elapsed < interval:
                return elapsed, {}
            recent, self._recent = self._recent, {}
            self._since = now
            return elapsed, recent


class MeasuredBank(BankDecorator):
    """Counts calls, errors, bytes and seconds per method of the contract."""

    group: ClassVar[str | None] = GROUP
    opts = OPTS

    def __init__(
        self, wrapped: BankPlugin, config: cfg.ConfigOpts, *, clock: Clock = time
    ) -> None:
        super().__init__(wrapped, config)
        self._clock = clock
        self._log_interval: float = self.options["log_interval"]
        self._counts = _Counts(clock.monotonic())

    def snapshot(self) -> dict[str, MethodCounts]:
        """The counts since the start by method; a method not called is left out."""
        return self._counts.total()

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        size = size_of(value)
        self._measure(
            "update_object",
            lambda: self._wrapped.update_object(key, value, context=context),
            lambda _nothing: size,
        )

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        return self._measure(
            "get_object",
            lambda: self._wrapped.get_object(key, context=context),
            size_of,
        )

    def _perform(self, call: Call, act: Callable[[], Answer]) -> Answer:
        return self._measure(call.method, act, lambda _answer: 0)

    def _measure(
        self,
        method: str,
        act: Callable[[], Answer],
        measured: Callable[[Answer], int],
    ) -> Answer:
        began = self._clock.monotonic()
        size, failed = 0, True
        try:
            answer = act()
            ended = self._clock.monotonic()
            size, failed = measured(answer), False
            return answer
        finally:
            if failed:
                ended = self._clock.monotonic()
            self._counts.add(method, ended - began, size, failed)
            self._log(ended)

    def _log(self, now: float) -> None:
        if not self._log_interval:
            return
        elapsed, recent = self._counts.take_recent(now, self._log_interval)
        if recent:
            LOG.info(
                "Bank of owner %s in the last %.0f s: %s",
                self.get_owner_id(),
                elapsed,
                "; ".join(f"{name}: {counts}" for name, counts in recent.items()),
            )
