# SPDX-License-Identifier: Apache-2.0
"""How the bytes of a chunk are compressed."""

import functools
import threading

import zstandard

RAW = "raw"
ZSTD = "zstd"

# Four slices of a chunk tell whether the rest is worth compressing: 1.5% of a
# chunk of 4 MiB.
_SAMPLES = 4
_SAMPLE_SIZE = 16 * 1024
# Stored compressed only when that saves at least a sixteenth.
_WORTHWHILE = 15 / 16
# zstd's first fast level, and how much larger it may leave a sample.
_FAST_LEVEL = -1
_AS_GOOD = 1.02
# What a higher level finds lies further apart than the slices above are long.
_LONG_SAMPLE_SIZE = 128 * 1024


class CodecError(ValueError):
    """Stored bytes are not what their codec makes; the text says why."""


class Compressor:
    """Compresses chunks; its zstd contexts are each thread's own.

    Where a sample of a chunk packs as well at zstd's fast level as at the level
    asked for, the fast one packs the chunk: on data that is half noise it is four
    times as fast for the same size.

    :param level: zstd level, the highest that is used
    """

    def __init__(self, level: int) -> None:
        self._levels = (level, min(level, _FAST_LEVEL))
        self._local = threading.local()

    def encode(self, chunk: memoryview) -> tuple[str, bytes | memoryview]:
        """The codec chosen for a chunk, and the bytes to store.

        :returns: ``("raw", chunk)`` itself when compression does not help
        """
        context = self._choose(chunk)
        if context is None:
            return RAW, chunk
        compressed = context.compress(chunk)
        if len(compressed) > len(chunk) * _WORTHWHILE:
            return RAW, chunk
        return ZSTD, compressed

    def _choose(self, chunk: memoryview) -> zstandard.ZstdCompressor | None:
        """The context to compress a chunk with, None when it is not worthwhile."""
        thorough, fast = self._contexts()
        if len(chunk) <= 2 * _SAMPLES * _SAMPLE_SIZE:
            return thorough
        stride = (len(chunk) - _SAMPLE_SIZE) // (_SAMPLES - 1)
        samples = [
            chunk[start : start + _SAMPLE_SIZE]
            for start in range(0, len(chunk) - _SAMPLE_SIZE + 1, stride)
        ]
        packed = sum(len(thorough.compress(sample)) for sample in samples)
        if packed > _SAMPLES * _SAMPLE_SIZE * _WORTHWHILE:
            return None
        if thorough is fast:
            return thorough
        middle = (len(chunk) - _LONG_SAMPLE_SIZE) // 2
        sample = chunk[max(0, middle) : max(0, middle) + _LONG_SAMPLE_SIZE]
        packed = len(thorough.compress(sample))
        return fast if len(fast.compress(sample)) <= packed * _AS_GOOD else thorough

    def _contexts(self) -> tuple[zstandard.ZstdCompressor, zstandard.ZstdCompressor]:
        if not hasattr(self._local, "contexts"):
            made = {
                level: zstandard.ZstdCompressor(level=level, write_content_size=True)
                for level in self._levels
            }
            thorough, fast = self._levels
            self._local.contexts = made[thorough], made[fast]
        contexts: tuple[zstandard.ZstdCompressor, zstandard.ZstdCompressor]
        contexts = self._local.contexts
        return contexts


class Decompressor:
    """Gives back the chunks that :class:`Compressor` stored."""

    def __init__(self) -> None:
        self._local = threading.local()

    def decode(
        self, codec: str, stored: bytes | memoryview, length: int
    ) -> bytes | memoryview:
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
