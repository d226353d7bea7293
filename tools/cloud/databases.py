# SPDX-License-Identifier: Apache-2.0
"""MariaDB's folder, and the tables of all services."""

import grp
import os
import pwd
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lab

from cloud.settings import Settings


class Databases:
    """The databases of one cloud; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._initialized = settings.data / "initialized"

    def create_folder(self) -> None:
        """Make MariaDB's folder, before it is started the first time."""
        folder = self._settings.data / "mariadb"
        if (folder / "mysql").exists():
            return
        folder.mkdir(exist_ok=True)
        user = ("--user=root",) if os.geteuid() == 0 else ()
        self._run(
            "mariadb-install-db",
            ("mariadb-install-db", "--no-defaults", *user, f"--datadir={folder}"),
            ("--auth-root-authentication-method=normal", "--skip-test-db"),
        )

    def are_complete(self) -> bool:
        """Whether all tables have been made."""
        return self._initialized.exists()

    def complete(self) -> None:
        """Say that all tables have been made."""
        self._initialized.touch()

    def bootstrap_keystone(self) -> None:
        """Keystone's tables, keys, administrator and endpoint."""
        owner = (
            *("--keystone-user", pwd.getpwuid(os.geteuid()).pw_name),
            *("--keystone-group", grp.getgrgid(os.getegid()).gr_name),
        )
        url = self._settings.auth_url
        command = self._manage("keystone", "keystone.conf")
        self._run("keystone-sync", command, ("db_sync",))
        self._run("keystone-fernet", command, ("fernet_setup", *owner))
        self._run("keystone-credential", command, ("credential_setup", *owner))
        self._run(
            "keystone-bootstrap",
            command,
            (
                *("bootstrap", "--bootstrap-region-id", "RegionOne"),
                *("--bootstrap-admin-url", url, "--bootstrap-public-url", url),
                *("--bootstrap-internal-url", url),
            ),
            OS_BOOTSTRAP_PASSWORD=self._settings.password,
        )

    def fill(self, threads: ThreadPoolExecutor) -> list[Any]:
        """Begin to make the tables of all services but Keystone's.

        :returns: futures, which raise :class:`lab.LabError`
        """
        # Two at a time keep two cores busy; the longest come first.
        return [
            threads.submit(self._fill_nova),
            threads.submit(self._fill_neutron),
            threads.submit(self._fill_others),
        ]

    def _fill_nova(self) -> None:
        command = self._manage("nova", "nova.conf")
        self._run("nova-api-sync", command, ("api_db", "sync"))
        self._run("nova-cell0", command, ("cell_v2", "map_cell0"))
        cells = self._run("nova-cells", command, ("cell_v2", "list_cells"))
        if "cell1" not in cells:
            cell = ("cell_v2", "create_cell", "--name", "cell1")
            self._run("nova-cell1", command, cell)
        self._run("nova-sync", command, ("db", "sync"))

    def _fill_neutron(self) -> None:
        command = self._manage("neutron", "neutron.conf", "neutron-db-manage")
        self._run("neutron-sync", command, ("upgrade", "heads"))

    def _fill_others(self) -> None:
        for service, configuration, *sync in (
            ("cinder", "cinder.conf", "db", "sync"),
            ("manila", "manila.conf", "db", "sync"),
            ("glance", "glance-api.conf", "db_sync"),
            ("placement", "placement.conf", "db", "sync"),
            ("trove", "trove.conf", "db_sync"),
            ("freezer", "freezer-api.conf", "db", "sync"),
        ):
            self._run(f"{service}-sync", self._manage(service, configuration), sync)

    def add_datastore(self, image_id: str) -> None:
        """Let Trove offer MySQL 8.0, in servers from an image."""
        command = self._manage("trove", "trove.conf")
        for name, *arguments in (
            ("datastore", "datastore_update", "mysql", ""),
            (
                *("datastore-version", "datastore_version_update"),
                *("mysql", "8.0", "mysql", image_id, "", "1"),
            ),
            ("datastore-default", "datastore_update", "mysql", "8.0"),
        ):
            self._run(f"trove-{name}", command, arguments)

    def _manage(
        self, service: str, configuration: str, program: str | None = None
    ) -> tuple[str, ...]:
        path = self._settings.etc / service / configuration
        program = program or f"{service}-manage"
        return (
            str(self._settings.programs / program),
            *("--config-file", str(path)),
        )

    def _run(
        self,
        name: str,
        command: Sequence[str],
        arguments: Sequence[str],
        **environment: str,
    ) -> str:
        """Run a command to its end; gives what it prints, which is logged too."""
        output = self._settings.log / f"{name}.out"
        ended = subprocess.run(
            [*command, *arguments],
            env={**self._settings.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output.write_text(ended.stdout)
        if ended.returncode:
            raise lab.LabError(
                f"{' '.join([*command, *arguments])} failed. Its output is {output}:\n"
                f"{ended.stdout[-2000:]}"
            )
        return ended.stdout
