# SPDX-License-Identifier: Apache-2.0
"""The daemons use threads: nothing starts eventlet."""

import subprocess
import sys

import pytest

PROBE = """
import sys
import karbor.cmd.{module}

eventlet = sys.modules.get("eventlet")
if eventlet is not None:
    from eventlet import hubs, patcher
    assert not patcher.already_patched, patcher.already_patched
    assert not hasattr(hubs._threadlocal, "hub"), "a hub was started"
assert "oslo_service.backend._eventlet" not in sys.modules
import threading
assert threading.current_thread().__class__.__module__ == "threading"
"""


@pytest.mark.parametrize("module", ["protection", "api", "standalone"])
def test_no_executable_starts_an_eventlet_hub(module):
    result = subprocess.run(
        [sys.executable, "-c", PROBE.format(module=module)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_an_operator_is_not_warned_of_an_eventlet_that_is_not_used():
    result = subprocess.run(
        [sys.executable, "-c", "import karbor.cmd.protection"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "eventlet" not in (result.stdout + result.stderr).lower()
