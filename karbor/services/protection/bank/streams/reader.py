# SPDX-License-Identifier: Apache-2.0
"""Reading a stream: chunks are fetched ahead, and checked before they are given out."""

import collections
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from karbor.services.protection.bank.chunks.hashing import StreamHash
from karbor.services.protection.bank.streams import manifest, targets
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.stored import PlacedChunk, StoredStream

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection


class StreamReader(io.RawIOBase):
    """A stream of a bank as a file that cannot be written.

    ``read(n)`` gives n bytes, and less only at the end; iterating gives pieces as
    they are at hand. Every chunk's length, codec and digest are checked before any
    of its bytes is given out, and the whole stream's length and digest before the
    bytes of its last chunk are.

    Used by one thread. Up to ``max_bytes_in_flight`` bytes of chunks are fetched
    ahead in threads, which end at the end of the stream, at an error, and at
    :meth:`close`.

    :raises BankDataCorrupted: from any read, naming section, stream and chunk; from
        then on every read raises it
    :raises BankGetObjectFailed: when an object is there but the bank does not give it
    """

    def __init__(
        self, section: "BankSection", name: str, options: StreamOptions
    ) -> None:
        super().__init__()
        self._stored = StoredStream(section, name)
        self._fetched: collections.deque[Future[bytes | memoryview]] = (
            collections.deque()
        )
        self._taken = 0
        self._current = memoryview(b"")
        self._failure: BaseException | None = None
        self._workers = ThreadPoolExecutor(options.worker_threads, "stream-get")
        self._whole = StreamHash(self._stored.hash)
        self._ahead = max(1, options.max_bytes_in_flight // self.info.chunk_size)
        self._chunks = self._placed()

    @property
    def info(self) -> manifest.StreamInfo:
        """Length, digest and chunks of the stream."""
        return self._stored.info

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        piece = self._take(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        piece = self._take(size)
        if len(piece) in (0, size) or not self._more():
            return bytes(piece)
        pieces = [piece]
        wanted = size - len(piece)
        while wanted and (piece := self._take(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def readall(self) -> bytes:
        return b"".join(iter(self._next_piece, b""))

    def write_to(self, file: Any) -> None:
        """Write what is left of the stream into a file, and return when it is durable.

        As :class:`~karbor.services.protection.bank.streams.targets.FileTarget` tells:
        the fast way into a file or a device. After an error, a part is written.

        :param file: open for writing, with a ``fileno()``
        :raises OSError: when the file does not take it
        """
        if self.closed:
            raise ValueError("read of a closed stream")
        target = targets.FileTarget(file)
        if self._current:
            target.write(self._take(self.info.chunk_size))
        while self._more():
            target.write(self._next_chunk())
        target.finish()

    def __iter__(self) -> "StreamReader":
        return self

    def __next__(self) -> bytes:
        piece = self._next_piece()
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        if not self.closed:
            self._end_threads()
            self._current = memoryview(b"")
        super().close()

    def _next_piece(self) -> bytes:
        """All that is at hand; a whole chunk is given without a copy."""
        piece = self._take(self.info.chunk_size)
        if isinstance(piece.obj, bytes) and len(piece) == len(piece.obj):
            return piece.obj
        return bytes(piece)

    def _take(self, size: int) -> memoryview:
        """From 1 to ``size`` bytes; none only at the end, or when none are wanted."""
        if self.closed:
            raise ValueError("read of a closed stream")
        if size and not self._current and self._more():
            self._current = memoryview(self._next_chunk())
        piece = self._current[:size]
        self._current = self._current[size:]
        return piece

    def _more(self) -> bool:
        if self._failure is not None:
            raise self._failure
        if self._taken == 0 and self.info.length == 0:
            self._finish()
        return bool(self._current) or self._taken < self.info.chunk_count

    def _next_chunk(self) -> bytes | memoryview:
        try:
            self._fetch_ahead()
            data = self._fetched.popleft().result()
            self._taken += 1
            self._fetch_ahead()
            if self._taken == self.info.chunk_count:
                self._finish()
        except BaseException as error:
            # A chunk may be gone from the queue: going on would leave it out.
            self._failure = error
            self._end_threads()
            raise
        return data

    def _placed(self) -> Iterator[PlacedChunk]:
        """The chunks in order; their digests make that of the whole."""
        for number in range(len(self._stored.manifest.pages)):
            chunks = self._stored.page(number)
            digests = (placed.chunk.digest for placed in chunks)
            self._whole.update(self._whole.of_page(digests))
            yield from chunks

    def _fetch_ahead(self) -> None:
        while len(self._fetched) < self._ahead:
            found = next(self._chunks, None)
            if found is None:
                return
            self._fetched.append(self._workers.submit(self._stored.read, found))

    def _finish(self) -> None:
        self._end_threads()
        if self._whole.hexdigest() != self.info.digest:
            raise self._stored.corrupted(
                "the digest of the whole is not the manifest's"
            )

    def _end_threads(self) -> None:
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._fetched.clear()
