# SPDX-License-Identifier: Apache-2.0
"""Processes that outlive the command that starts them, and are found again."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lab

from cloud.settings import Settings

#: In the environment of a process and of all that it starts.
MARK = "KARBOR_CLOUD_PROCESS"

_START_SECONDS = 300
_STOP_SECONDS = 10
#: In which what was killed has given its port back.
_FREE_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Process:
    """One process with its children.

    :ivar port: on which it listens; None when on none
    :ivar environment: added to the cloud's
    """

    name: str
    command: tuple[str, ...]
    port: int | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Processes:
    """Starts and ends processes, and ends nothing that it has not started.

    A process leads a session. Its file in ``run`` has its id and the time of its start,
    so that the id is not mistaken for a later process's.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def start(self, process: Process) -> None:
        """Start one, unless it runs; does not wait for it.

        :raises lab.LabError: when someone else listens on its port
        """
        if self.is_running(process.name):
            return
        if process.port is not None:
            _wait_for_free(process.port, process.name)
        mark = {MARK: self._mark(process.name)}
        with self.output(process.name).open("ab") as output:
            pid = subprocess.Popen(
                process.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._settings.base,
                env={**self._settings.environment, **process.environment, **mark},
                start_new_session=True,
            ).pid
        state = {"pid": pid, "started": lab.started(pid)}
        # Whole or not at all, also when this process is killed.
        temporary = self._file(process.name).with_suffix(".new")
        temporary.write_text(json.dumps(state))
        temporary.rename(self._file(process.name))

    def wait(self, process: Process) -> None:
        """Wait until one listens.

        :raises lab.LabError: when it ends or does not listen in time, with its
            output's end
        """
        give_up = time.monotonic() + _START_SECONDS
        while not self.is_up(process):
            if not self.is_running(process.name) or time.monotonic() > give_up:
                output = self.output(process.name)
                raise lab.LabError(
                    f"{process.name} did not start. Its output is {output}:\n"
                    + output.read_text(errors="replace")[-3000:]
                )
            time.sleep(0.1)

    def is_up(self, process: Process) -> bool:
        """Whether it runs, and listens where it has to."""
        return self.is_running(process.name) and (
            process.port is None or _listens(process.port)
        )

    def is_running(self, name: str) -> bool:
        """Whether a process that was started by this name has not ended."""
        state = self._state(name)
        return state is not None and lab.started(state["pid"]) == state["started"]

    def stop(self, names: Iterable[str]) -> None:
        """End processes with all that they started: SIGTERM, after a while SIGKILL."""
        names = [name for name in names if self._file(name).exists()]
        for name in names:
            state = self._state(name)
            if state is not None and self.is_running(name):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(state["pid"], signal.SIGTERM)
        give_up = time.monotonic() + _STOP_SECONDS
        while any(map(self.is_running, names)) and time.monotonic() < give_up:
            time.sleep(0.1)
        for name in names:
            members = self._members(name)
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Until then they may hold their port, and write.
            give_up = time.monotonic() + _STOP_SECONDS
            while any(map(lab.started, members)) and time.monotonic() < give_up:
                time.sleep(0.02)
            self._file(name).unlink()

    def output(self, name: str) -> Path:
        """The file with what a process prints."""
        return self._settings.log / f"{name}.out"

    def _members(self, name: str) -> list[int]:
        """The processes of its session, and those that left it but carry its mark."""
        state = self._state(name)
        leader = None
        if state is not None and lab.started(state["pid"]) in (None, state["started"]):
            leader = state["pid"]
        mark = f"{MARK}={self._mark(name)}".encode()
        return [
            pid
            for pid in _all_pids()
            if (leader is not None and _session(pid) == leader)
            or mark in _environment(pid)
        ]

    def _mark(self, name: str) -> str:
        return f"{self._settings.base}/{name}"

    def _file(self, name: str) -> Path:
        return self._settings.run / f"{name}.json"

    def _state(self, name: str) -> dict[str, Any] | None:
        try:
            return json.loads(self._file(name).read_text())
        except FileNotFoundError:
            return None


def _wait_for_free(port: int, name: str) -> None:
    give_up = time.monotonic() + _FREE_SECONDS
    while _listens(port):
        if time.monotonic() > give_up:
            raise lab.LabError(
                f"Port {port} is taken: something that is not of this cloud listens "
                f"where {name} has to. End that, or give the cloud other ports by "
                "'down --wipe' and 'up --port'."
            )
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((lab.HOST, port)) == 0


def _all_pids() -> Iterator[int]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            yield int(path.name)


def _session(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


def _environment(pid: int) -> list[bytes]:
    """What a process was started with; empty when it is not for us to read."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []
