# SPDX-License-Identifier: Apache-2.0
"""The cloud that the tests run on, as ``tools/cloud`` describes it."""

import dataclasses
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import sqlalchemy
from keystoneauth1 import session
from keystoneauth1.identity import v3
from openstack.connection import Connection

#: What ``tools/cloud/up`` writes into the cloud's folder.
_FACTS = "cloud.json"

_TOOLS = Path(__file__).resolve().parents[3] / "tools" / "cloud"


@dataclasses.dataclass(frozen=True)
class Cloud:
    """Where a cloud's services are, and how its administrator gets in.

    :ivar base: the folder of all that it is
    :ivar password: of ``admin``, and of every user that the cloud came with
    :ivar transport_url: of its RabbitMQ, for oslo.messaging
    :ivar database_url: of its MariaDB as root, without a database; ends with ``/``
    :ivar swift_url: of its Swift's proxy, without a path
    :ivar volumes: the folder with one raw file for each volume, ``volume-<id>``
    :ivar programs: the folder of OpenStack's executables
    """

    base: Path
    auth_url: str
    region: str
    password: str
    transport_url: str
    database_url: str
    swift_url: str
    volumes: Path
    programs: Path

    @classmethod
    def at(cls, base: Path) -> Self:
        """The cloud below a folder.

        :raises FileNotFoundError: when none was ever started there
        """
        facts = json.loads((base / _FACTS).read_text())
        paths = {name: Path(facts[name]) for name in ("volumes", "programs")}
        return cls(**{**facts, **paths, "base": base})

    def stop(self, *names: str) -> None:
        """Stop processes of it, as ``tools/cloud/status`` names them."""
        assert (self.base / "settings.json").exists(), f"{self.base} is described only"
        run_tool(self.base, "down", *names)

    def start(self, *names: str) -> None:
        """Start processes of it, and wait until they listen."""
        run_tool(self.base, "up", *names)

    def connect(self, user: str, password: str, project: str) -> Connection:
        """A connection of a user to all services, in the default domain."""
        auth = v3.Password(
            self.auth_url,
            username=user,
            password=password,
            project_name=project,
            user_domain_name="Default",
            project_domain_name="Default",
        )
        return Connection(session=session.Session(auth=auth), region_name=self.region)

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database that no one else uses, dropped at the end; gives its URL."""
        name = f"karbor_{uuid.uuid4().hex[:12]}"
        engine = sqlalchemy.create_engine(self.database_url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield f"{self.database_url}{name}?charset=utf8mb4"
        finally:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {name}")
            engine.dispose()


def run_tool(base: Path, command: str, *arguments: str) -> None:
    """Run an executable of ``tools/cloud`` for the cloud of a folder.

    :raises AssertionError: with what it prints, when it fails
    """
    ended = subprocess.run(
        [_TOOLS / command, *arguments],
        env={**os.environ, "KARBOR_CLOUD": str(base)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ended.returncode == 0, f"tools/cloud/{command}: {ended.stdout}"
