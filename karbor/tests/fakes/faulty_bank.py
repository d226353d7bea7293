# SPDX-License-Identifier: Apache-2.0
"""A bank that fails, answers late or answers what was, for tests of what uses banks."""

from typing import Any

from karbor.services.protection.bank_decorators.fault_injection import EVERY, FaultyBank
from karbor.services.protection.bank_plugin import BankPlugin
from karbor.tests.fakes.decorated_bank import decorated

Chances = float | dict[str, float]


def faulty_bank(
    wrapped: BankPlugin,
    *,
    seed: int = 0,
    fail_before: Chances = 0.0,
    fail_after: Chances = 0.0,
    time_out: Chances = 0.0,
    **options: Any,
) -> FaultyBank:
    """A faulty bank around another one.

    The probabilities of the three ways to fail are one for every method, or one for
    each method that is named. ``list_late``, ``old_value`` (probabilities) and
    ``late_changes`` are as the decorator's options.
    """
    return decorated(
        FaultyBank,
        wrapped,
        seed=seed,
        fail_before=_by_method(fail_before),
        fail_after=_by_method(fail_after),
        time_out=_by_method(time_out),
        **options,
    )


def _by_method(chances: Chances) -> dict[str, float]:
    return chances if isinstance(chances, dict) else {EVERY: chances}
