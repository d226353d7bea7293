# SPDX-License-Identifier: Apache-2.0
"""Copying a stream chunk by chunk: only what the target lacks is read and moved.

Where both digest alike, a chunk's digest tells whether the target has it, and it is
not even read. Where they do not, because the two encrypt with different keys, every
chunk is read, and the target's own digest of it tells. Chunks keep their borders
either way, or a stream of other chunks than those that the target has would come of
it.

A copy that was cut off has made no stream, and its chunks lie in the target's space:
the next one finds them there, for as long as the collector has not.
"""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank.chunks.hashing import StreamHash
from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.chunks.writer import ChunkWriter
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.reader import StreamReader
from karbor.services.protection.bank.streams.stored import PlacedChunk, StoredStream
from karbor.services.protection.bank.streams.writer import StreamWriter

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection
    from karbor.services.protection.progress import ResourceProgress


def copy_stream(
    source: "BankSection",
    target: "BankSection",
    name: str,
    progress: "ResourceProgress | None" = None,
) -> manifest.StreamInfo:
    """Copy one stream to another section, or replace it there; durable when it returns.

    :param progress: told the bytes of the stream that are in the target
    :raises BankGetObjectFailed: when there is no such stream
    :raises BankDataCorrupted: naming section, stream and chunk of the source
    :raises DataKeyUnavailable: when either bank is encrypted and has no key
    :raises BankException: when either bank fails
    """
    stored = StoredStream(source, name)
    options = _with_chunks_of(stored.info, target.bank.stream_options)
    if target.project_id is not None:
        space = target.chunk_space(name, "")
        writer = ChunkWriter(
            space, level=options.zstd_level, inline_limit=options.inline_limit
        )
        if writer.hash.agrees_with(stored.hash):
            return _ChunkCopy(stored, target, writer, options, progress).run()
    with StreamReader(source, name, options) as stream:
        return StreamWriter(target, name, options, progress).write(iter(stream))


def _with_chunks_of(info: manifest.StreamInfo, options: StreamOptions) -> StreamOptions:
    return dataclasses.replace(
        options,
        chunk_size=info.chunk_size,
        max_bytes_in_flight=max(options.max_bytes_in_flight, info.chunk_size),
    )


class _ChunkCopy:
    """One attempt to copy a stream whose digests the target makes as well."""

    def __init__(
        self,
        stored: StoredStream,
        target: "BankSection",
        writer: ChunkWriter,
        options: StreamOptions,
        progress: "ResourceProgress | None",
    ) -> None:
        self._stored = stored
        self._target = target
        self._writer = writer
        self._options = options
        self._progress = progress
        own = target.chunk_space(stored.info.name, "").section
        space = stored.space.section
        # Chunks that both streams share: nothing is moved, and so all is read, or
        # nothing would be checked.
        self._shares = (
            space.bank.plugin is own.bank.plugin and space.prefix == own.prefix
        )

    def run(self) -> manifest.StreamInfo:
        """
        :raises BankUpdateObjectFailed: naming the stream in the target and the part
        """
        pages = []
        stored_length = 0
        workers = ThreadPoolExecutor(self._options.worker_threads, "stream-copy")
        whole = StreamHash(self._stored.hash)
        try:
            for number in range(len(self._stored.manifest.pages)):
                chunks = self._stored.page(number)
                whole.update(whole.of_page(placed.chunk.digest for placed in chunks))
                # The futures of a page hold references; chunks are in memory only
                # while a worker has them.
                refs = list(workers.map(self._copy, chunks))
                pages.append(self._put_page(number, refs))
                stored_length += sum(ref.stored_length for ref in refs)
        finally:
            workers.shutdown(cancel_futures=True)
        if whole.hexdigest() != self._stored.info.digest:
            raise self._stored.corrupted(
                "the digest of the whole is not the manifest's"
            )
        return self._commit(tuple(pages), stored_length)

    def _copy(self, placed: PlacedChunk) -> ChunkRef:
        with self._naming(f"chunk {placed.index}"):
            ref = self._share(placed) if self._shares else self._move(placed)
        if self._progress is not None:
            self._progress.advance(placed.chunk.length)
        return ref

    def _move(self, placed: PlacedChunk) -> ChunkRef:
        chunk = placed.chunk
        if chunk.is_zero:
            self._stored.read(placed)
            return self._writer.zeros(chunk.length)
        return self._writer.ensure(
            chunk.digest, chunk.length, lambda: self._stored.read(placed)
        )

    def _share(self, placed: PlacedChunk) -> ChunkRef:
        chunk = placed.chunk
        data = self._stored.read(placed, heal=False)
        if chunk.name is None or self._writer.relies_on(chunk.name):
            return chunk
        return self._writer.ensure(chunk.digest, chunk.length, lambda: data)

    def _put_page(self, number: int, refs: list[ChunkRef]) -> manifest.Page:
        with self._naming(f"page {number}"):
            ref = self._writer.put(manifest.page_to_bytes(refs))
        return manifest.Page(ref, len(refs))

    def _commit(
        self, pages: tuple[manifest.Page, ...], stored_length: int
    ) -> manifest.StreamInfo:
        info = dataclasses.replace(self._stored.info, stored_length=stored_length)
        key = self._writer.key
        sealed = manifest.Manifest(
            info,
            self._target.prefix,
            uuid.uuid4().hex,
            self._target.project_id,
            None if key is None else key.id,
            pages,
        ).to_json(self._writer.hash)
        with self._naming("its manifest"):
            self._target.update_object(manifest.MANIFESTS + info.name, sealed)
        return info

    @contextlib.contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        """Have what the target raises name the stream and the part."""
        try:
            yield
        except exception.BankUpdateObjectFailed as error:
            section, name = self._target.prefix, self._stored.info.name
            raise exception.BankUpdateObjectFailed(
                key=section + name,
                reason=f"copying to stream {name!r} of {section}: {what}: {error}",
            ) from error
