# SPDX-License-Identifier: Apache-2.0
"""Ask a bank for no more than so much a second."""

import time
from collections.abc import Callable
from typing import Any, ClassVar

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.bank_decorators.clock import Clock
from karbor.services.protection.bank_decorators.decorator import (
    Answer,
    BankDecorator,
    Call,
)
from karbor.services.protection.bank_decorators.sizes import size_of
from karbor.services.protection.bank_decorators.token_bucket import TokenBucket
from karbor.services.protection.bank_plugin import BankPlugin

GROUP = "bank_rate_limit"
OPTS = [
    cfg.FloatOpt(
        "write_bytes_per_second",
        default=0.0,
        min=0.0,
        help="Bytes a second that this service writes to the bank at most, on the "
        "average. Set it when protecting takes the network from others. 0 is no limit.",
    ),
    cfg.FloatOpt(
        "read_bytes_per_second",
        default=0.0,
        min=0.0,
        help="Bytes a second that this service reads from the bank at most, on the "
        "average. Set it when restoring takes the network from others. 0 is no limit.",
    ),
    cfg.FloatOpt(
        "requests_per_second",
        default=0.0,
        min=0.0,
        help="Calls a second that this service makes to the bank at most, on the "
        "average, leases left out. Set it to what the store allows one client. 0 is no "
        "limit.",
    ),
    cfg.FloatOpt(
        "burst_seconds",
        default=1.0,
        min=0.0,
        help="Seconds whose worth of bytes and requests may go at once after a pause. "
        "Lower it when the store counts in shorter stretches.",
    ),
]

_COUNTED = frozenset(
    {
        "update_object",
        "get_object",
        "stored_size",
        "list_objects",
        "delete_object",
        "lock_object",
        "locked_until",
    }
)


class RateLimitedBank(BankDecorator):
    """Holds calls back until they fit the limits; all threads share these.

    The bytes of a write wait before it. The size of what is read is known only
    afterwards, so a reader waits before it gets the value. Leases never wait: one that
    is renewed late is lost.
    """

    group: ClassVar[str | None] = GROUP
    opts = OPTS

    def __init__(
        self, wrapped: BankPlugin, config: cfg.ConfigOpts, *, clock: Clock = time
    ) -> None:
        super().__init__(wrapped, config)

        def bucket(option: str) -> TokenBucket | None:
            rate = self.options[option]
            burst = rate * self.options["burst_seconds"]
            return TokenBucket(rate, burst, clock) if rate else None

        self._written = bucket("write_bytes_per_second")
        self._read = bucket("read_bytes_per_second")
        self._requests = bucket("requests_per_second")

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        if self._written is not None:
            self._written.take(size_of(value))
        super().update_object(key, value, context)

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        value = super().get_object(key, context)
        if self._read is not None:
            self._read.take(size_of(value))
        return value

    def _perform(self, call: Call, act: Callable[[], Answer]) -> Answer:
        if self._requests is not None and call.method in _COUNTED:
            self._requests.take(1)
        return act()
