# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL."""

import os
import pwd
import re
import secrets
import signal
import subprocess
from pathlib import Path

import psycopg2

from karbor.tests.servers.server import (
    LOOPBACK,
    Server,
    ServerFailed,
    find_program,
    free_port,
)

_INSTALLED = Path("/usr/lib/postgresql")


class PostgreSQL(Server):
    """PostgreSQL 15 or newer, with a locale that does not sort by code point.

    The server refuses to run as root: started by root, it runs as the user postgres,
    or nobody where there is none. Committed data outlives ``kill`` but not a power
    cut.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        self._programs = _folders_of_versions()
        find_program(self.name, "initdb", *self._programs)
        super().__init__()
        self._port = free_port()
        self._password = secrets.token_hex(16)
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        self._data = self.folder / "data"

    @property
    def url(self) -> str:
        """For SQLAlchemy; its user may create and drop databases."""
        return (
            f"postgresql+psycopg2://karbor:{self._password}@{LOOPBACK}:{self._port}"
            "/postgres"
        )

    def _prepare(self) -> None:
        password = self.folder / "password"
        password.write_text(self._password)
        if self._user is not None:
            os.chown(self.folder, self._user, -1)
            os.chown(password, self._user, -1)
        result = subprocess.run(
            [
                find_program(self.name, "initdb", *self._programs),
                f"--pgdata={self._data}",
                "--username=karbor",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--locale-provider=icu",
                "--icu-locale=en-US",
                "--no-sync",
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=self._user,
            extra_groups=None if self._user is None else [],
        )
        password.unlink()
        if result.returncode:
            raise ServerFailed(f"initdb of {self.name} failed:\n{result.stdout}")

    def _launch(self) -> None:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self._port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "deadlock_timeout": "100ms",
            "shared_buffers": "32MB",
            "fsync": "off",
            "full_page_writes": "off",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        postgres = find_program(self.name, "postgres", *self._programs)
        self._spawn([postgres, "-D", str(self._data), *options], user=self._user)

    def _connect(self) -> None:
        psycopg2.connect(
            host=LOOPBACK,
            port=self._port,
            user="karbor",
            password=self._password,
            dbname="postgres",
            connect_timeout=5,
        ).close()


def _folders_of_versions() -> list[str]:
    """Where Debian and Ubuntu keep the programs, the newest version first."""
    versions = [
        folder for folder in _INSTALLED.glob("*") if re.fullmatch(r"\d+", folder.name)
    ]
    versions.sort(key=lambda folder: int(folder.name), reverse=True)
    return [str(folder / "bin") for folder in versions]


def _unprivileged_user() -> int:
    users = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return users.get("postgres", users["nobody"])
