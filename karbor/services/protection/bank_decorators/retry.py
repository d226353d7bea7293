# SPDX-License-Identifier: Apache-2.0
"""Try again what may succeed later."""

import time
from collections.abc import Callable
from typing import ClassVar

import tenacity
from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank_decorators.clock import Clock
from karbor.services.protection.bank_decorators.decorator import (
    Answer,
    BankDecorator,
    Call,
)
from karbor.services.protection.bank_decorators.errors import is_missing, may_pass
from karbor.services.protection.bank_plugin import BankPlugin

LOG = logging.getLogger(__name__)

GROUP = "bank_retry"
OPTS = [
    cfg.IntOpt(
        "attempts",
        default=5,
        min=1,
        help="How often a call to the bank is made, the first time included. Raise it "
        "for a bank that is away for minutes; 1 never tries again.",
    ),
    cfg.FloatOpt(
        "first_wait",
        default=0.5,
        min=0.0,
        help="Seconds that the first pause lasts at most. Each further one is at most "
        "twice as long as the one before; how long it is, is random, so that many "
        "services do not come back all at once.",
    ),
    cfg.FloatOpt(
        "max_wait",
        default=20.0,
        min=0.0,
        help="Seconds that a pause lasts at most. Must not be less than first_wait.",
    ),
    cfg.FloatOpt(
        "give_up_after",
        default=120.0,
        min=0.0,
        help="Seconds since the first attempt after which no other is made. Keep it "
        "below the bank's lease_expire_window less lease_renew_window, so that trying "
        "again does not cost the lease. 0 leaves it to attempts alone.",
    ),
]

# A lease is given up as a courtesy; the service that stops does not wait for it.
_ONCE = frozenset({"release_lease"})


class RetryingBank(BankDecorator):
    """Makes a call again when its error may pass.

    Every call of the contract may be made twice: an update writes the same value
    again, and a deletion that finds nothing any more, after one whose answer was lost,
    has succeeded. What an error tells is decided by
    :func:`karbor.services.protection.bank_decorators.errors.may_pass`; other errors,
    and the last one when all attempts have failed, are raised as they are.
    """

    group: ClassVar[str | None] = GROUP
    opts = OPTS

    def __init__(
        self, wrapped: BankPlugin, config: cfg.ConfigOpts, *, clock: Clock = time
    ) -> None:
        super().__init__(wrapped, config)
        first, longest = self.options["first_wait"], self.options["max_wait"]
        if longest < first:
            raise self._invalid(
                "max_wait",
                f"is {longest}; it must not be less than first_wait, {first}",
            )
        self._attempts: int = self.options["attempts"]
        self._give_up_after: float = self.options["give_up_after"]
        self._wait = tenacity.wait_random_exponential(multiplier=first, max=longest)
        self._clock = clock

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        may_be_done = False

        def delete() -> None:
            nonlocal may_be_done
            try:
                self._wrapped.delete_object(key, context=context)
            except exception.KarborException as error:
                if may_pass(error):
                    may_be_done = True
                    raise
                if not may_be_done or not self._is_gone(key, error, context):
                    raise
                LOG.debug("Object %s was deleted by an attempt that failed.", key)

        self._perform(Call("delete_object", key), delete)

    def _perform(self, call: Call, act: Callable[[], Answer]) -> Answer:
        if call.method in _ONCE:
            return act()
        began = self._clock.monotonic()

        def is_over(state: tenacity.RetryCallState) -> bool:
            return state.attempt_number >= self._attempts or (
                0 < self._give_up_after <= self._clock.monotonic() - began
            )

        retrying = tenacity.Retrying(
            stop=is_over,
            wait=self._wait,
            retry=tenacity.retry_if_exception(may_pass),
            sleep=self._clock.sleep,
            before_sleep=lambda state: self._tell(call, state),
            reraise=True,
        )
        return retrying(act)

    def _is_gone(
        self, key: str, error: BaseException, context: RequestContext | None
    ) -> bool:
        if is_missing(error):
            return True
        # The contract has no error of its own for what is missing.
        try:
            listed = self._wrapped.list_objects(prefix=key, limit=1, context=context)
        except exception.BankException as problem:
            raise exception.BankDeleteObjectFailed(
                key=key,
                reason=f"an attempt may have deleted it, and the bank does not say "
                f"whether it is still there: {problem}",
                retryable=may_pass(problem),
            ) from problem
        return key not in listed

    def _tell(self, call: Call, state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None
        LOG.warning(
            "Bank: %s failed, attempt %d of %d; trying again in %.1f s: %s",
            call,
            state.attempt_number,
            self._attempts,
            state.upcoming_sleep,
            state.outcome.exception(),
        )
