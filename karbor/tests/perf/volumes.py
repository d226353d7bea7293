# SPDX-License-Identifier: Apache-2.0
"""How long protecting a volume takes, next to Cinder's own backup of the same volume.

``python -m karbor.tests.perf.volumes --cloud DIR`` prints one JSON object. In a
project of its own in a running cloud (``tools/cloud``) it makes a volume with random
bytes. Each round backs it up with ``openstack volume backup create``, until the backup
is available, and protects it with each plugin: all hooks, as an operation calls them,
until nothing temporary is left, with a filesystem bank. Before each of them the volume
gets other random bytes, and what it made is deleted after it. Times are medians of the
rounds, in seconds; ``prepare`` is how long a paused server would have waited.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.services.protection.protection_plugin import HOOKS, ProtectionPlugin
from karbor.services.protection.protection_plugins.volume import (
    cinder_protection_plugin,
    volume_glance_plugin,
    volume_snapshot_plugin,
)
from karbor.services.protection.waiting.course import complete
from karbor.services.protection.waiting.watcher import Watcher
from karbor.tests.cloud.cloud import Cloud
from karbor.tests.cloud.project import Project
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.file_system_bank import file_system_bank

_MIB = 1024 * 1024

_PLUGINS: dict[str, Callable[..., ProtectionPlugin]] = {
    "karbor-volume-glance-plugin": volume_glance_plugin.VolumeGlanceProtectionPlugin,
    "karbor-volume-protection-plugin": (
        cinder_protection_plugin.CinderBackupProtectionPlugin
    ),
    "karbor-volume-snapshot-plugin": (
        volume_snapshot_plugin.VolumeSnapshotProtectionPlugin
    ),
}
_BASE = "openstack volume backup create"


def main(arguments: list[str] | None = None) -> None:
    """Run as the command line says, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cloud", required=True, help="the folder of the cloud")
    parser.add_argument("--size", type=int, default=1, help="GiB of the volume")
    parser.add_argument("--data", type=int, default=256, help="random MiB in it")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    cloud = Cloud.at(Path(options.cloud))
    with (
        Project(cloud, cloud.region) as project,
        tempfile.TemporaryDirectory() as folder,
    ):
        bench = _Bench(project, Path(folder), options.size, options.data)
        try:
            result = bench.run(options.rounds)
        finally:
            bench.close()
    print(json.dumps({"benchmark": "volumes", **vars(options), **result}))


class _Bench:
    """One volume, and the ways to protect it.

    :param size: GiB of the volume
    :param data: MiB of it that are random
    """

    def __init__(self, project: Project, folder: Path, size: int, data: int) -> None:
        self._project = project
        self._storage = project.connection.block_storage
        self._data = data
        volume = project.volume(size=size)
        self._volume_id = volume.id
        self._resource = Resource("OS::Cinder::Volume", volume.id, volume.name)
        self._bank = Bank(file_system_bank(folder))
        self._conf = empty_configuration()
        self._watcher = Watcher.from_conf(self._conf)

    def run(self, rounds: int) -> dict[str, Any]:
        """Measure everything, in alternation."""
        seconds: dict[str, list[float]] = {name: [] for name in (_BASE, *_PLUGINS)}
        prepare: dict[str, list[float]] = {name: [] for name in _PLUGINS}
        for _round in range(rounds):
            self._change()
            seconds[_BASE].append(self._back_up())
            for name, make in _PLUGINS.items():
                self._change()
                prepared, total = self._protect(make(self._conf))
                prepare[name].append(prepared)
                seconds[name].append(total)
        medians = _medians(seconds)
        return {
            "seconds": medians,
            "prepare_seconds": _medians(prepare),
            "ratio_to_backup": {
                name: round(medians[name] / medians[_BASE], 2) for name in _PLUGINS
            },
            "load_average": os.getloadavg()[0],
        }

    def close(self) -> None:
        """Stop what runs."""
        self._watcher.close()

    def _change(self) -> None:
        """Other random bytes, in pieces over all of the volume."""
        path = self._project.volume_file(self._volume_id)
        step = path.stat().st_size // self._data
        with path.open("r+b") as file:
            for piece in range(self._data):
                file.seek(piece * step)
                file.write(os.urandom(_MIB))
            os.fsync(file.fileno())

    def _back_up(self) -> float:
        begin = time.monotonic()
        project, cloud = self._project, self._project.cloud
        told = subprocess.run(
            [
                str(cloud.programs / "openstack"),
                *("volume", "backup", "create", self._volume_id),
                *("-f", "value", "-c", "id"),
            ],
            env={
                **os.environ,
                "OS_AUTH_URL": cloud.auth_url,
                "OS_USERNAME": project.name,
                "OS_PASSWORD": project.password,
                "OS_PROJECT_NAME": project.name,
                "OS_USER_DOMAIN_NAME": "Default",
                "OS_PROJECT_DOMAIN_NAME": "Default",
                "OS_IDENTITY_API_VERSION": "3",
                "OS_REGION_NAME": cloud.region,
            },
            check=True,
            capture_output=True,
            text=True,
        )
        backup_id = told.stdout.strip()
        project.wait_for(lambda: self._storage.get_backup(backup_id), "available")
        seconds = time.monotonic() - begin
        backup = self._storage.get_backup(backup_id)
        self._storage.delete_backup(backup)
        self._storage.wait_for_delete(backup)
        return seconds

    def _protect(self, plugin: ProtectionPlugin) -> tuple[float, float]:
        checkpoint = CheckpointCollection(self._bank).create(
            {"id": str(uuid.uuid4()), "name": "plan", "resources": []},
            provider_id=str(uuid.uuid4()),
            project_id=self._project.id,
        )
        begin = time.monotonic()
        prepared = 0.0
        for hook in HOOKS:
            self._call(plugin, "protect", hook, checkpoint)
            if hook == "on_prepare_finish":
                prepared = time.monotonic() - begin
        seconds = time.monotonic() - begin
        self._call(plugin, "delete", "on_main", checkpoint)
        return prepared, seconds

    def _call(
        self, plugin: ProtectionPlugin, operation: str, hook: str, checkpoint: Any
    ) -> None:
        made = getattr(plugin, f"get_{operation}_operation")(self._resource)
        call = functools.partial(
            getattr(made, hook),
            checkpoint,
            self._resource,
            self._context(),
            {},
            progress=ResourceProgress(OperationProgress()),
            operation_log=None,
        )
        complete(call, self._watcher)

    def _context(self) -> RequestContext:
        session = self._project.session
        access = session.auth.get_access(session)
        return RequestContext(
            user_id=access.user_id,
            project_id=access.project_id,
            auth_token=access.auth_token,
            service_catalog=list(access.service_catalog.catalog),
            overwrite=False,
        )


def _medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(statistics.median(times), 2) for name, times in seconds.items()}


if __name__ == "__main__":
    main()
