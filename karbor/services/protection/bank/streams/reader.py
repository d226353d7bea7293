# SPDX-License-Identifier: Apache-2.0
"""Reading a stream: chunks are fetched ahead, and checked before they are given out."""

import collections
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.streams import codecs, manifest
from karbor.services.protection.bank.streams.options import StreamOptions

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
        self._section = section
        self._name = keys.validate_part(name)
        self._decompressor = codecs.Decompressor()
        self._fetched: collections.deque[Future[bytes]] = collections.deque()
        self._hashing: Future[None] | None = None
        self._taken = 0
        self._current = memoryview(b"")
        self._failure: BaseException | None = None
        self._workers = ThreadPoolExecutor(options.worker_threads, "stream-get")
        self._hasher = ThreadPoolExecutor(1, "stream-hash")
        self._manifest = self._load_manifest()
        info = self._manifest.info
        self._hash = codecs.HASHES[info.hash_name]
        self._whole = self._hash()
        self._ahead = max(1, options.max_bytes_in_flight // info.chunk_size)
        self._chunks = self._iterate_chunks()

    @property
    def info(self) -> manifest.StreamInfo:
        """Length, digest and chunks of the stream."""
        return self._manifest.info

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

    def _next_chunk(self) -> bytes:
        try:
            self._fetch_ahead()
            data = self._fetched.popleft().result()
            self._taken += 1
            self._fetch_ahead()
            if self._hashing is not None:
                self._hashing.result()
            self._hashing = self._hasher.submit(self._whole.update, data)
            if self._taken == self.info.chunk_count:
                self._finish()
        except BaseException as error:
            # A chunk may be gone from the queue: going on would leave it out.
            self._failure = error
            self._end_threads()
            raise
        return data

    def _fetch_ahead(self) -> None:
        while len(self._fetched) < self._ahead:
            found = next(self._chunks, None)
            if found is None:
                return
            self._fetched.append(self._workers.submit(self._fetch, *found))

    def _finish(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
            self._hashing = None
        self._end_threads()
        if self._whole.hexdigest() != self.info.digest:
            raise self._corrupted("the digest of the whole is not the manifest's")

    def _end_threads(self) -> None:
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._hasher.shutdown(wait=True, cancel_futures=True)
        self._fetched.clear()

    def _load_manifest(self) -> manifest.Manifest:
        value = self._get(manifest.MANIFESTS + self._name, None)
        try:
            return manifest.Manifest.from_json(value, self._name)
        except manifest.ManifestError as error:
            raise self._corrupted(f"its manifest: {error}") from error

    def _iterate_chunks(self) -> Iterator[tuple[int, manifest.Chunk]]:
        """Chunks with their numbers, as the pages list them."""
        index = 0
        left = self.info.length
        for number, page in enumerate(self._manifest.pages):
            value = self._get(page.key, f"page {number}")
            try:
                chunks = manifest.page_from_json(value, page)
            except manifest.ManifestError as error:
                raise self._corrupted(f"page {number}: {error}") from error
            for chunk in chunks:
                if chunk.length != min(left, self.info.chunk_size):
                    raise self._corrupted(
                        f"chunk {index}: the manifest gives it {chunk.length} bytes"
                    )
                yield index, chunk
                index += 1
                left -= chunk.length

    def _fetch(self, index: int, chunk: manifest.Chunk) -> bytes:
        what = f"chunk {index}"
        if chunk.key is None or chunk.codec is None:
            if chunk.digest != codecs.digest_of_zeros(
                self.info.hash_name, chunk.length
            ):
                raise self._corrupted(f"{what}: its digest is not that of zeros")
            return codecs.zeros(chunk.length)
        stored = self._get(chunk.key, what)
        if not isinstance(stored, bytes):
            raise self._corrupted(f"{what}: it is no longer bytes")
        if len(stored) != chunk.stored_length:
            raise self._corrupted(
                f"{what}: {len(stored)} bytes are stored instead of "
                f"{chunk.stored_length}"
            )
        try:
            data = self._decompressor.decode(chunk.codec, stored, chunk.length)
        except codecs.CodecError as error:
            raise self._corrupted(f"{what}: {error}") from error
        if self._hash(data).hexdigest() != chunk.digest:
            raise self._corrupted(f"{what}: its digest is not the manifest's")
        return data

    def _get(self, key: str, what: str | None) -> Any:
        """An object of the stream.

        :param what: it is part of a committed stream, so not being there is damage;
            None for the manifest, without which there is no stream
        """
        try:
            return self._section.get_object(key)
        except exception.BankGetObjectFailed as error:
            if what is None:
                what = "its manifest"
            elif key not in self._section.list_objects(prefix=key, limit=1):
                raise self._corrupted(f"{what}: it is lost: {error}") from error
            raise exception.BankGetObjectFailed(
                key=self._section.prefix + self._name,
                reason=f"{self._where()}: {what}: {error}",
            ) from error
        except exception.InvalidParameterValue as error:
            raise self._corrupted(f"{what}: {error}") from error

    def _where(self) -> str:
        return f"stream {self._name!r} of {self._section.prefix}"

    def _corrupted(self, reason: str) -> exception.BankDataCorrupted:
        return exception.BankDataCorrupted(reason=f"{self._where()}: {reason}")
