# SPDX-License-Identifier: Apache-2.0
"""Another Keystone of the same cloud, whose tokens live as long as a test says."""

import configparser

import requests

from karbor.tests.cloud.cloud import Cloud
from karbor.tests.servers.server import LOOPBACK, Server, free_port


class ShortLivedKeystone(Server):
    """Shares the cloud's users, projects, trusts and keys.

    So its tokens are taken by all services, until they expire.

    :param cloud: with ``etc/keystone`` beside the environment of its programs
    :param token_seconds: how long a token lives
    """

    name = "Keystone"

    def __init__(self, cloud: Cloud, token_seconds: int) -> None:
        super().__init__()
        self._cloud = cloud
        self._token_seconds = token_seconds
        self._port = free_port()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}/v3"

    def _prepare(self) -> None:
        base = self._cloud.programs.parents[1]
        settings = configparser.ConfigParser(interpolation=None)
        with (base / "etc/keystone/keystone.conf").open() as file:
            settings.read_file(file)
        settings["token"]["expiration"] = str(self._token_seconds)
        settings["DEFAULT"]["public_endpoint"] = self.url.removesuffix("/v3")
        settings["DEFAULT"]["log_file"] = str(self.folder / "keystone.log")
        settings.remove_option("DEFAULT", "log_dir")
        path = self.folder / "keystone.conf"
        path.touch(0o600)
        with path.open("w") as file:
            settings.write(file)

    def _launch(self) -> None:
        programs = self._cloud.programs
        self._spawn(
            [
                str(programs / "uwsgi"),
                *("--http-socket", f"{LOOPBACK}:{self._port}"),
                *("--home", str(programs.parent)),
                *("--module", "keystone.wsgi.api:application"),
                "--master",
                "--lazy-apps",
                *("--threads", "4"),
                "--enable-threads",
                "--die-on-term",
                "--need-app",
                *("--buffer-size", "65535"),
                *("--add-header", "Connection: close"),
                "--disable-logging",
            ],
            environment={"OS_KEYSTONE_CONFIG_DIR": str(self.folder)},
        )

    def _connect(self) -> None:
        requests.get(self.url, timeout=5).raise_for_status()
