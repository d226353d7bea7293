# SPDX-License-Identifier: Apache-2.0
"""Tests remove the clouds of tests, also of killed ones, and nobody else's."""

import subprocess
import sys

import pytest

from karbor.tests.cloud import ownership

#: Has a folder, tells so, and waits to be killed.
HOLDER = """\
import pathlib, sys, time
from karbor.tests.cloud import ownership
ownership.run_tool = lambda *_arguments: None
with ownership.taken(pathlib.Path(sys.argv[1])):
    print("taken", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def wiped(monkeypatch):
    """The folders that were wiped, each without its data then."""
    wiped = []

    def run_tool(base, *arguments):
        assert arguments == ("down", "--wipe")
        wiped.append(base)
        for path in (base / "data").glob("*"):
            path.unlink()
        if (base / "data").exists():
            (base / "data").rmdir()
        (base / "settings.json").unlink(missing_ok=True)

    monkeypatch.setattr(ownership, "run_tool", run_tool)
    return wiped


def test_what_a_test_run_has_left_is_wiped(tmp_path, wiped):
    for _each in range(2):
        with ownership.taken(tmp_path):
            # As 'up' does.
            (tmp_path / "settings.json").touch()
    assert wiped == [tmp_path] * 2


def test_a_cloud_of_ones_own_is_let_be(tmp_path, wiped):
    (tmp_path / "settings.json").touch()
    with (
        pytest.raises(ownership.NotOurs, match="set KARBOR_CLOUD"),
        ownership.taken(tmp_path),
    ):
        pass
    assert wiped == []


def test_a_run_that_lives_keeps_its_cloud_and_one_that_was_killed_does_not(
    tmp_path, wiped
):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"taken\n"
        (tmp_path / "settings.json").touch()
        with (
            pytest.raises(ownership.NotOurs, match="Another test run"),
            ownership.taken(tmp_path),
        ):
            pass
        assert wiped == []
        holder.kill()
        holder.wait()
        with ownership.taken(tmp_path):
            assert wiped == [tmp_path]
