# SPDX-License-Identifier: Apache-2.0
"""What the labs beside this share: one real service under one folder, without root.

Runs with the standard library alone, in whatever Python starts a lab.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

TOOLS = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("KARBOR_CACHE", TOOLS.parent / ".karbor"))
HOST = "127.0.0.1"
START_SECONDS = 120
STOP_SECONDS = 20


class LabError(Exception):
    """What went wrong, and what to look at."""


class Lab:
    """One service under one folder.

    A subclass says what is installed; its ``start`` calls :meth:`launch` with the
    command of a process that calls :meth:`announce` when it serves.

    :param base: for everything that it writes
    :param environment: the virtual environment with the service; labs share it
    """

    #: As people write it, and in the names of files.
    title: ClassVar[str]
    name: ClassVar[str]
    #: What pip installs, within ``constraints-<name>.txt``.
    packages: ClassVar[tuple[str, ...]]

    def __init__(self, base: pathlib.Path, environment: pathlib.Path) -> None:
        self.base = base.resolve()
        self.environment = environment.resolve()
        self.log = self.base / f"{self.name}.log"
        self._state = self.base / "running.json"

    def install(self) -> None:
        """Make the virtual environment, unless it is there and up to date."""
        constraints = TOOLS / f"constraints-{self.name}.txt"
        wanted = hashlib.sha256(constraints.read_bytes()).hexdigest()
        stamp = self.environment / f"karbor-{self.name}-lab"
        with lock(self.environment.with_name(self.environment.name + ".lock")):
            if stamp.exists() and stamp.read_text() == wanted:
                return
            print(f"Installing {self.title} into {self.environment} …", file=sys.stderr)
            if (self.environment / "pyvenv.cfg").exists():
                shutil.rmtree(self.environment)
            venv.create(self.environment, with_pip=True)
            command = [str(self.binary("python")), "-m", "pip", "install", "--quiet"]
            command += ["--constraint", str(constraints), *self.packages]
            self.base.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.run(command, self.base / "install.log")
            stamp.write_text(wanted)

    def launch(self, command: list[str], is_ready: Callable[[str], bool]) -> str:
        """Start the serving process, and wait until it answers.

        :param is_ready: whether the service at an endpoint answers
        :returns: its endpoint
        :raises LabError: when it ends or does not answer in time, with its log's end
        """
        self._state.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.base,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        try:
            while time.monotonic() < deadline and process.poll() is None:
                url = self.url()
                if url and is_ready(url):
                    return url
                time.sleep(0.1)
        except BaseException:
            process.terminate()
            raise
        process.terminate()
        process.wait()
        tail = self.log.read_text(errors="replace")[-3000:]
        raise LabError(f"{self.title} did not start. Its log is {self.log}:\n{tail}")

    def announce(self, port: int) -> None:
        """Say, from the serving process, that it serves."""
        state = {"pid": os.getpid(), "started": started(os.getpid()), "port": port}
        temporary = self._state.with_suffix(".new")
        temporary.write_text(json.dumps(state))
        temporary.rename(self._state)

    def stop(self) -> None:
        """End it, if it runs, and wait until it is gone."""
        state = self._running()
        if state is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGTERM)
                deadline = time.monotonic() + STOP_SECONDS
                while self._running() and time.monotonic() < deadline:
                    time.sleep(0.05)
                if self._running():
                    os.kill(state["pid"], signal.SIGKILL)
        self.withdraw()

    def withdraw(self) -> None:
        """Say that nothing serves any more."""
        self._state.unlink(missing_ok=True)

    def url(self) -> str | None:
        """Its endpoint; None when it does not run."""
        state = self._running()
        return f"http://{HOST}:{state['port']}" if state else None

    def run(self, command: list[str], output: pathlib.Path) -> None:
        """Run a command to its end.

        :raises LabError: when it fails, with the end of its output
        """
        with output.open("wb") as log:
            ended = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, check=False
            )
        if ended.returncode:
            raise LabError(
                f"{' '.join(command)} failed with status {ended.returncode}. Its "
                f"output is {output}:\n{output.read_text()[-2000:]}"
            )

    def binary(self, name: str) -> pathlib.Path:
        """An executable of the virtual environment."""
        return self.environment / "bin" / name

    def _running(self) -> dict[str, Any] | None:
        try:
            state = json.loads(self._state.read_text())
        except FileNotFoundError:
            return None
        if started(state["pid"]) != state["started"]:
            return None
        return state


@contextlib.contextmanager
def lock(path: pathlib.Path) -> Iterator[None]:
    """Wait until no other process holds a file's lock, and hold it.

    It is given back when this process ends, however that comes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def started(pid: int) -> str | None:
    """When a process began, so that its id is not mistaken for a later one's."""
    try:
        after_name = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = after_name.split()
    return None if fields[0] == "Z" else fields[19]
