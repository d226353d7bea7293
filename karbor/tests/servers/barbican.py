# SPDX-License-Identifier: Apache-2.0
"""A private Barbican, by ``tools/barbican_lab.py``."""

import http.client
import subprocess
import sys
from pathlib import Path

from karbor.tests.servers.server import LOOPBACK, Server, ServerFailed, free_port

_TOOL = Path(__file__).resolve().parents[3] / "tools" / "barbican_lab.py"


class Barbican(Server):
    """Barbican's API with secrets in SQLite; takes the token for who calls."""

    name = "Barbican"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://{LOOPBACK}:{self.port}"

    def _prepare(self) -> None:
        result = subprocess.run(
            [sys.executable, str(_TOOL), "install"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if result.returncode:
            raise ServerFailed(f"Installing Barbican failed:\n{result.stdout}")

    def _launch(self) -> None:
        command = [sys.executable, str(_TOOL), "--base", str(self.folder / "barbican")]
        self._spawn([*command, "serve", "--port", str(self.port)])

    def _connect(self) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status != 300:
                raise ConnectionError("it is still starting")
        finally:
            connection.close()
