# SPDX-License-Identifier: Apache-2.0
"""Files that are whole, durable and private, in folders that come and go.

Paths are bytes, so that the process's locale has no say in them.
"""

import contextlib
import dataclasses
import errno
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from karbor.services.protection.bank_plugins.file_system.reserve import Reserve

FILE_MODE = 0o600
FOLDER_MODE = 0o700

# A writer makes its folder again as often as deleters take it away.
_PLACE_ATTEMPTS = 1000
#: A larger write makes Linux take memory for it in larger blocks, which a virtual
#: machine that gives free memory back to its host has to wait for, each time: the
#: kernel took 2.3 s of processor time for 1 GiB in writes of 1 MiB or more, and 0.55 s
#: in writes of 64 to 256 KiB.
MOST_WRITTEN_AT_ONCE = 256 * 1024
# Linux reads at most so much at once.
_MOST_AT_ONCE = 0x7FFFF000
# Why a folder stays: it is used, it is gone already, or an object took its place.
_FOLDER_STAYS = frozenset(
    {errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOENT, errno.ENOTDIR}
)


# Beside the temporary files.
_RESERVE = b"reserve"
# An index, an entry, a lease; never a chunk of data.
_SMALL = 64 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class KeyConflict(Exception):
    """A file would have to be a folder of others, or the other way round."""


@dataclasses.dataclass(frozen=True, slots=True)
class PendingFile:
    """A file that is written, but neither seen nor durable yet.

    :param path: where it will be
    :param temporary: where it is
    :param descriptor: open for writing
    """

    path: bytes
    temporary: bytes
    descriptor: int


