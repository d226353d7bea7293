# SPDX-License-Identifier: Apache-2.0
"""A private Swift, by ``tools/swift_lab.py``."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from swiftclient import client as swift

from karbor.tests.servers.server import (
    LOOPBACK,
    Server,
    ServerFailed,
    free_port,
)

_TOOL = Path(__file__).resolve().parents[3] / "tools" / "swift_lab.py"


class Swift(Server):
    """Swift's proxy, servers, updaters and expirer; its S3 interface too."""

    name = "Swift"
    user = "test:tester"
    key = "testing"
    region = "us-east-1"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()

    @property
    def url(self) -> str:
        """Where to log in by Swift's own auth."""
        return f"{self.endpoint}/auth/v1.0"

    @property
    def endpoint(self) -> str:
        """Where its S3 interface listens."""
        return f"http://{LOOPBACK}:{self.port}"

    def connection(self) -> swift.Connection:
        """To look at what is there, and to disturb it."""
        return swift.Connection(self.url, self.user, self.key, retries=0)

    @contextlib.contextmanager
    def paused(self, module: str) -> Iterator[None]:
        """One of its processes hangs until the end.

        :param module: as ``tools/swift_lab.py`` names it, such as ``swift.obj.server``
        """
        stopped = [member for member in self._family() if module in member.cmdline()]
        assert stopped, f"no process of Swift runs {module}"
        for member in stopped:
            member.suspend()
        try:
            yield
        finally:
            for member in stopped:
                member.resume()

    def _prepare(self) -> None:
        result = subprocess.run(
            [sys.executable, str(_TOOL), "install"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if result.returncode:
            raise ServerFailed(f"Installing Swift failed:\n{result.stdout}")

    def _launch(self) -> None:
        command = [sys.executable, str(_TOOL), "--base", str(self.folder / "swift")]
        self._spawn([*command, "serve", "--port", str(self.port)])

    def _connect(self) -> None:
        if not (self.folder / "swift" / "running.json").exists():
            raise ConnectionError("it is still starting")
        self.connection().head_account()
