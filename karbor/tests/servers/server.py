# SPDX-License-Identifier: Apache-2.0
"""A server that a test starts for itself, and ends with all that it started."""

import abc
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

LOOPBACK = "127.0.0.1"

#: Below the range from which Linux takes the ports of outgoing connections, so that
#: a server which is down for a moment finds its port free when it comes back.
_PORTS = range(20_000, 32_000)

_START_SECONDS = 90
_STOP_SECONDS = 60
_LOG_TAIL = 4_000


class ServerMissing(Exception):
    """A server's programs are not installed; never a reason to skip a test."""

    def __init__(self, server: str, looked_for: str) -> None:
        super().__init__(
            f"{server} is not installed: {looked_for} was not found. "
            "Run tools/install_servers.sh as root."
        )


class ServerFailed(Exception):
    """A server did not come up; the message ends with the end of its log."""


def free_port() -> int:
    """A port of the loopback interface on which nothing listens now."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def find_program(server: str, name: str, *folders: str) -> str:
    """The path of a program, looked for in ``folders`` and then in the PATH.

    :raises ServerMissing: when it is nowhere
    """
    path = os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        where = f" in {', '.join(folders)}" if folders else " in the PATH"
        raise ServerMissing(server, f"{name}{where}")
    return found


class Server(abc.ABC):
    """A private server below a temporary folder, on loopback ports of its own.

    A context manager: entering starts the server and waits until it answers,
    leaving kills it and removes the folder. In between, ``stop``, ``kill``, ``start``
    and ``restart`` may be called from the thread that entered; data, ports and
    password stay.

    :cvar name: what error messages and the folder call it
    """

    name: str

    #: What ends the server in good order.
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"karbor-{self.name.lower()}-"))
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """Where clients connect, the same for as long as the folder is there."""

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Make what the server needs in its folder; called once."""

    @abc.abstractmethod
    def _launch(self) -> None:
        """Start the server's processes by :meth:`_spawn`."""

    @abc.abstractmethod
    def _connect(self) -> None:
        """Connect as a client would, and leave again.

        :raises Exception: any, as long as the server is not ready
        """

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    @property
    def pid(self) -> int:
        """The process id of the server proper, the last process launched."""
        return self._processes[-1].pid

    def start(self) -> None:
        """Start and wait until a client can connect.

        :raises ServerFailed: when the server ends, or is not ready in time
        """
        self._launch()
        give_up = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._connect()
            except Exception as error:
                if any(process.poll() is not None for process in self._processes):
                    problem = "ended while it started"
                elif time.monotonic() > give_up:
                    problem = f"was not ready within {_START_SECONDS} s ({error})"
                else:
                    time.sleep(0.05)
                    continue
                log = self._log_tail()
                self.kill()
                raise ServerFailed(f"{self.name} {problem}. {log}") from error
            return

    def stop(self) -> None:
        """End in good order, as an operator would."""
        family = self._family()
        for process in reversed(self._processes):
            process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        self._kill(family)

    def kill(self) -> None:
        """End with SIGKILL, children first to last, as a power cut would."""
        self._kill(self._family())

    def restart(self) -> None:
        """Stop in good order and start again."""
        self.stop()
        self.start()

    def _spawn(
        self,
        command: list[str],
        *,
        environment: dict[str, str] | None = None,
        user: int | None = None,
    ) -> None:
        """Start one of the server's processes; its output goes to the log.

        :param environment: added to this process's own
        :param user: whose rights the process has, with the group of that user
        """
        if os.path.exists("/usr/bin/setpriv"):
            # It ends with this process, also when this one is killed.
            command = ["/usr/bin/setpriv", "--pdeathsig", "TERM", *command]
        with open(self.folder / "output.log", "ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=os.environ | (environment or {}),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=user,
                    extra_groups=None if user is None else [],
                )
            )

    def _family(self) -> list[psutil.Process]:
        """The processes that were started, and those that they started."""
        family = []
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                head = psutil.Process(process.pid)
                family += [head, *head.children(recursive=True)]
        return family

    def _kill(self, family: list[psutil.Process]) -> None:
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        for process in self._processes:
            process.wait(_STOP_SECONDS)
        psutil.wait_procs(family, timeout=_STOP_SECONDS)
        self._processes.clear()

    def _log_tail(self) -> str:
        log = (self.folder / "output.log").read_text(errors="replace")
        return f"The end of its log:\n{log[-_LOG_TAIL:]}"
