# SPDX-License-Identifier: Apache-2.0
"""What a command costs: time, processor time and memory."""

import dataclasses
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Cost:
    """What some work took.

    :param seconds: from its begin to its end
    :param processor_seconds: of the process and its children, over all cores
    :param peak_mib: resident memory of the largest of its processes
    """

    seconds: float
    processor_seconds: float
    peak_mib: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.seconds + other.seconds,
            self.processor_seconds + other.processor_seconds,
            max(self.peak_mib, other.peak_mib),
        )


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Cost:
    """Run a command, and measure it from its start to its end.

    :raises RuntimeError: with what it wrote, when it fails
    """
    return _run(command, environment, folder)[0]


def run_service(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> Cost:
    """Run a program that stands for a service, which runs before and after the work.

    The program prints one JSON object, whose ``seconds`` is what the work took.
    Processor time and memory are those of the whole process, its start among them.
    """
    cost, output = _run(command, environment, None)
    answer: dict[str, Any] = json.loads(output)
    return dataclasses.replace(cost, seconds=answer["seconds"])


def output(command: Sequence[str | Path]) -> str:
    """What a command prints."""
    return _run(command, None, None)[1].decode().strip()


def sync(path: Path) -> Cost:
    """Bring a file, or all files of a folder, to the disk."""
    if path.is_dir():
        return run(["sync", *(str(found) for found in sorted(path.rglob("*")))])
    return run(["sync", path])


def stored_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _run(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None,
    folder: Path | None,
) -> tuple[Cost, bytes]:
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(environment or {})},
            cwd=folder,
        ) as process:
            assert process.stdout is not None
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(
                f"{' '.join(map(str, command))} ended with {process.returncode}: "
                f"{errors.read().decode(errors='replace')[-2000:]}"
            )
    return Cost(
        seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    ), output
