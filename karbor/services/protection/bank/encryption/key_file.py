# SPDX-License-Identifier: Apache-2.0
"""Master keys in a file: for a lab, or where something else guards the machine.

A line for each key, ``<name>:<base64 of 32 bytes>``; the first one is active unless
the provider's file names another. Empty lines, and lines that begin with ``#``, mean
nothing. Nobody but the file's owner may have any rights on it.
"""

import base64
import binascii
import os
import secrets
import stat
from typing import TextIO

from karbor import exception
from karbor.services.protection.bank.encryption.master_keys import (
    MASTER_KEY_SIZE,
    MasterKeys,
    is_key_id,
)
from karbor.services.protection.bank.encryption.options import (
    CASTELLAN,
    GROUP,
    KEY_FILE,
)

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES = 1024 * 1024


class KeyFile(MasterKeys):
    """The keys of a file, which is read anew each time: keys of projects are seldom
    wrapped or unwrapped, and a key that was added is there at once.

    :param path: absolute
    :param active_id: the name of the active key; None: the first one's
    """

    def __init__(self, path: str, active_id: str | None = None) -> None:
        self._path = path
        self._active_id = active_id

    def __repr__(self) -> str:
        return f"<KeyFile {self._path}>"

    def active_id(self) -> str:
        found = self._read()
        if self._active_id is None:
            return next(iter(found))
        self._check_has(found, self._active_id)
        return self._active_id

    def get(self, key_id: str) -> bytes:
        found = self._read()
        self._check_has(found, key_id)
        return found[key_id]

    def has(self, key_id: str) -> bool:
        """Whether the file has a key of that name.

        :raises MasterKeyUnavailable: when the file cannot be read
        """
        return key_id in self._read()

    def make(self, name: str) -> str:
        """Put a new key on the file's top, so that it becomes the active one where
        the provider's file names none. Makes the file when there is none.

        The old file or the new one is there at any time, also after a power cut.
        """
        if not is_key_id(name):
            raise self._failed(
                f"{name!r} is no name for a key: use up to 128 letters, digits and "
                "any of . _ -"
            )
        path = os.path.realpath(self._path)
        fresh = path + ".new"
        try:
            # Whoever has created this file may write: two at once would lose a key.
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise self._failed(
                f"{fresh} is there, so another is adding a key now, or was stopped "
                "half-way: remove it when nobody is"
            ) from error
        except OSError as error:
            raise self._failed(f"{fresh} cannot be made: {error.strerror}") from error
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                self._write(file, path, name)
            os.rename(fresh, path)
        except OSError as error:
            os.unlink(fresh)
            raise self._failed(
                f"the key cannot be put into it: {error.strerror}"
            ) from error
        except BaseException:
            os.unlink(fresh)
            raise
        _flush_folder(os.path.dirname(path))
        return name

    def _write(self, file: TextIO, path: str, name: str) -> None:
        """Write what is in the file of a path, and a new key before it."""
        found = {}
        if os.path.lexists(path):
            found = self._read()
            owner = os.stat(path)
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        if name in found:
            raise self._failed("it has one of that name; name it otherwise", name)
        found = {name: secrets.token_bytes(MASTER_KEY_SIZE), **found}
        file.write("# Master keys of Karbor. Losing one loses what it guards.\n")
        for each, key in found.items():
            file.write(f"{each}:{base64.b64encode(key).decode('ascii')}\n")
        file.flush()
        os.fsync(file.fileno())

    def _read(self) -> dict[str, bytes]:
        try:
            with open(self._path, "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise self._failed("it is no regular file")
                mode = stat.S_IMODE(found.st_mode)
                if mode & _OTHERS:
                    raise self._failed(
                        f"others than its owner have rights on it (its mode is "
                        f"{mode:04o}); run: chmod 600 {self._path}"
                    )
                content = file.read(_MOST_BYTES)
        except OSError as error:
            hint = ""
            if isinstance(error, FileNotFoundError):
                hint = "; bring it back, or make one with 'karbor-manage bank make-key'"
            elif isinstance(error, PermissionError):
                hint = "; make the service's user its owner"
            raise self._failed(f"it cannot be read: {error.strerror}{hint}") from error
        return self._parse(content)

    def _parse(self, content: bytes) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for number, line in enumerate(content.splitlines(), start=1):
            line = line.strip()
            if not line or line.startswith(b"#"):
                continue
            raw_name, colon, encoded = line.partition(b":")
            name = raw_name.strip().decode("ascii", "replace")
            if not colon or not is_key_id(name):
                # The line is not shown: it may be a key without its name.
                raise self._failed(f"line {number} is not <name>:<base64 of the key>")
            if name in found:
                raise self._failed(f"line {number} gives the name '{name}' again")
            try:
                key = base64.b64decode(encoded.strip(), validate=True)
            except binascii.Error:
                # Nor is its name: both may be the wrong way round.
                raise self._failed(f"line {number}: its key is not base64") from None
            if len(key) != MASTER_KEY_SIZE:
                raise self._failed(
                    f"line {number}: its key has {len(key)} bytes instead of "
                    f"{MASTER_KEY_SIZE}"
                )
            found[name] = key
        if not found:
            raise self._failed(
                "there is no key in it; make one with 'karbor-manage bank make-key'"
            )
        return found

    def _check_has(self, found: dict[str, bytes], key_id: str) -> None:
        if key_id not in found:
            raise exception.MasterKeyUnavailable(
                key_id=key_id,
                reason=f"the key file {self._path} has no key of that name, only "
                f"{', '.join(found)}; put it back into the file, or set "
                f"key_manager = {CASTELLAN} if that is where it is",
                option=f"[{GROUP}] master_key_id",
            )

    def _failed(
        self, reason: str, key_id: str | None = None
    ) -> exception.MasterKeyUnavailable:
        return exception.MasterKeyUnavailable(
            key_id=key_id or self._active_id or "(the first one)",
            reason=f"key file {self._path}: {reason}",
            option=f"[{GROUP}] {KEY_FILE}",
        )


class WithKeyFile(MasterKeys):
    """A key manager, and a key file with keys from before there was one.

    :param manager: has the active key, and gets new ones
    :param file: asked first: the names in it may mean nothing to the other
    """

    def __init__(self, manager: MasterKeys, file: KeyFile) -> None:
        self._manager = manager
        self._file = file

    def active_id(self) -> str:
        return self._manager.active_id()

    def get(self, key_id: str) -> bytes:
        return (self._file if self._file.has(key_id) else self._manager).get(key_id)

    def make(self, name: str) -> str:
        return self._manager.make(name)


def _flush_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
