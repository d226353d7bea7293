# SPDX-License-Identifier: Apache-2.0
"""Make a bank fail, for tests of what stands on it."""

import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from oslo_config import cfg, types
from oslo_log import log as logging

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank_decorators.decorator import (
    Answer,
    BankDecorator,
    Call,
)
from karbor.services.protection.bank_decorators.history import History
from karbor.services.protection.bank_plugin import BankPlugin

LOG = logging.getLogger(__name__)

GROUP = "bank_fault_injection"

#: Fails, and nothing was done.
FAIL_BEFORE = "fail_before"
#: Fails, though it was done: the answer was lost.
FAIL_AFTER = "fail_after"
#: As one of these two, with an error that tells of time.
TIME_OUT = "time_out"
PHASES = (FAIL_BEFORE, FAIL_AFTER, TIME_OUT)

#: The methods that can fail.
METHODS = (
    "update_object",
    "get_object",
    "stored_size",
    "list_objects",
    "delete_object",
    "lock_object",
    "locked_until",
    "acquire_lease",
    "renew_lease",
    "release_lease",
    "check_lease_existence",
)
#: Stands for all of them.
EVERY = "every"

_PROBABILITY = types.Float(min=0.0, max=1.0)


def _phase(name: str, what: str) -> cfg.Opt:
    return cfg.Opt(
        name,
        type=types.Dict(value_type=_PROBABILITY),
        default={},
        help=f"How often, from 0 to 1, a method {what}: method:probability, separated "
        f"by commas. Methods: {', '.join(METHODS)}, and {EVERY} for those not named.",
    )


OPTS = [
    cfg.IntOpt(
        "seed",
        default=0,
        help="Where the random numbers begin. One thread that makes the same calls "
        "with the same seed meets the same faults.",
    ),
    _phase(FAIL_BEFORE, "fails without doing anything"),
    _phase(FAIL_AFTER, "does what it is asked and fails"),
    _phase(TIME_OUT, "times out, having done what it was asked or not"),
    cfg.FloatOpt(
        "list_late",
        default=0.0,
        min=0.0,
        max=1.0,
        help="How often, from 0 to 1, a listing lacks some of the latest changes, as "
        "those of object stores may.",
    ),
    cfg.FloatOpt(
        "old_value",
        default=0.0,
        min=0.0,
        max=1.0,
        help="How often, from 0 to 1, an object that was changed lately is read as it "
        "was before, as from a replica that is behind.",
    ),
    cfg.IntOpt(
        "late_changes",
        default=16,
        min=1,
        help="How many of the latest changes a listing or a value may lack.",
    ),
]


