# SPDX-License-Identifier: Apache-2.0
"""Writing a stream into a file: on its way to the disk from the first piece on."""

import contextlib
import os
import stat
from typing import Any

from karbor.services.protection.bank.chunks import codecs

# A larger write makes Linux take memory for it in larger blocks, which a virtual
# machine that gives free memory back to its host has to wait for, each time: the
# kernel took 2.3 s of processor time for 1 GiB in writes of 1 MiB or more, and 0.55 s
# in writes of 64 to 256 KiB.
_MOST_WRITTEN_AT_ONCE = 256 * 1024


class FileTarget:
    """A file that pieces are written into, one after the other. Used by one thread.

    What lies beyond the end of the file so far is all zeros, so that chunks of zeros
    become holes there; in the middle of a file, and on a device, they are written.

    :param file: open for writing, with a ``fileno()``, at the place of the first piece
    """

    def __init__(self, file: Any) -> None:
        file.flush()
        self._file = file
        self._descriptor = file.fileno()
        self._position = file.tell()
        status = os.fstat(self._descriptor)
        self._may_be_hollow = (
            stat.S_ISREG(status.st_mode) and status.st_size <= self._position
        )

    def write(self, piece: bytes | memoryview) -> None:
        """Write a piece.

        :raises OSError: when the file does not take it
        """
        start = self._position
        if self._may_be_hollow and piece is codecs.zeros(len(piece)):
            self._position += len(piece)
            return
        view = memoryview(piece)
        while view:
            part = view[:_MOST_WRITTEN_AT_ONCE]
            written = os.pwrite(self._descriptor, part, self._position)
            self._position += written
            view = view[written:]
        # A hint: Linux begins to write back what is said not to be needed in memory.
        # Left until the end, nothing would be on its way while chunks are read.
        with contextlib.suppress(OSError):
            os.posix_fadvise(
                self._descriptor,
                start,
                self._position - start,
                os.POSIX_FADV_DONTNEED,
            )

    def finish(self) -> None:
        """Return when everything is on the disk; the file is at the last piece's end.

        :raises OSError: when it may not be
        """
        if self._may_be_hollow:
            os.ftruncate(self._descriptor, self._position)
        os.fsync(self._descriptor)
        self._file.seek(self._position)
