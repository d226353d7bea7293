# SPDX-License-Identifier: Apache-2.0
"""Processes that share a bank are killed and paused at random: a short run.

The long one is ``tox run -e torture``; see the page on testing.
"""

import pytest

from karbor.tests.torture import banks
from karbor.tests.torture.driver import Plan, Torture


@pytest.mark.parametrize("kind", banks.KINDS)
def test_every_committed_checkpoint_reads_back_and_nothing_is_left(tmp_path, kind):
    plan = Plan(1, actions=150, kind=kind, workers=3, crash=0.05, pause=0.04)
    summary = Torture(plan, tmp_path).run()
    assert summary.failures == []
    assert summary.actions >= 150
    assert summary.killed
    assert summary.checked_bytes