class FileStore:
    """Writes, reads and deletes files below one folder. Safe from many threads
    and processes at once.

    :param root: the folder; it is there already, and is never made or removed
    :param temporary: a folder on the same filesystem, outside of ``root``, where
        files are written before they are moved to their place
    :param has_files: whether there is any file at or below a folder
    :param changing: entered around what makes a file another one or none; what it
        raises is raised, and the file stays as it is
    """

    def __init__(
        self,
        root: bytes,
        temporary: bytes,
        has_files: Callable[[bytes], bool],
        changing: Callable[[bytes], AbstractContextManager[None]] = (
            lambda path: contextlib.nullcontext()
        ),
    ) -> None:
        self._changing = changing
        self._root = root
        self._temporary = temporary
        self._has_files = has_files
        self._reserve = Reserve(os.path.join(temporary, _RESERVE))

    def write(self, path: bytes, *parts: bytes | memoryview) -> None:
        """Create or replace a file: whole for every reader, durable when it returns.

        A small file still finds room on a filesystem that data has filled, once.

        :param path: below the root
        :param parts: what it will contain, one after the other
        :raises KeyConflict: when the path is a folder, or a file is in its way
        :raises OSError: when it could not be written; the old file is still there
        """
        try:
            self._write(path, *parts)
        except OSError as error:
            is_small = sum(memoryview(part).nbytes for part in parts) <= _SMALL
            if error.errno not in _FULL or not is_small:
                raise
            if not self._reserve.give_back():
                raise
            self._write(path, *parts)

    def keep_space_back(self) -> None:
        """Keep a little space for small files on a filesystem that fills up."""
        self._reserve.take()

    def _write(self, path: bytes, *parts: bytes | memoryview) -> None:
        self.finish(self.begin(path, *parts))
        self.sync_folder(os.path.dirname(path))

    def begin(self, path: bytes, *parts: bytes | memoryview) -> PendingFile:
        """Write a file that nobody sees, and that is not durable, before
        :meth:`finish`.

        :raises OSError: when it could not be written
        """
        temporary = os.path.join(self._temporary, uuid.uuid4().hex.encode())
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE
        )
        pending = PendingFile(path, temporary, descriptor)
        try:
            os.fchmod(descriptor, FILE_MODE)
            _write_all(descriptor, [memoryview(part) for part in parts])
        except BaseException:
            self.drop(pending)
            raise
        return pending

    def finish(self, pending: PendingFile) -> None:
        """Make a file durable, and then seen at its place; not yet durable is that it
        is there, see :meth:`sync_folder`.

        :raises KeyConflict: as :meth:`write`
        :raises OSError: likewise; the file is gone
        """
        try:
            # Through the descriptor that wrote it: another may not be told of an error.
            os.fsync(pending.descriptor)
            with self._changing(pending.path):
                self._place(pending.temporary, pending.path)
        except BaseException:
            self.drop(pending)
            raise
        os.close(pending.descriptor)

    def drop(self, pending: PendingFile) -> None:
        """Delete a file that was not finished."""
        os.close(pending.descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(pending.temporary)

    def sync_folder(self, folder: bytes) -> None:
        """Make durable what a folder lists, or that it is gone itself."""
        while True:
            try:
                sync_folder(folder)
            except (FileNotFoundError, NotADirectoryError):
                if folder == self._root:
                    raise
                folder = os.path.dirname(folder)
            else:
                return

    def read(self, path: bytes, header_size: int) -> tuple[bytes, bytes]:
        """The first bytes of a file, and the rest.

        :raises FileNotFoundError: when there is no such file
        :raises OSError: when it cannot be read, or the root is gone
        """
        with self._opened(path) as (descriptor, size):
            header = os.read(descriptor, header_size)
            return header, _read_all(descriptor, size - len(header))

    def look(self, path: bytes, header_size: int) -> tuple[bytes, int]:
        """The first bytes of a file, and how many are after them.

        :raises FileNotFoundError: when there is no such file
        :raises OSError: when it cannot be read, or the root is gone
        """
        with self._opened(path) as (descriptor, size):
            header = os.read(descriptor, header_size)
            return header, size - len(header)

    def delete(self, path: bytes) -> None:
        """Delete a file and the folders that it leaves empty; durable on return.

        :raises FileNotFoundError: when there is no such file
        :raises OSError: when it cannot be deleted
        """
        try:
            with self._changing(path):
                os.unlink(path)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise FileNotFoundError(errno.ENOENT, "no such object", path) from error
        folder = os.path.dirname(path)
        self.sync_folder(folder)
        emptied = False
        while folder != self._root and _remove_folder(folder):
            emptied = True
            folder = os.path.dirname(folder)
        if emptied:
            self.sync_folder(folder)
        self._reserve.take()

    def remove_temporaries(self, older_than: float) -> int:
        """Delete the temporary files that writers left when they died.

        :param older_than: seconds; more than the longest write can take
        :returns: how many were deleted
        """
        removed = 0
        before = time.time() - older_than
        with os.scandir(self._temporary) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if (
                        entry.name != _RESERVE
                        and entry.is_file(follow_symlinks=False)
                        and entry.stat(follow_symlinks=False).st_mtime < before
                    ):
                        os.unlink(entry.path)
                        removed += 1
        return removed

    @contextlib.contextmanager
    def _opened(self, path: bytes) -> Iterator[tuple[int, int]]:
        """Descriptor and size of a file."""
        try:
            descriptor = os.open(
                path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            if not os.path.isdir(self._root):
                raise OSError(errno.ENXIO, "the bank's folder is gone", path) from error
            raise FileNotFoundError(errno.ENOENT, "no such object", path) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(errno.ENOENT, "no such object", path)
            yield descriptor, status.st_size
        finally:
            os.close(descriptor)

    def _place(self, temporary: bytes, path: bytes) -> None:
        for _attempt in range(_PLACE_ATTEMPTS):
            try:
                os.rename(temporary, path)
            except FileNotFoundError:
                if not os.path.lexists(temporary):
                    raise
                self._make_folders(os.path.dirname(path))
            except IsADirectoryError as error:
                if self._has_files(path):
                    raise KeyConflict("it is a folder of other objects") from error
                _remove_empty_folders(path)
            except NotADirectoryError as error:
                raise KeyConflict("a part of it is an object") from error
            else:
                return
        raise OSError(errno.ENOENT, "its folder disappears again and again", path)

    def _make_folders(self, folder: bytes) -> None:
        """Make a folder and what is missing above it, up to the root.

        Another's deletion may take away what was just made; the caller tries again.
        """
        missing = [folder]
        while True:
            if missing[-1] == self._root:
                # Never made anew: it may be a filesystem that is not mounted.
                raise FileNotFoundError(errno.ENOENT, "its folder is gone", folder)
            try:
                make_folder(missing[-1])
            except FileNotFoundError:
                missing.append(os.path.dirname(missing[-1]))
            except NotADirectoryError as error:
                raise KeyConflict("a part of it is an object") from error
            else:
                missing.pop()
                if not missing:
                    return


def prepare(path: bytes, root: bytes, temporary: bytes) -> None:
    """Make a bank's folders, and find out whether objects can be written.

    :param path: the folder that all else is in
    :param root: for the objects
    :param temporary: for files being written

    :raises OSError: naming what cannot be done
    """
    missing = [path]
    while not os.path.lexists(os.path.dirname(missing[-1])):
        missing.append(os.path.dirname(missing[-1]))
    for folder in (*reversed(missing), root, temporary):
        make_folder(folder)
    # Permission bits do not tell: root passes them by, a read-only mount does not
    # show in them. An empty folder is no object, so nobody sees the probe.
    probe = uuid.uuid4().hex.encode()
    written, target = os.path.join(temporary, probe), os.path.join(root, probe)
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        os.write(descriptor, b"karbor")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        os.unlink(written)
    os.mkdir(written, FOLDER_MODE)
    # Whatever the umask: to move a folder is to write into it.
    os.chmod(written, FOLDER_MODE)
    try:
        # Also tells whether files can be moved there: both on one filesystem.
        os.rename(written, target)
        written = target
        sync_folder(root)
    finally:
        os.rmdir(written)


def make_folder(folder: bytes) -> None:
    """Make a private folder, durably, if it is not there.

    :raises FileNotFoundError: when the folder above is not there
    """
    try:
        os.mkdir(folder, FOLDER_MODE)
    except FileExistsError:
        return
    # Empty, it may be taken away again at any moment by who deletes beside it.
    with contextlib.suppress(FileNotFoundError):
        os.chmod(folder, FOLDER_MODE)
        sync_folder(os.path.dirname(folder))


def sync_folder(folder: bytes) -> None:
    """Make durable which names a folder has."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_folder(folder: bytes) -> bool:
    try:
        os.rmdir(folder)
    except OSError as error:
        if error.errno not in _FOLDER_STAYS:
            raise
        return False
    return True


def _remove_empty_folders(folder: bytes) -> None:
    """Remove folders that a deleter left empty when it died."""
    for path, _folders, _files in os.walk(folder, topdown=False):
        _remove_folder(path)


def _write_all(descriptor: int, parts: list[memoryview]) -> None:
    while parts:
        written = os.writev(descriptor, _first_of(parts, MOST_WRITTEN_AT_ONCE))
        while parts and written >= len(parts[0]):
            written -= len(parts.pop(0))
        if parts:
            parts[0] = parts[0][written:]


def _first_of(parts: list[memoryview], size: int) -> list[memoryview]:
    """The first ``size`` bytes of some parts."""
    found = []
    for part in parts:
        found.append(part[:size])
        size -= len(found[-1])
        if not size:
            break
    return found


def _read_all(descriptor: int, size: int) -> bytes:
    """All that is left of a file; the usual one read makes no copy."""
    content = os.read(descriptor, min(size, _MOST_AT_ONCE)) if size else b""
    if len(content) == size:
        return content
    pieces = [content]
    left = size - len(content)
    while left and (piece := os.read(descriptor, min(left, _MOST_AT_ONCE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
