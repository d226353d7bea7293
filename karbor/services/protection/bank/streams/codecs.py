# SPDX-License-Identifier: Apache-2.0
"""How the bytes of a chunk are hashed and stored."""

import functools
import hashlib
import threading
from collections.abc import Callable
from typing import Any

import zstandard

RAW = "raw"
ZSTD = "zstd"
SHA256 = "sha256"

#: Names a manifest may give, and what they stand for.
HASHES: dict[str, Callable[..., Any]] = {SHA256: hashlib.sha256}
CODECS = frozenset({RAW, ZSTD})

# Four slices of a chunk tell whether the rest is worth compressing: 1.5% of a
# chunk of 4 MiB.
_SAMPLES = 4
_SAMPLE_SIZE = 16 * 1024
# Stored compressed only when that saves at least a sixteenth.
_WORTHWHILE = 15 / 16


class CodecError(ValueError):
    """Stored bytes are not what their codec makes; the text says why."""


class Compressor:
    """Compresses chunks; one zstd context per thread that uses it.

    :param level: zstd level
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._local = threading.local()

    def encode(self, chunk: memoryview) -> tuple[str, bytes | memoryview]:
        """The codec chosen for a chunk, and the bytes to store.

        :returns: ``("raw", chunk)`` itself when compression does not help
        """
        context = self._context()
        if not self._is_worthwhile(context, chunk):
            return RAW, chunk
        compressed = context.compress(chunk)
        if len(compressed) > len(chunk) * _WORTHWHILE:
            return RAW, chunk
        return ZSTD, compressed

    def _context(self) -> zstandard.ZstdCompressor:
        if not hasattr(self._local, "context"):
            self._local.context = zstandard.ZstdCompressor(
                level=self._level, write_content_size=True
            )
        context: zstandard.ZstdCompressor = self._local.context
        return context

    @staticmethod
    def _is_worthwhile(context: zstandard.ZstdCompressor, chunk: memoryview) -> bool:
        if len(chunk) <= 2 * _SAMPLES * _SAMPLE_SIZE:
            return True
        stride = (len(chunk) - _SAMPLE_SIZE) // (_SAMPLES - 1)
        packed = sum(
            len(context.compress(chunk[start : start + _SAMPLE_SIZE]))
            for start in range(0, len(chunk) - _SAMPLE_SIZE + 1, stride)
        )
        return packed <= _SAMPLES * _SAMPLE_SIZE * _WORTHWHILE


class Decompressor:
    """Gives back the chunks that :class:`Compressor` stored."""

    def __init__(self) -> None:
        self._local = threading.local()

    def decode(self, codec: str, stored: bytes, length: int) -> bytes:
        """The bytes of a chunk.

        :param length: bytes that the chunk has; no more than these are ever made,
            whatever the stored bytes say
        :raises CodecError: when the stored bytes are damaged
        """
        if codec == RAW:
            if len(stored) != length:
                raise CodecError(f"it has {len(stored)} bytes instead of {length}")
            return stored
        # Bits of the frame header's descriptor that decoders pass over, and that are
        # always zero (RFC 8878, 3.1.1.1.1).
        if len(stored) > 4 and stored[4] & 0x18:
            raise CodecError("its frame header is damaged")
        try:
            claimed = zstandard.frame_content_size(stored)
            if claimed != length:
                raise CodecError(f"it unpacks to {claimed} bytes instead of {length}")
            return self._context().decompress(stored, max_output_size=length)
        except zstandard.ZstdError as error:
            raise CodecError(f"it cannot be unpacked: {error}") from error

    def _context(self) -> zstandard.ZstdDecompressor:
        if not hasattr(self._local, "context"):
            self._local.context = zstandard.ZstdDecompressor()
        context: zstandard.ZstdDecompressor = self._local.context
        return context


@functools.lru_cache(maxsize=4)
def zeros(length: int) -> bytes:
    """So many zero bytes; the few lengths in use are shared."""
    return bytes(length)


@functools.lru_cache(maxsize=16)
def digest_of_zeros(hash_name: str, length: int) -> str:
    """The hex digest of so many zero bytes."""
    digest: str = HASHES[hash_name](zeros(length)).hexdigest()
    return digest


def is_zero(buffer: bytearray, length: int, full: bytes) -> bool:
    """Whether the first ``length`` bytes of a buffer are all zero.

    Comparing whole objects is one memcmp, which stops at the first difference;
    comparing memoryviews goes byte by byte.

    :param full: zeros of the buffer's whole size
    """
    if buffer[0] or buffer[length - 1]:
        return False
    if length == len(buffer):
        return buffer == full
    return buffer.startswith(full[:length])
