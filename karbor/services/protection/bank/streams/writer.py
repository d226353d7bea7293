# SPDX-License-Identifier: Apache-2.0
"""Writing a stream: one reader, a few threads that hash, compress and put.

The caller's thread reads the source into buffers. A worker thread hashes, compresses
and puts a filled buffer as a chunk. Then it is filled anew, so as many bytes are in
memory as there are buffers, and a reader ahead of the bank waits for one.

Chunks are objects that no other attempt writes; the manifest, written last, makes
them a stream. The first error stops the reader and lets every thread end. What was
put by then is garbage: the collector's in a project's space, else deleted at once.
"""

import contextlib
import dataclasses
import functools
import queue
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.batches import ObjectBatch, start_batch
from karbor.services.protection.bank.chunks import codecs, names
from karbor.services.protection.bank.chunks.hashing import StreamHash
from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.chunks.space import ChunkSpace
from karbor.services.protection.bank.chunks.writer import ChunkWriter
from karbor.services.protection.bank.streams import manifest, sources
from karbor.services.protection.bank.streams.options import StreamOptions

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection
    from karbor.services.protection.progress import ResourceProgress

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Filled:
    """A buffer with the bytes of a chunk."""

    index: int
    buffer: bytearray
    length: int

    @property
    def view(self) -> memoryview:
        return memoryview(self.buffer)[: self.length]


class _Pages:
    """Chunks as they become ready, put down page by page."""

    def __init__(self, chunks: ChunkWriter) -> None:
        self._chunks = chunks
        self._lock = threading.Lock()
        self._open: dict[int, dict[int, ChunkRef]] = {}
        self._written: dict[int, tuple[manifest.Page, bytes]] = {}
        self._hash = StreamHash(chunks.hash)
        self.stored_length = 0

    def add(self, index: int, chunk: ChunkRef) -> None:
        """Take a chunk; writes the page when this was its last."""
        number = index // manifest.PAGE_CHUNKS
        with self._lock:
            self.stored_length += chunk.stored_length
            page = self._open.setdefault(number, {})
            page[index] = chunk
            if len(page) < manifest.PAGE_CHUNKS:
                return
            del self._open[number]
        self._write(number, page)

    def finish(self) -> tuple[manifest.Page, ...]:
        """Write the page that is not full. Called when no thread adds any more."""
        for number, page in self._open.items():
            self._write(number, page)
        pages = []
        for _, (page_ref, digest) in sorted(self._written.items()):
            pages.append(page_ref)
            self._hash.update(digest)
        return tuple(pages)

    @property
    def digest(self) -> str:
        """Of the whole stream, when it is finished."""
        return self._hash.hexdigest()

    def _write(self, number: int, page: dict[int, ChunkRef]) -> None:
        chunks = [page[index] for index in sorted(page)]
        ref = self._chunks.put(manifest.page_to_bytes(chunks))
        digest = self._hash.of_page(chunk.digest for chunk in chunks)
        with self._lock:
            self._written[number] = manifest.Page(ref, len(page)), digest


