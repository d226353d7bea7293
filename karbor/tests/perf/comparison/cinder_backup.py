# SPDX-License-Identifier: Apache-2.0
"""Drive Cinder's chunked backup driver for files; run by the Python that has Cinder.

``cinder_backup.py backup|restore STORE VOLUME COMPRESSION NUMBER`` backs a file up, as
an increment when NUMBER is more than 1, or restores it, and prints ``{"seconds": …}``.
The driver is as it is; what stands in for Cinder's database, its backup and volume
objects and its notifications is below. A backup's files are synced at the end, since
the driver does not, and this is timed with it.
"""

import contextlib
import json
import os
import pathlib
import sys
import time
import types
from unittest import mock

from cinder.backup import chunkeddriver
from cinder.backup.drivers import posix
from cinder.objects import fields
from oslo_config import cfg

GIB = 1024**3


class Backup:
    """What the driver uses of a backup object."""

    def __init__(self, store, number, size):
        self.id = f"backup-{number}"
        self.volume_id = "volume"
        self.display_name = self.display_description = self.created_at = None
        self.parent_id = f"backup-{number - 1}" if number > 1 else None
        self.size = size
        self.status = fields.BackupStatus.CREATING
        self.container = self.service_metadata = self.object_count = None
        self._record = store / f"{self.id}.json"
        if self._record.exists():
            self.__dict__.update(json.loads(self._record.read_text()))

    def __getitem__(self, name):
        return getattr(self, name)

    def save(self):
        kept = ("container", "service_metadata", "object_count")
        self._record.write_text(json.dumps({name: self[name] for name in kept}))

    def refresh(self):
        """Nothing else changes it."""

    def as_read_deleted(self):
        return contextlib.nullcontext()


def main():
    action, store, volume, compression, number = sys.argv[1:]
    store, number = pathlib.Path(store), int(number)
    cfg.CONF([], project="cinder", default_config_files=[])
    cfg.CONF.set_override("backup_compression_algorithm", compression)
    size = -(-os.path.getsize(volume) // GIB) if action == "backup" else 0
    backup = Backup(store, number, size)
    objects = types.SimpleNamespace(
        Backup=types.SimpleNamespace(
            get_by_id=lambda context, id: Backup(store, int(id.split("-")[1]), size)
        )
    )
    with (
        mock.patch("cinder.db.api") as database,
        mock.patch.object(chunkeddriver, "objects", objects),
        mock.patch.object(chunkeddriver.volume_utils, "notify_about_backup_usage"),
    ):
        database.volume_get.return_value = {"size": size}
        started = time.monotonic()
        driver = posix.PosixBackupDriver(None, backup_path=str(store / "backups"))
        if action == "backup":
            with open(volume, "rb") as source:
                driver.backup(backup, source, backup_metadata=False)
            _sync(store / "backups")
        else:
            backup.status = fields.BackupStatus.RESTORING
            # The volume, attached, is opened so by Cinder's backup manager.
            with open(volume, "wb") as target:
                driver.restore(backup, "volume", target, True)
        print(json.dumps({"seconds": time.monotonic() - started}))


def _sync(folder):
    for path, _folders, names in os.walk(folder):
        for name in (".", *names):
            descriptor = os.open(os.path.join(path, name), os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


if __name__ == "__main__":
    main()
