# SPDX-License-Identifier: Apache-2.0
"""Whose the cloud of a folder is: that of a test run, or somebody's own."""

import contextlib
import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from karbor.tests.cloud.cloud import run_tool

#: In the folder of a cloud that tests have made; goes with its data.
_MARK = Path("data", "made-by-tests")

#: Locked for as long as a test run works with the folder, and lives.
_LOCK = "tests.lock"


class NotOurs(Exception):
    """The cloud of a folder is not to be touched; says what can be done."""


@contextlib.contextmanager
def taken(base: Path) -> Iterator[None]:
    """Have a folder without a cloud, for a cloud of this test run.

    What an earlier test run has left there is wiped, though it was killed.

    :raises NotOurs: when the folder has a cloud of somebody's own, or another test run
        works with it
    """
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (base / _LOCK).open("w") as file:
        try:
            # Given back when this process ends, however that comes.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotOurs(f"Another test run works with the cloud in {base}.") from None
        if (base / "settings.json").exists() and not (base / _MARK).exists():
            raise NotOurs(
                f"There is a cloud in {base} that no test run has made. To test on it, "
                "set KARBOR_CLOUD to that folder; to have the tests make one there, "
                "remove it by 'tools/cloud/down --wipe'; else set KARBOR_CACHE to "
                "another folder."
            )
        for mounted in psutil.disk_partitions(all=True):
            # A test was killed while it had a small disk in place of a large one.
            if Path(mounted.mountpoint).is_relative_to(base):
                subprocess.run(["umount", "-l", mounted.mountpoint], check=True)
        run_tool(base, "down", "--wipe")
        (base / _MARK).parent.mkdir()
        (base / _MARK).touch()
        yield