class StreamWriter:
    """One attempt to write one stream; used once.

    :param section: where the stream will be
    :param name: of the stream: one part of a key
    :param options: sizes, threads and compression
    :param progress: told the bytes of the source as they have reached the bank
    """

    def __init__(
        self,
        section: "BankSection",
        name: str,
        options: StreamOptions,
        progress: "ResourceProgress | None" = None,
    ) -> None:
        self._section = section
        self._name = keys.validate_part(name)
        self._options = options
        self._progress = progress
        self._attempt = uuid.uuid4().hex
        self._manifest_key = manifest.MANIFESTS + name
        self._length = 0
        self._chunk_count = 0
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._buffers = 0
        self._failure: BaseException | None = None
        self._failure_lock = threading.Lock()

    def write(self, source: Any) -> manifest.StreamInfo:
        """Write all bytes of a source, and return when they are durable.

        :param source: as :func:`sources.open_source` takes
        :raises TypeError: when the source is nothing that bytes come from
        :raises BankUpdateObjectFailed: naming the stream, when the source or the
            bank failed; a KarborException of the source itself comes through as
            it is
        """
        opened = sources.open_source(source)
        space = self._section.chunk_space(self._name, self._attempt)
        # The longest keys of the attempt: refused before anything is written.
        for key in (
            self._section.prefix + self._manifest_key,
            space.section.prefix + names.key(names.make("0" * 64, 0)),
        ):
            keys.validate(key)
        try:
            with start_batch(self._section.bank.plugin) as batch:
                self._open(space, batch)
                self._run(opened)
                info = self._commit(batch)
        except BaseException as error:
            self._discard()
            if isinstance(error, exception.KarborException) or not isinstance(
                error, Exception
            ):
                raise
            raise self._failed(error) from error
        return info

    def _open(self, space: ChunkSpace, batch: ObjectBatch) -> None:
        self._chunks = ChunkWriter(
            space,
            level=self._options.zstd_level,
            inline_limit=self._options.inline_limit,
            batch=batch,
        )
        self._pages = _Pages(self._chunks)

    def _run(self, source: sources.Source) -> None:
        workers = ThreadPoolExecutor(self._options.worker_threads, "stream-put")
        # Left in any way, the pool is waited for: no thread outlives the attempt.
        with workers:
            try:
                self._feed(source, workers)
            except BaseException as error:
                self._stop(error)
                raise
        if self._failure is not None:
            raise self._failure

    def _feed(self, source: sources.Source, workers: ThreadPoolExecutor) -> None:
        while True:
            self._add_zeros(source.skip_zeros(self._options.chunk_size))
            buffer = self._take_buffer()
            if self._failure is not None:
                return
            length = source.fill(memoryview(buffer))
            if not length:
                return
            filled = _Filled(self._chunk_count, buffer, length)
            self._length += length
            self._chunk_count += 1
            future = workers.submit(self._store, filled)
            future.add_done_callback(functools.partial(self._done, filled))
            if length < len(buffer):
                return

    def _add_zeros(self, length: int) -> None:
        """Add chunks of zeros that were not read."""
        size = self._options.chunk_size
        for _ in range(length // size):
            self._pages.add(self._chunk_count, self._chunks.zeros(size))
            self._length += size
            self._chunk_count += 1
        if length and self._progress is not None:
            self._progress.advance(length)

    def _take_buffer(self) -> bytearray:
        with contextlib.suppress(queue.Empty):
            return self._free.get_nowait()
        if self._buffers < self._options.chunks_in_flight:
            self._buffers += 1
            return bytearray(self._options.chunk_size)
        return self._free.get()

    def _done(self, filled: _Filled, future: "Future[None]") -> None:
        error = future.exception()
        if error is not None:
            self._stop(error)
        self._free.put(filled.buffer)

    def _stop(self, error: BaseException) -> None:
        with self._failure_lock:
            if self._failure is None:
                self._failure = error

    def _store(self, filled: _Filled) -> None:
        if self._failure is not None:
            return
        try:
            self._pages.add(filled.index, self._put(filled))
        except exception.KarborException as error:
            raise self._failed(error, f"chunk {filled.index}: ") from error
        if self._progress is not None:
            self._progress.advance(filled.length)

    def _put(self, filled: _Filled) -> ChunkRef:
        zeros = codecs.zeros(self._options.chunk_size)
        if codecs.is_zero(filled.buffer, filled.length, zeros):
            return self._chunks.zeros(filled.length)
        return self._chunks.put(filled.view)

    def _commit(self, batch: ObjectBatch) -> manifest.StreamInfo:
        try:
            pages = self._pages.finish()
            # The manifest refers to them: they come first.
            batch.flush()
        except exception.KarborException as error:
            raise self._failed(error, "its last chunks: ") from error
        info = manifest.StreamInfo(
            name=self._name,
            length=self._length,
            digest=self._pages.digest,
            hash_name=self._chunks.hash.name,
            chunk_size=self._options.chunk_size,
            chunk_count=self._chunk_count,
            stored_length=self._pages.stored_length,
        )
        try:
            key = self._chunks.key
            sealed = manifest.Manifest(
                info,
                self._section.prefix,
                self._attempt,
                self._section.project_id,
                None if key is None else key.id,
                pages,
            ).to_json(self._chunks.hash)
            previous = self._committed_attempt()
            self._section.update_object(self._manifest_key, sealed)
        except exception.KarborException as error:
            raise self._failed(error, "its manifest: ") from error
        if previous is not None:
            self._delete_attempt(previous)
        return info

    def _committed_attempt(self) -> str | None:
        """The attempt that the manifest in the bank names; None without one."""
        if not self._section.list_objects(prefix=self._manifest_key, limit=1):
            return None
        try:
            value = self._section.get_object(self._manifest_key)
            return manifest.place_of(value)[0]
        except (exception.BankGetObjectFailed, manifest.ManifestError) as error:
            LOG.warning(
                "The manifest of %s cannot be read, so the data it names stays in the "
                "bank until the stream or its section is deleted: %s",
                self._where(),
                error,
            )
            return None

    def _discard(self) -> None:
        """Delete what this attempt wrote, unless its manifest is in the bank.

        A put of the manifest that failed may still have reached the bank; its data
        must then stay. What is in a project's chunk space is left to the collector:
        others may have found it there.
        """
        if self._section.project_id is not None:
            return
        try:
            if self._committed_attempt() == self._attempt:
                return
        except exception.BankException as error:
            LOG.warning(
                "What a failed attempt to write %s left behind under %s stays in the "
                "bank until the stream or its section is deleted: %s",
                self._where(),
                self._attempt,
                error,
            )
            return
        self._delete_attempt(self._attempt)

    def _delete_attempt(self, attempt: str) -> None:
        folder = f"{manifest.DATA}{self._name}/{attempt}/"
        try:
            for key in self._section.iterate_objects(prefix=folder):
                self._section.delete_object(key)
        except exception.KarborException as error:
            LOG.warning(
                "Objects of %s that nothing refers to are left under %s until the "
                "stream or its section is deleted: %s",
                self._where(),
                folder,
                error,
            )

    def _where(self) -> str:
        return f"stream {self._name!r} of {self._section.prefix}"

    def _failed(
        self, error: BaseException, what: str = ""
    ) -> exception.KarborException:
        return exception.BankUpdateObjectFailed(
            key=self._section.prefix + self._name,
            reason=f"writing {self._where()} failed after {self._length} bytes: "
            f"{what}{error or type(error).__name__}",
        )
