# SPDX-License-Identifier: Apache-2.0
"""A private server that speaks S3: moto's, which keeps everything in memory."""

import sys
import urllib.request

from karbor.tests.servers.server import LOOPBACK, Server, free_port


class Moto(Server):
    """moto's server: what AWS documents, without AWS. It checks no signature."""

    name = "Moto"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Where its S3 interface listens."""
        return self.url

    def _prepare(self) -> None:
        """It needs nothing in its folder."""

    def _launch(self) -> None:
        command = [sys.executable, "-m", "moto.server"]
        self._spawn([*command, "-H", LOOPBACK, "-p", str(self.port)])

    def _connect(self) -> None:
        urllib.request.urlopen(f"{self.url}/moto-api/", timeout=10).close()
