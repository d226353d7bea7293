# SPDX-License-Identifier: Apache-2.0
"""A private MariaDB."""

import os
import secrets
import subprocess
from pathlib import Path

import pymysql

from karbor.tests.servers.server import (
    LOOPBACK,
    Server,
    ServerFailed,
    find_program,
    free_port,
)


class MariaDB(Server):
    """MariaDB with the character set of its defaults, which is not UTF-8 everywhere.

    Committed data outlives ``kill`` but not a power cut.
    """

    name = "MariaDB"

    def __init__(self) -> None:
        self._server = find_program(self.name, "mariadbd")
        self._installer = find_program(self.name, "mariadb-install-db")
        super().__init__()
        self._port = free_port()
        self._password = secrets.token_hex(16)
        self._data = self.folder / "data"

    @property
    def url(self) -> str:
        """For SQLAlchemy; its user may create and drop databases."""
        return f"mysql+pymysql://karbor:{self._password}@{LOOPBACK}:{self._port}/mysql"

    def _prepare(self) -> None:
        result = subprocess.run(
            [
                self._installer,
                "--no-defaults",
                f"--datadir={self._data}",
                *self._user_option(),
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if result.returncode:
            raise ServerFailed(
                f"mariadb-install-db of {self.name} failed:\n{result.stdout}"
            )
        # One statement a line: that is what --init-file takes.
        self._init_file.write_text(
            "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';\n"
            "FLUSH PRIVILEGES;\n"
            f"CREATE USER karbor@'{LOOPBACK}' IDENTIFIED BY '{self._password}';\n"
            f"GRANT ALL ON *.* TO karbor@'{LOOPBACK}' WITH GRANT OPTION;\n"
        )
        self._init_file.chmod(0o600)

    def _launch(self) -> None:
        self._spawn(
            [
                self._server,
                "--no-defaults",
                *self._user_option(),
                f"--datadir={self._data}",
                f"--init-file={self._init_file}",
                f"--bind-address={LOOPBACK}",
                f"--port={self._port}",
                f"--socket={self.folder / 'socket'}",
                f"--pid-file={self.folder / 'pid'}",
                "--skip-name-resolve",
                "--max-connections=200",
                "--performance-schema=OFF",
                "--innodb-buffer-pool-size=64M",
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-flush-method=nosync",
            ]
        )

    def _connect(self) -> None:
        pymysql.connect(
            host=LOOPBACK,
            port=self._port,
            user="karbor",
            password=self._password,
            connect_timeout=5,
        ).close()

    @property
    def _init_file(self) -> Path:
        return self.folder / "init.sql"

    @staticmethod
    def _user_option() -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []
