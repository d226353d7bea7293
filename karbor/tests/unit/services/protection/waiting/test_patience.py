# SPDX-License-Identifier: Apache-2.0
"""What the waits of a plugin have in common is said once."""

import pytest

from karbor.services.protection.waiting.patience import Patience
from karbor.services.protection.waiting.until import Verdict
from karbor.tests.fakes.things import FakeThings

PATIENCE = Patience(timeout=60.0, interval=2.0, hint="Ask somebody")


@pytest.mark.parametrize(
    ("until", "goal"),
    [
        (
            PATIENCE.until_status(FakeThings(), "a", "ready", "ok"),
            "'ready' or 'ok'",
        ),
        (PATIENCE.until_gone(FakeThings(), "a"), "gone"),
        (PATIENCE.until(FakeThings(), "a", lambda *_: Verdict.READY, "fine"), "fine"),
    ],
)
def test_every_wait_has_its_bounds_and_advice(until, goal):
    assert (until.timeout, until.interval, until.hint) == (60.0, 2.0, "Ask somebody")
    assert until.goal == goal


def test_a_status_off_the_way_ends_the_wait():
    until = PATIENCE.until_status(FakeThings(), "a", "ready", pending=("making",))
    assert until.judge("making", {}) is Verdict.NOT_YET
    assert until.judge("lost", {}) is Verdict.FAILED
    assert PATIENCE.until_gone(FakeThings(), "a").judge(None, None) is Verdict.READY
