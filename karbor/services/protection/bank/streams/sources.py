# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes come from, as something that fills buffers."""

import abc
import errno
import io
import os
import stat
from collections.abc import Iterator
from typing import Any


class Source(abc.ABC):
    """Bytes in order. Used by one thread."""

    def fill(self, view: memoryview) -> int:
        """Fill a buffer; only the end of the bytes leaves it partly filled.

        :returns: bytes filled; less than the buffer has only at the end
        """
        filled = 0
        while filled < len(view):
            size = self._take(view[filled:])
            if not size:
                break
            filled += size
        return filled

    def skip_zeros(self, size: int) -> int:
        """Go past bytes that are known to be zero without a look at them.

        :returns: how many; a multiple of ``size``
        """
        return 0

    @abc.abstractmethod
    def _take(self, view: memoryview) -> int:
        """Put from 1 to all bytes into ``view``; 0 at the end."""


class _ReadInto(Source):
    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def _take(self, view: memoryview) -> int:
        size = self._reader.readinto(view)
        if not isinstance(size, int) or not 0 <= size <= len(view):
            raise TypeError(
                f"readinto() of {type(self._reader).__name__} answered {size!r} for a "
                f"buffer of {len(view)} bytes"
            )
        return size


class _SparseFile(_ReadInto):
    """A file whose filesystem tells where nothing is."""

    def skip_zeros(self, size: int) -> int:
        position = self._reader.tell()
        descriptor = self._reader.fileno()
        try:
            data = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            # ENXIO: there is no data any more. Others: it cannot tell.
            end = os.fstat(descriptor).st_size
            data = end if error.errno == errno.ENXIO else position
        hole = max(0, data - position) // size * size
        self._reader.seek(position + hole)
        return hole


class _Pieces(Source):
    """Pieces of any size; what does not fit waits for the next buffer."""

    def __init__(self) -> None:
        self._rest = memoryview(b"")

    def _take(self, view: memoryview) -> int:
        if not self._rest:
            self._rest = self._next(len(view))
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    @abc.abstractmethod
    def _next(self, size: int) -> memoryview:
        """A piece that is empty only at the end; ``size`` is what would fit."""


class _Read(_Pieces):
    def __init__(self, reader: Any) -> None:
        super().__init__()
        self._reader = reader

    def _next(self, size: int) -> memoryview:
        return _as_view(self._reader.read(size))


class _Iterate(_Pieces):
    def __init__(self, pieces: Iterator[Any]) -> None:
        super().__init__()
        self._pieces = pieces

    def _next(self, size: int) -> memoryview:
        for piece in self._pieces:
            view = _as_view(piece)
            if view:
                return view
        return memoryview(b"")


def open_source(source: Any) -> Source:
    """Whatever a caller hands over as the bytes of a stream.

    :param source: an object with ``readinto(buffer)`` or ``read(size)``, which may
        give less than asked for but nothing only at the end; or an iterable of
        bytes-like pieces of any size
    :raises TypeError: when it is neither
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _Iterate(iter([source]))
    if isinstance(source, io.TextIOBase | str):
        raise TypeError("a stream is made of bytes, not of text")
    if isinstance(source, io.FileIO) and stat.S_ISREG(
        os.fstat(source.fileno()).st_mode
    ):
        return _SparseFile(source)
    if callable(getattr(source, "readinto", None)):
        return _ReadInto(source)
    if callable(getattr(source, "read", None)):
        return _Read(source)
    if hasattr(source, "__iter__"):
        return _Iterate(iter(source))
    raise TypeError(
        "a stream comes from an object with read(size) or an iterable of bytes, not "
        f"from a {type(source).__name__}"
    )


def _is_regular(file: io.FileIO) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _as_view(piece: Any) -> memoryview:
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise TypeError(
            f"a stream's source gave a {type(piece).__name__} instead of bytes"
        )
    view = memoryview(piece)
    return view if view.format == "B" and view.contiguous else memoryview(bytes(view))
