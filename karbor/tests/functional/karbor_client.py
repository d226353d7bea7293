# SPDX-License-Identifier: Apache-2.0
"""Runs the real ``karbor`` command, python-karborclient 2.1.0, and reads its tables."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

import pytest

SECONDS = 120


def find() -> str:
    """The command's path: ``KARBOR_CLIENT``, beside Python, or on ``PATH``.

    A test without it fails, because without it nothing is shown.
    """
    named = os.environ.get("KARBOR_CLIENT")
    beside = os.path.join(os.path.dirname(sys.executable), "karbor")
    path = named or (beside if os.path.exists(beside) else shutil.which("karbor"))
    if not path or not os.access(path, os.X_OK):
        pytest.fail(
            f"No karbor command at {named or 'KARBOR_CLIENT, beside Python or on PATH'}"
            ". Install it into a virtual environment of its own (pip install "
            "python-karborclient==2.1.0) and set KARBOR_CLIENT to the path of its "
            "karbor command.",
            pytrace=False,
        )
    return path


class KarborClient:
    """The command with the options that say where the API is and who asks.

    :param options: before the subcommand, such as ``--karbor-url``
    """

    def __init__(self, *options: str) -> None:
        self._command = [find(), *options]
        # Nothing of the caller's own cloud may leak in.
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OS_", "KARBOR", "PYTHON", "ALL_TENANTS"))
        }

    def try_to(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand, whatever comes of it."""
        return subprocess.run(
            [*self._command, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def run(self, *arguments: str) -> str:
        """Run a subcommand that must succeed, and return what it prints."""
        done = self.try_to(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, *arguments: str) -> str:
        """Run a subcommand that must fail; returns all that it prints."""
        done = self.try_to(*arguments)
        assert done.returncode != 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def table(self, *arguments: str) -> list[dict[str, str]]:
        """The rows of a listing, by column."""
        header, *rows = _cells(self.run(*arguments))
        return [dict(zip(header, row, strict=True)) for row in rows]

    def properties(self, *arguments: str) -> dict[str, str]:
        """What a show command prints; lines of one property are put together."""
        found: dict[str, str] = {}
        last = ""
        for name, value in _cells(self.run(*arguments))[1:]:
            if name:
                last = name
                found[name] = value
            else:
                found[last] += "\n" + value
        return found

    def rows(self, *arguments: str) -> Mapping[str, dict[str, str]]:
        """The rows of a listing by their Id; continued lines are left out."""
        return {row["Id"]: row for row in self.table(*arguments) if row["Id"]}


def _cells(output: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in output.splitlines()
        if line.startswith("|")
    ]
