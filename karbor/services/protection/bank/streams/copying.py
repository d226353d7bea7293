# SPDX-License-Identifier: Apache-2.0
"""Copying a stream chunk by chunk: only what the target lacks is moved.

Where both digest alike, a chunk's digest tells whether the target has it, and it is
not even read. Where they do not, because the banks have different keys, every chunk
is read, and the target's own digest of it tells. Chunks keep their borders, or none
of them would be among those that the target has.

A copy that was cut off has made no stream, and its chunks lie in the target's space,
where the next one finds them. So that no collection takes them meanwhile, what is
copied of a long stream is a stream of its own, in a section where nobody looks for
one, until all of it is. It goes when the copy is complete, or with the section.
"""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank.batches import ObjectBatch, start_batch
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

LOG = logging.getLogger(__name__)

#: The section, in that of the stream, with what is copied of it so far.
UNFINISHED = ".unfinished"


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
    options = target.bank.stream_options
    shares = source.bank.plugin is target.bank.plugin
    # What both will share is checked as it is in the bank, and by no cache.
    stored = StoredStream(source.uncached if shares else source, name)
    shares = shares and stored.manifest.project_id == target.project_id
    if target.project_id is not None:
        with start_batch(target.bank.plugin) as batch:
            return _ChunkCopy(stored, target, options, shares, progress, batch).run()
    options = _with_chunks_of(stored.info, options)
    with StreamReader(source, name, options) as stream:
        return StreamWriter(target, name, options, progress).write(iter(stream))


def _with_chunks_of(info: manifest.StreamInfo, options: StreamOptions) -> StreamOptions:
    return dataclasses.replace(
        options,
        chunk_size=info.chunk_size,
        max_bytes_in_flight=max(options.max_bytes_in_flight, info.chunk_size),
    )


class _Copied:
    """What is in the target so far; used by one thread.

    :param batch: what the writer puts into
    """

    def __init__(self, writer: ChunkWriter, batch: ObjectBatch) -> None:
        self._writer = writer
        self._batch = batch
        self._whole = StreamHash(writer.hash)
        self._pages: list[manifest.Page] = []
        self._length = 0
        self._stored_length = 0

    def add(self, refs: list[ChunkRef]) -> None:
        """Take the chunks of the next page, and put it."""
        ref = self._writer.put(manifest.page_to_bytes(refs))
        self._pages.append(manifest.Page(ref, len(refs)))
        self._whole.update(self._whole.of_page(chunk.digest for chunk in refs))
        self._length += sum(chunk.length for chunk in refs)
        self._stored_length += sum(chunk.stored_length for chunk in refs)

    def commit(
        self, section: "BankSection", source: manifest.StreamInfo
    ) -> manifest.StreamInfo:
        """Make a stream of it, under the source's name; durable when it returns."""
        # The manifest refers to it: it comes first, also what another has put.
        self._batch.flush()
        info = dataclasses.replace(
            source,
            length=self._length,
            digest=self._whole.hexdigest(),
            hash_name=self._writer.hash.name,
            chunk_count=sum(page.chunks for page in self._pages),
            stored_length=self._stored_length,
        )
        key = self._writer.key
        sealed = manifest.Manifest(
            info,
            section.prefix,
            uuid.uuid4().hex,
            section.project_id,
            None if key is None else key.id,
            tuple(self._pages),
        ).to_json(self._writer.hash)
        section.update_object(manifest.MANIFESTS + info.name, sealed)
        return info


class _ChunkCopy:
    """One attempt to copy a stream into a project's chunk space.

    Chunks are in memory only while one of the workers has them.

    :param shares: source and target have one chunk space
    :param batch: of the target, for the chunks
    """

    def __init__(
        self,
        stored: StoredStream,
        target: "BankSection",
        options: StreamOptions,
        shares: bool,
        progress: "ResourceProgress | None",
        batch: ObjectBatch,
    ) -> None:
        self._stored = stored
        self._target = target
        self._batch = batch
        self._progress = progress
        self._threads = options.worker_threads
        space = target.chunk_space(stored.info.name, "")
        self._writer = ChunkWriter(
            space,
            level=options.zstd_level,
            inline_limit=options.inline_limit,
            batch=batch,
        )
        self._agrees = self._writer.hash.agrees_with(stored.hash)
        # Of chunks that both streams share none is moved, and so all are read, or
        # nothing would be checked.
        self._shares = self._agrees and shares

    def run(self) -> manifest.StreamInfo:
        """
        :raises BankUpdateObjectFailed: naming the stream in the target and the part
        """
        stored = self._stored
        whole = StreamHash(stored.hash)
        copied = _Copied(self._writer, self._batch)
        unfinished = self._target.get_sub_section(UNFINISHED)
        last = len(stored.manifest.pages) - 1
        workers = ThreadPoolExecutor(self._threads, "stream-copy")
        try:
            for number in range(last + 1):
                chunks = stored.page(number)
                whole.update(whole.of_page(placed.chunk.digest for placed in chunks))
                refs = list(workers.map(self._copy, chunks))
                with self._naming(f"page {number}"):
                    copied.add(refs)
                    if number < last:
                        copied.commit(unfinished, stored.info)
        finally:
            workers.shutdown(cancel_futures=True)
        if whole.hexdigest() != stored.info.digest:
            raise stored.corrupted("the digest of the whole is not the manifest's")
        with self._naming("its manifest"):
            info = copied.commit(self._target, stored.info)
        if last > 0:
            self._forget(unfinished)
        return info

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
        if not self._agrees:
            return self._writer.put(self._stored.read(placed))
        return self._writer.ensure(
            chunk.digest, chunk.length, lambda: self._stored.read(placed)
        )

    def _share(self, placed: PlacedChunk) -> ChunkRef:
        chunk = placed.chunk
        data = self._stored.read(placed, heal=False)
        if chunk.name is None or self._writer.relies_on(chunk.name):
            return chunk
        return self._writer.ensure(chunk.digest, chunk.length, lambda: data)

    def _forget(self, unfinished: "BankSection") -> None:
        try:
            unfinished.delete_stream(self._stored.info.name)
        except exception.BankException as error:
            # It refers to nothing that the stream does not refer to as well.
            LOG.warning(
                "What was noted of the unfinished copy stays in %s until that is "
                "deleted: %s",
                unfinished.prefix,
                error,
            )

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
