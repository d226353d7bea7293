# SPDX-License-Identifier: Apache-2.0
"""Ways to protect a volume and to restore it."""

import abc
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from karbor.tests.perf.comparison import measuring
from karbor.tests.perf.comparison.measuring import Cost

_HERE = Path(__file__).parent


class Contender(abc.ABC):
    """One way, in a folder of its own that is there and empty.

    Everything is durable when its time ends.
    """

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"

    def prepare(self) -> None:
        """Make what it keeps data in; not measured."""
        self.store.mkdir()

    @abc.abstractmethod
    def protect(self, volume: Path) -> Cost:
        """Protect a volume, for the first time or again."""

    @abc.abstractmethod
    def restore(self, volume: Path, target: Path) -> Cost:
        """Restore what was protected last.

        :param volume: that was protected
        :param target: a file that is not there yet
        """

    def stored_bytes(self) -> int:
        """Bytes of everything it keeps."""
        return measuring.stored_bytes(self.store)


class Copy(Contender):
    """``cp`` and ``sync``; keeps the last copy."""

    name = "cp"

    def protect(self, volume: Path) -> Cost:
        return _copy(volume, self.store / "copy")

    def restore(self, volume: Path, target: Path) -> Cost:
        return _copy(self.store / "copy", target)


class Restic(Contender):
    """restic, which always encrypts, and compresses what can be compressed."""

    name = "restic"

    def prepare(self) -> None:
        self._run("init")

    def protect(self, volume: Path) -> Cost:
        return self._run("backup", str(volume))

    def restore(self, volume: Path, target: Path) -> Cost:
        folder = self.folder / "out"
        cost = self._run("restore", "latest", "--target", str(folder))
        restored = folder / volume.relative_to("/")
        cost += measuring.sync(restored)
        restored.rename(target)
        shutil.rmtree(folder)
        return cost

    def _run(self, *arguments: str) -> Cost:
        return measuring.run(
            [
                "restic",
                *("--quiet", "--repo", self.store),
                *("--cache-dir", self.folder / "cache"),
                *arguments,
            ],
            {"RESTIC_PASSWORD": "secret"},
        )


class Borg(Contender):
    """borg with what it does by default, which is LZ4, and without encryption."""

    name = "borg"
    encryption: ClassVar[str] = "none"
    compression: ClassVar[str] = "lz4"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._archives = 0

    def prepare(self) -> None:
        self._run(self.folder, "init", "--encryption", self.encryption, str(self.store))

    def protect(self, volume: Path) -> Cost:
        self._archives += 1
        return self._run(
            volume.parent,
            "create",
            *("--compression", self.compression),
            f"{self.store}::{self._archives}",
            volume.name,
        )

    def restore(self, volume: Path, target: Path) -> Cost:
        folder = self.folder / "out"
        folder.mkdir()
        cost = self._run(folder, "extract", f"{self.store}::{self._archives}")
        restored = folder / volume.name
        cost += measuring.sync(restored)
        restored.rename(target)
        shutil.rmtree(folder)
        return cost

    def _run(self, folder: Path, *arguments: str) -> Cost:
        return measuring.run(
            ["borg", *arguments],
            {
                "BORG_PASSPHRASE": "secret",
                "BORG_BASE_DIR": str(self.folder),
                "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            },
            folder,
        )


class EncryptedBorg(Borg):
    """borg, with encryption."""

    name = "borg-encrypted"
    encryption = "repokey"


class ZstdBorg(EncryptedBorg):
    """borg, with encryption and zstd."""

    name = "borg-encrypted-zstd"
    compression = "zstd"


class Cinder(Contender):
    """Cinder's chunked backup driver on files, with what it does by default."""

    name = "cinder-zlib"
    compression: ClassVar[str] = "zlib"
    #: The Python that Cinder is installed for.
    python: ClassVar[str] = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._backups = 0

    def protect(self, volume: Path) -> Cost:
        self._backups += 1
        return self._run("backup", volume)

    def restore(self, volume: Path, target: Path) -> Cost:
        return self._run("restore", target)

    def _run(self, action: str, volume: Path) -> Cost:
        return measuring.run_service(
            [
                self.python,
                _HERE / "cinder_backup.py",
                action,
                *(self.store, volume, self.compression, str(self._backups)),
            ]
        )


class ZstdCinder(Cinder):
    """The same, with zstd."""

    name = "cinder-zstd"
    compression = "zstd"


class Karbor(Contender):
    """A stream of a project, in a bank of the filesystem."""

    name = "karbor"
    flags: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._checkpoints = 0

    def protect(self, volume: Path) -> Cost:
        self._checkpoints += 1
        return self._run("protect", volume)

    def restore(self, volume: Path, target: Path) -> Cost:
        return self._run("restore", target)

    def stored_bytes(self) -> int:
        # Beside it are 4 MiB of space kept back, which are no data.
        return measuring.stored_bytes(self.store / "bank" / "karbor")

    def _run(self, action: str, volume: Path) -> Cost:
        return measuring.run_service(
            [
                sys.executable,
                *("-m", "karbor.tests.perf.comparison.stream_program"),
                *(action, self.store, volume, str(self._checkpoints)),
                *self.flags,
            ]
        )


class EncryptedKarbor(Karbor):
    """The same, with encryption."""

    name = "karbor-encrypted"
    flags = ("--encrypted",)


CONTENDERS: Mapping[str, type[Contender]] = {
    kind.name: kind
    for kind in (
        Copy,
        Restic,
        Borg,
        EncryptedBorg,
        ZstdBorg,
        Cinder,
        ZstdCinder,
        Karbor,
        EncryptedKarbor,
    )
}


def versions() -> dict[str, str]:
    """What is compared, as it tells its version; not installed: left out."""
    found = {}
    for command in (["restic", "version"], ["borg", "--version"]):
        if shutil.which(command[0]):
            found[command[0]] = measuring.output(command)
    if Cinder.python:
        found["cinder"] = measuring.output(
            [
                Cinder.python,
                "-c",
                "from importlib.metadata import version; print(version('cinder'))",
            ]
        )
    return found


def _copy(source: Path, target: Path) -> Cost:
    cost = measuring.run(["cp", "--reflink=never", source, target])
    return cost + measuring.sync(target)
