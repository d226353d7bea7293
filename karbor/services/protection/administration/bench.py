# SPDX-License-Identifier: Apache-2.0
"""How fast this machine and a bank do each stage of a protect and a restore."""

import hashlib
import itertools
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from karbor.services.protection.bank.chunks import codecs, names
from karbor.services.protection.bank.chunks.space import ChunkSpace
from karbor.services.protection.bank.sections import Bank

MIB = 1024 * 1024
#: Where the bench keeps its objects, to be deleted in the end.
FOLDER = "benchmarks"

# Chunks that stages without the bank go through again and again.
_IN_MEMORY = 8
_TAG_SIZE = 16


class Bench:
    """Runs each stage over as much data, one after the other.

    What it writes is in a section of its own that no checkpoint and no project has
    anything to do with.

    :param megabytes: how much data, in MiB; rounded up to whole chunks. Half of each
        page of 4 KiB is noise, so that it compresses to about half.
    """

    def __init__(self, bank: Bank, megabytes: int = 256) -> None:
        self._bank = bank
        self._options = bank.stream_options
        size = self._options.chunk_size
        self._count = max(1, -(-megabytes * MIB // size))
        self._total = self._count * size
        self._packed = 0
        self._speeds: dict[str, float] = {}

    def run(self) -> dict[str, Any]:
        """Measure, and leave nothing in the bank.

        :returns: ``{"chunk_size": bytes, "chunks": …, "mib_per_second": {stage: …}}``;
            ``read`` is a local file; ``zero_test`` (of zeros, which takes longest),
            ``hash``, ``compress`` and ``encrypt`` are one thread; ``put``, ``find``
            (one listing for each chunk) and ``get`` are the bank's plugin in one
            thread with raw chunks; ``write_stream`` and ``read_stream`` are everything
            together but ``encrypt``
        :raises BankException: when the bank fails
        """
        section = self._bank.get_sub_section(f"{FOLDER}/{uuid.uuid4().hex}")
        chunks = [_chunk(self._options.chunk_size) for _ in range(_IN_MEMORY)]
        with tempfile.TemporaryFile(buffering=0) as file:
            for _ in range(self._count):
                # All different: a stream stores what repeats in it once.
                file.write(_chunk(self._options.chunk_size))
            os.fsync(file.fileno())
            self._measure("read", lambda: self._read(file))
            self._measure_memory(chunks)
            try:
                self._measure_objects(ChunkSpace(section), chunks)
                file.seek(0)
                self._measure(
                    "write_stream", lambda: section.write_stream("stream", file)
                )
                with section.open_stream("stream") as stream:
                    self._measure("read_stream", lambda: [None for _ in stream])
            finally:
                section.delete_all()
        return {
            "processors": os.cpu_count(),
            "chunk_size": self._options.chunk_size,
            "chunks": self._count,
            "bytes": self._total,
            "compressed_bytes": self._packed,
            "worker_threads": self._options.worker_threads,
            "zstd_level": self._options.zstd_level,
            "mib_per_second": self._speeds,
        }

    def _read(self, file: FileIO) -> None:
        file.seek(0)
        buffer = bytearray(self._options.chunk_size)
        while file.readinto(buffer):
            pass

    def _measure_memory(self, chunks: list[bytes]) -> None:
        size = self._options.chunk_size
        zeros = codecs.zeros(size)
        buffer = bytearray(size)
        compressor = codecs.Compressor(self._options.zstd_level)
        cipher = AESGCM(AESGCM.generate_key(256))
        room = bytearray(size + _TAG_SIZE)

        def compress(chunk: bytes) -> None:
            self._packed += len(compressor.encode(memoryview(chunk))[1])

        self._measure_each(
            "zero_test", chunks, lambda chunk: codecs.is_zero(buffer, size, zeros)
        )
        self._measure_each("hash", chunks, lambda chunk: hashlib.sha256(chunk).digest())
        self._measure_each("compress", chunks, compress)
        self._measure_each(
            "encrypt",
            chunks,
            lambda chunk: cipher.encrypt_into(os.urandom(12), chunk, None, room),
        )

    def _measure_objects(self, space: ChunkSpace, chunks: list[bytes]) -> None:
        """Put, find and get objects as they are put, found and got as chunks."""
        # Objects as many as chunks, of which each is found by a digest of its own.
        digests = [
            hashlib.sha256(number.to_bytes(8)).hexdigest()
            for number in range(self._count)
        ]
        stored = [names.make(digest, self._options.chunk_size) for digest in digests]

        def put() -> None:
            for name, chunk in zip(stored, itertools.cycle(chunks), strict=False):
                space.section.update_object(names.key(name), chunk)

        self._measure("put", put)
        self._measure("find", lambda: [space.find(digest) for digest in digests])
        self._measure(
            "get", lambda: [len(space.section.get_object(names.key(n))) for n in stored]
        )

    def _measure_each(
        self, stage: str, chunks: list[bytes], work: Callable[[bytes], object]
    ) -> None:
        def run() -> None:
            for chunk in itertools.islice(itertools.cycle(chunks), self._count):
                work(chunk)

        self._measure(stage, run)

    def _measure(self, stage: str, work: Callable[[], object]) -> None:
        begun = time.perf_counter()
        work()
        took = time.perf_counter() - begun
        self._speeds[stage] = round(self._total / MIB / took, 1)


def _chunk(size: int) -> bytes:
    """Noise and zeros, half and half in each page."""
    return b"".join(_pages(size))[:size]


def _pages(size: int) -> Iterator[bytes]:
    for _ in range(-(-size // 4096)):
        yield os.urandom(2048)
        yield bytes(2048)
