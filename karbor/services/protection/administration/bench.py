# SPDX-License-Identifier: Apache-2.0
"""How fast this machine and a bank do each stage of a protect and a restore."""

import hashlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from karbor.services.protection.bank.chunks import codecs
from karbor.services.protection.bank.sections import Bank

MIB = 1024 * 1024
#: Where the bench keeps its objects, to be deleted in the end.
FOLDER = "benchmarks"


class Bench:
    """Runs each stage over the same data, one after the other.

    :param megabytes: how much data, in MiB; rounded up to whole chunks. Half of each
        page of 4 KiB is noise, so that it compresses to about half.
    """

    def __init__(self, bank: Bank, megabytes: int = 256) -> None:
        self._bank = bank
        self._options = bank.stream_options
        size = self._options.chunk_size
        self._count = max(1, -(-megabytes * MIB // size))
        self._total = self._count * size

    def run(self) -> dict[str, Any]:
        """Measure, and leave nothing in the bank.

        :returns: ``{"chunk_size": bytes, "chunks": …, "mib_per_second": {stage: …}}``;
            ``read`` is a local file, ``hash`` and ``compress`` are one thread,
            ``put`` and ``get`` are the bank's plugin in one thread with raw chunks,
            ``write_stream`` and ``read_stream`` are everything together
        :raises BankException: when the bank fails
        """
        section = self._bank.get_sub_section(f"{FOLDER}/{uuid.uuid4().hex}")
        compressor = codecs.Compressor(self._options.zstd_level)
        chunks = list(_chunks(min(self._count, 8), self._options.chunk_size))

        def each() -> Iterable[tuple[str, bytes]]:
            return ((f"{i:06}", chunks[i % len(chunks)]) for i in range(self._count))

        def put() -> None:
            for key, chunk in each():
                section.update_object(key, chunk)

        def read_stream() -> None:
            with section.open_stream("stream") as stream:
                for _ in stream:
                    pass

        def read_file() -> None:
            file.seek(0)
            buffer = bytearray(self._options.chunk_size)
            while file.readinto(buffer):
                pass

        speeds = {}
        try:
            with tempfile.TemporaryFile(buffering=0) as file:
                for _, chunk in each():
                    file.write(chunk)
                os.fsync(file.fileno())
                speeds["read"] = self._measure(read_file)
            speeds["hash"] = self._measure(
                lambda: [hashlib.sha256(chunk).digest() for _, chunk in each()]
            )
            packed = 0

            def compress() -> None:
                nonlocal packed
                for _, chunk in each():
                    packed += len(compressor.encode(memoryview(chunk))[1])

            speeds["compress"] = self._measure(compress)
            speeds["put"] = self._measure(put)
            speeds["get"] = self._measure(
                lambda: [section.get_object(key) for key, _ in each()]
            )
            speeds["write_stream"] = self._measure(
                lambda: section.write_stream("stream", (chunk for _, chunk in each()))
            )
            speeds["read_stream"] = self._measure(read_stream)
        finally:
            section.delete_all()
        return {
            "processors": os.cpu_count(),
            "chunk_size": self._options.chunk_size,
            "chunks": self._count,
            "bytes": self._total,
            "compressed_bytes": packed,
            "worker_threads": self._options.worker_threads,
            "zstd_level": self._options.zstd_level,
            "mib_per_second": speeds,
        }

    def _measure(self, stage: Callable[[], Any]) -> float:
        begun = time.perf_counter()
        stage()
        return round(self._total / MIB / (time.perf_counter() - begun), 1)


def _chunks(count: int, size: int) -> Iterator[bytes]:
    for _ in range(count):
        pages = (os.urandom(2048) + bytes(2048) for _ in range(-(-size // 4096)))
        yield b"".join(pages)[:size]