class FaultyBank(BankDecorator):
    """Fails by chance, or on order by :meth:`inject`.

    Errors are those of the contract, with ``retryable`` set.
    """

    group: ClassVar[str | None] = GROUP
    opts = OPTS

    def __init__(self, wrapped: BankPlugin, config: cfg.ConfigOpts) -> None:
        super().__init__(wrapped, config)
        self._chances = {phase: self._checked(phase) for phase in PHASES}
        self._lock = threading.Lock()
        self._random = random.Random(self.options["seed"])
        self._ordered: dict[str, deque[str]] = {method: deque() for method in METHODS}
        self._history = (
            History(wrapped, self.options["late_changes"])
            if self.options["list_late"] or self.options["old_value"]
            else None
        )
        LOG.warning(
            "The bank of owner %s fails on purpose: its provider's file has "
            "'bank_decorator = fault_injection', which is for tests alone.",
            wrapped.get_owner_id(),
        )

    def inject(self, method: str, phase: str, times: int = 1) -> None:
        """Make the next calls of a method fail, whatever their probability.

        :param phase: one of :data:`PHASES`
        """
        if phase not in PHASES:
            raise ValueError(f"{phase!r} is none of {PHASES}")
        with self._lock:
            self._ordered[method].extend([phase] * times)

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        def act() -> None:
            if self._history is None:
                self._wrapped.update_object(key, value, context=context)
            else:
                with self._history.change(key):
                    self._wrapped.update_object(key, value, context=context)

        self._perform(Call("update_object", key), act)

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        def act() -> None:
            if self._history is None:
                self._wrapped.delete_object(key, context=context)
            else:
                with self._history.change(key):
                    self._wrapped.delete_object(key, context=context)

        self._perform(Call("delete_object", key), act)

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        def act() -> Any:
            if self._history is not None and self._happens("old_value"):
                return self._history.old_value(key, self._lag())
            return self._wrapped.get_object(key, context=context)

        return self._perform(Call("get_object", key), act)

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: RequestContext | None = None,
    ) -> list[str]:
        def act() -> list[str]:
            if self._history is not None and self._happens("list_late"):
                return self._history.old_listing(
                    self._lag(), prefix, limit, marker, sort_dir
                )
            return self._wrapped.list_objects(
                prefix=prefix,
                limit=limit,
                marker=marker,
                sort_dir=sort_dir,
                context=context,
            )

        return self._perform(Call("list_objects", prefix), act)

    def _perform(self, call: Call, act: Callable[[], Answer]) -> Answer:
        phase, is_done = self._decide(call.method)
        if phase is None:
            return act()
        if is_done:
            act()
        raise _error(call, phase, is_done)

    def _decide(self, method: str) -> tuple[str | None, bool]:
        """Which fault a call meets, if any, and whether it is done all the same."""
        with self._lock:
            # The same numbers are drawn whatever becomes of them, so that one more
            # ordered fault does not change all that comes after it.
            draws = {phase: self._random.random() for phase in PHASES}
            is_done = self._random.random() < 0.5
            if self._ordered[method]:
                phase: str | None = self._ordered[method].popleft()
            else:
                phase = next(
                    (p for p in PHASES if draws[p] < self._chance(p, method)), None
                )
        if phase == TIME_OUT:
            return phase, is_done
        return phase, phase == FAIL_AFTER

    def _chance(self, phase: str, method: str) -> float:
        chances = self._chances[phase]
        return chances.get(method, chances.get(EVERY, 0.0))

    def _happens(self, option: str) -> bool:
        with self._lock:
            return self._random.random() < self.options[option]

    def _lag(self) -> int:
        with self._lock:
            return self._random.randint(1, self.options["late_changes"])

    def _checked(self, phase: str) -> dict[str, float]:
        chances: dict[str, float] = self.options[phase]
        for method in chances:
            if method not in (*METHODS, EVERY):
                raise self._invalid(
                    phase,
                    f"names '{method}', which is none of {', '.join(METHODS)} and "
                    f"{EVERY}",
                )
        return chances


def _error(call: Call, phase: str, is_done: bool) -> exception.BankException:
    done = "done" if is_done else "not done"
    reason = f"injected fault: {phase}, {done}"
    match call.method:
        case "update_object":
            return exception.BankUpdateObjectFailed(
                key=call.key, reason=reason, retryable=True
            )
        case "lock_object":
            return exception.BankLockObjectFailed(
                key=call.key, reason=reason, retryable=True
            )
        case "get_object" | "stored_size" | "locked_until":
            return exception.BankGetObjectFailed(
                key=call.key, reason=reason, retryable=True
            )
        case "delete_object":
            return exception.BankDeleteObjectFailed(
                key=call.key, reason=reason, retryable=True
            )
        case "release_lease":
            return exception.BankDeleteObjectFailed(
                key="of the lease", reason=reason, retryable=True
            )
        case "list_objects":
            return exception.BankListObjectsFailed(reason=reason, retryable=True)
        case "acquire_lease" | "renew_lease":
            return exception.AcquireLeaseFailed(reason=reason, retryable=True)
    return exception.BankException(reason=reason, retryable=True)
