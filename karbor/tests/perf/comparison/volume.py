# SPDX-License-Identifier: Apache-2.0
"""A file that stands for a volume: made, changed in a few places, and changed back."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

MIB = 1024 * 1024
_BLOCK = 4 * MIB
_PAGE = 4096
_EXTENTS = 4


class Volume:
    """A file of random or half-compressible bytes.

    :param path: of the file
    :param size: bytes
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self._before: list[tuple[int, bytes]] = []

    def make(self, kind: str) -> None:
        """Fill it anew.

        :param kind: ``random``, or ``compressible``: pages half random, half fill, as
            fio makes with buffer_compress_percentage=50
        """
        with self.path.open("wb") as target:
            for size in _blocks(self.size):
                noise = os.urandom(size)
                target.write(noise if kind == "random" else _half_filled(noise))
        self._sync()

    def make_sparse(self, data: int) -> None:
        """Make it a hole with a few extents of random bytes, ``data`` in all."""
        with self.path.open("wb") as target:
            target.truncate(self.size)
            for start, length in _extents(self.size, data, seed=0):
                target.seek(start)
                for size in _blocks(length):
                    target.write(os.urandom(size))
        self._sync()

    def change(self, part: float, seed: int) -> None:
        """Write random bytes over a part of it, in a few extents."""
        with self.path.open("r+b", buffering=0) as target:
            for start, length in _extents(self.size, int(self.size * part), seed):
                target.seek(start)
                self._before.append((start, target.read(length)))
                target.seek(start)
                target.write(os.urandom(length))
        self._sync()

    def change_back(self) -> None:
        """Make it again what it was."""
        with self.path.open("r+b", buffering=0) as target:
            while self._before:
                start, content = self._before.pop()
                target.seek(start)
                target.write(content)
        self._sync()

    def compare(self, other: Path) -> None:
        """Make sure that another file has the same bytes, and remove it.

        :raises CalledProcessError: when it has not
        """
        subprocess.run(["cmp", self.path, other], check=True)
        other.unlink()

    def _sync(self) -> None:
        subprocess.run(["sync", self.path], check=True)


def _extents(size: int, data: int, seed: int) -> Iterator[tuple[int, int]]:
    """Start and length of a few extents that do not touch, on pages."""
    length = data // _EXTENTS // _PAGE * _PAGE
    stride = size // _EXTENTS
    for number, source in enumerate([random.Random(seed)] * _EXTENTS):
        start = number * stride + source.randrange(max(1, stride - length))
        yield start // _PAGE * _PAGE, length


def _half_filled(noise: bytes) -> bytes:
    half = _PAGE // 2
    fill = b"\x55" * half
    return b"".join(
        part
        for start in range(0, len(noise), _PAGE)
        for part in (noise[start : start + half], fill)
    )[: len(noise)]


def _blocks(size: int) -> Iterator[int]:
    for start in range(0, size, _BLOCK):
        yield min(_BLOCK, size - start)
