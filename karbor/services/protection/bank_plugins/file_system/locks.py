# SPDX-License-Identifier: Apache-2.0
"""Dates before which files are neither deleted nor replaced.

A date is a file of its own in a folder beside the bank's, and not an attribute of
the locked file: any filesystem has files, and every way to copy a tree copies them.
Once a bank has that folder, whoever changes an object through the plugin looks there,
whether it may lock objects itself or not.
"""

import contextlib
import datetime
import errno
import fcntl
import hashlib
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from oslo_log import log as logging

from karbor.services.protection.bank_plugins.file_system import values
from karbor.services.protection.bank_plugins.file_system.files import (
    FILE_MODE,
    FileStore,
    make_folder,
)

LOG = logging.getLogger(__name__)

# Changes of one object wait for one another, and for those of few others.
_GUARDS = 64
# Seconds: a change takes a rename or an unlink.
_LONGEST_WAIT = 30.0
_PAUSE = 0.002


class ObjectIsLocked(Exception):
    """A file may not be changed before a date.

    :param until: aware
    """

    def __init__(self, until: datetime.datetime) -> None:
        super().__init__(f"it is locked until {until.isoformat()}")
        self.until = until


class LockUnreadable(Exception):
    """A date is there and cannot be read, so nothing may be changed; the text tells."""


def utc_now() -> datetime.datetime:
    """The present moment, by this machine's clock."""
    return datetime.datetime.now(datetime.UTC)


# The value itself says of which object it is.
_KEY = ""


class ObjectLocks:
    """The dates of one bank. Safe from many threads and processes at once.

    The file of a date is named by the digest of the object's path, so that it does
    not matter what takes the place of what.

    :param root: the folder of the objects
    :param folder: where the dates are; made by :meth:`prepare`
    :param temporary: a folder on the same filesystem, for files being written
    :param clock: gives the present moment, aware
    """

    def __init__(
        self,
        root: bytes,
        folder: bytes,
        temporary: bytes,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self._root = root
        self._folder = folder
        self._clock = clock
        self._is_prepared = False
        self._files = FileStore(folder, temporary, lambda path: False)

    def prepare(self) -> None:
        """Make the folder of the dates; from then on they are looked for.

        :raises OSError: when that cannot be done
        """
        make_folder(os.path.dirname(self._folder))
        make_folder(self._folder)
        self._is_prepared = True

    def lock(self, path: bytes, until: datetime.datetime) -> None:
        """Lock a file until a date, unless it is locked for longer already.

        :param until: aware
        :raises FileNotFoundError: when there is no such file
        :raises LockUnreadable: when it has a date that cannot be read
        :raises OSError: when the date cannot be written
        """
        with self._alone(path):
            if not stat.S_ISREG(_mode(path)):
                raise FileNotFoundError(errno.ENOENT, "no such object", path)
            present = self.until(path)
            if until <= self._clock() or (present is not None and present >= until):
                return
            header, content = values.encode(
                {
                    "object": os.fsdecode(self._name(path)),
                    "locked_until": until.astimezone(datetime.UTC).isoformat(),
                },
                _KEY,
            )
            self._files.write(self._file(path), header, content)

    def until(self, path: bytes) -> datetime.datetime | None:
        """The date of a file, which may have passed; None when it has none.

        :raises LockUnreadable: when it cannot be read
        """
        file = self._file(path)
        try:
            value: Any = values.decode(
                *self._files.read(file, values.HEADER_SIZE), _KEY
            )
            found = datetime.datetime.fromisoformat(value["locked_until"])
            if found.tzinfo is None or value["object"] != os.fsdecode(self._name(path)):
                raise ValueError(f"it is of the object {value['object']!r}")
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ENXIO and not self._is_prepared:
                # The folder is not there: no object of this bank was ever locked.
                return None
            raise LockUnreadable(_unreadable(file, error)) from error
        except (ValueError, TypeError, KeyError) as error:
            raise LockUnreadable(_unreadable(file, error)) from error
        return found

    @contextlib.contextmanager
    def changing(self, path: bytes) -> Iterator[None]:
        """Around what deletes or replaces a file: nobody locks it meanwhile.

        :raises ObjectIsLocked: when that may not be done
        :raises LockUnreadable: when that cannot be told
        :raises OSError: when others cannot be kept out
        """
        with self._alone(path):
            until = self.until(path)
            if until is not None and until > self._clock():
                raise ObjectIsLocked(until)
            yield
            if until is not None and not os.path.lexists(path):
                self._forget(path)

    def _forget(self, path: bytes) -> None:
        """Remove the date of a file that is gone; one that stays has passed."""
        try:
            self._files.delete(self._file(path))
        except OSError as error:
            LOG.warning(
                "The date of the deleted file %r cannot be removed, and stays at %r: "
                "%s",
                path,
                self._file(path),
                error.strerror,
            )

    @contextlib.contextmanager
    def _alone(self, path: bytes) -> Iterator[None]:
        """Keep out others of this machine, and, where the filesystem takes flock(2)
        there, of other machines."""
        number = zlib.crc32(self._name(path)) % _GUARDS
        guard = os.path.join(os.path.dirname(self._folder), b"guard-%02d" % number)
        descriptor = None
        # Where the folder is not there, no object of this bank was ever locked.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(
                guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE
            )
        try:
            if descriptor is not None:
                _flock(descriptor, guard)
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _name(self, path: bytes) -> bytes:
        return path.removeprefix(self._root)

    def _file(self, path: bytes) -> bytes:
        digest = hashlib.sha256(self._name(path)).hexdigest().encode()
        return os.path.join(self._folder, digest[:2], digest)


def _flock(descriptor: int, path: bytes) -> None:
    """Take a file for oneself; a process that was stopped keeps it for as long.

    :raises OSError: when another keeps it
    """
    until = time.monotonic() + _LONGEST_WAIT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(
                    errno.EBUSY, "another process does not give it back", path
                ) from None
            time.sleep(_PAUSE)


def _mode(path: bytes) -> int:
    try:
        return os.lstat(path).st_mode
    except NotADirectoryError as error:
        raise FileNotFoundError(errno.ENOENT, "no such object", path) from error


def _unreadable(file: bytes, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return (
        f"the date until which it is locked cannot be read from "
        f"{os.fsdecode(file)!r}: {reason or type(error).__name__}. Put that file back, "
        "or remove it when you know that the object may go"
    )
