# SPDX-License-Identifier: Apache-2.0
"""Where everything of a cloud is: folders, ports, password."""

import dataclasses
import json
import os
import secrets
from pathlib import Path
from typing import Self

import lab

REGION = "RegionOne"

#: Below the test servers' ports, which are taken at random from 20,000 on.
FIRST_PORT = 18_000
TOKEN_SECONDS = 4 * 3600

#: Each listens on ``first_port`` plus its place in this list.
LISTENERS = (
    "keystone",
    "glance",
    "placement",
    "cinder",
    "nova",
    "neutron",
    "swift",
    "manila",
    "trove",
    "freezer",
    "mariadb",
    "memcached",
    "rabbitmq",
    "rabbitmq_distribution",
    "epmd",
    "swift_account",
    "swift_container",
    "swift_object",
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """One cloud under one folder.

    :ivar first_port: the first of as many as there are listeners; stays for as long as
        the data, which names the ports
    :ivar password: of every user and server; made at the first start
    :ivar token_seconds: how long Keystone's tokens live
    """

    base: Path
    first_port: int
    password: str
    token_seconds: int

    @classmethod
    def load(
        cls,
        base: Path,
        first_port: int | None = None,
        token_seconds: int | None = None,
    ) -> Self:
        """What a folder's cloud was started with, with what is said now.

        :raises lab.LabError: when its ports shall change
        """
        path = base / "settings.json"
        saved = json.loads(path.read_text()) if path.exists() else {}
        port = saved.get("first_port", first_port or FIRST_PORT)
        if first_port not in (None, port):
            raise lab.LabError(
                f"The cloud in {base} has its ports from {port} on, and its data names "
                "them. Run 'down --wipe' first."
            )
        return cls(
            base=base,
            first_port=port,
            password=saved.get("password") or secrets.token_hex(16),
            token_seconds=token_seconds or saved.get("token_seconds", TOKEN_SECONDS),
        )

    def save(self) -> None:
        """Keep it for the next command."""
        known = dataclasses.asdict(self)
        del known["base"]
        self.write_secret("settings.json", json.dumps(known, indent=2) + "\n")

    def write_secret(self, name: str, text: str) -> None:
        """Write a file of the base folder that only its owner reads."""
        path = self.base / name
        path.touch(mode=0o600)
        path.write_text(text)

    @property
    def venv(self) -> Path:
        return self.base / "venv"

    @property
    def programs(self) -> Path:
        """The executables of OpenStack and its clients."""
        return self.venv / "bin"

    @property
    def etc(self) -> Path:
        return self.base / "etc"

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def run(self) -> Path:
        """For the files that say which processes run."""
        return self.base / "run"

    @property
    def shims(self) -> Path:
        """Programs that stand before the machine's."""
        return self.base / "bin"

    @property
    def mariadb_socket(self) -> Path:
        return self.run / "mariadb.sock"

    def port(self, listener: str) -> int:
        """Where one of :data:`LISTENERS` listens."""
        return self.first_port + LISTENERS.index(listener)

    def address(self, listener: str) -> str:
        """Host and port of one of :data:`LISTENERS`."""
        return f"{lab.HOST}:{self.port(listener)}"

    @property
    def auth_url(self) -> str:
        return f"http://{self.address('keystone')}/v3"

    @property
    def transport_url(self) -> str:
        return f"rabbit://cloud:{self.password}@{self.address('rabbitmq')}/"

    @property
    def database_url(self) -> str:
        """Of MariaDB as root, without a database."""
        return f"mysql+pymysql://root:{self.password}@{self.address('mariadb')}/"

    @property
    def environment(self) -> dict[str, str]:
        """For everything that runs: no cloud of the caller's, and no proxy."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OS_", "PYTHON"))
        }
        path = [str(self.shims), str(self.programs), "/usr/sbin", "/sbin"]
        return inherited | {
            "PATH": os.pathsep.join([*path, os.environ.get("PATH", "")]),
            "PYTHONUNBUFFERED": "1",
            "no_proxy": lab.HOST,
            "NO_PROXY": lab.HOST,
        }
