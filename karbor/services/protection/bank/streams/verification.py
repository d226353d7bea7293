# SPDX-License-Identifier: Apache-2.0
"""Verifying a stream: its manifest and pages always, of its chunks what is asked for.

A page is read at any depth: it tells which chunks there must be. That and the digest
of the whole, which is made of those of the chunks, prove that no chunk is missing in
the list, or in another's place.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank.chunks.hashing import StreamHash
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.bank.streams import legacy
from karbor.services.protection.bank.streams.manifest import StreamInfo
from karbor.services.protection.bank.streams.stored import PlacedChunk, StoredStream

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection
    from karbor.services.protection.progress import ResourceProgress


def verify_stream(
    section: "BankSection",
    name: str,
    depth: Depth,
    progress: "ResourceProgress | None" = None,
) -> StreamInfo:
    """Check one stream.

    Chunks are looked at or read in as many threads as the bank's options say; memory
    holds one chunk for each. Nothing is healed: a check wants to know.

    :param section: of a bank that no cache answers for
    :param progress: told the bytes of the stream that were looked at or read
    :raises BankGetObjectFailed: when there is no such stream
    :raises BankDataCorrupted: naming section, stream and chunk
    :raises DataKeyUnavailable: when the stream is encrypted and the key is not there
    """
    try:
        stored = StoredStream(section, name)
    except exception.BankGetObjectFailed:
        if not legacy.is_alone(section, name):
            raise
        return _verify_legacy(section, name, depth, progress)
    whole = StreamHash(stored.hash)
    chosen = depth.choose(stored.info.chunk_count)
    check = functools.partial(_check, stored, progress)
    workers = ThreadPoolExecutor(
        section.bank.stream_options.worker_threads, "stream-verify"
    )
    try:
        for number in range(len(stored.manifest.pages)):
            chunks = stored.page(number, heal=False)
            whole.update(whole.of_page(placed.chunk.digest for placed in chunks))
            for _ in workers.map(check, chunks, [next(chosen) for _ in chunks]):
                pass
    finally:
        workers.shutdown(cancel_futures=True)
    if whole.hexdigest() != stored.info.digest:
        raise stored.corrupted("the digest of the whole is not the manifest's")
    return stored.info


def _verify_legacy(
    section: "BankSection",
    name: str,
    depth: Depth,
    progress: "ResourceProgress | None",
) -> StreamInfo:
    """Its objects carry nothing to check one of them with, so a sample is all."""
    with legacy.LegacyStreamReader(section, name) as stream:
        if depth.level is not Level.OBJECTS:
            for piece in stream:
                if progress is not None:
                    progress.advance(len(piece))
        return stream.info


def _check(
    stored: StoredStream,
    progress: "ResourceProgress | None",
    placed: PlacedChunk,
    is_read: bool,
) -> None:
    if is_read:
        stored.read(placed, heal=False)
    else:
        stored.look_at(placed)
    if progress is not None:
        progress.advance(placed.chunk.length)
