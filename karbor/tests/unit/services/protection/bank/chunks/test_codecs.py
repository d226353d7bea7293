# SPDX-License-Identifier: Apache-2.0
"""What the compressor chooses for a chunk, and that it all comes back."""

import os
import pathlib
import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from karbor.services.protection.bank.chunks import codecs

MIB = 1024 * 1024
SOURCE = pathlib.Path(codecs.__file__).read_bytes()

CHUNKS = {
    "noise": os.urandom(MIB),
    "half noise": b"".join(os.urandom(2048) + b"\x55" * 2048 for _ in range(256)),
    "text": (SOURCE * (MIB // len(SOURCE) + 1))[:MIB],
    "one byte": b"x",
}


@pytest.mark.parametrize("name", CHUNKS)
@pytest.mark.parametrize("level", [-3, 1, 3])
def test_a_chunk_comes_back_whatever_was_chosen(name, level):
    chunk = CHUNKS[name]
    codec, stored = codecs.Compressor(level).encode(memoryview(chunk))
    back = codecs.Decompressor().decode(codec, bytes(stored), len(chunk))
    assert back == chunk


@given(st.binary(max_size=300_000), st.integers(1, 4))
def test_any_chunk_comes_back(data, times):
    chunk = data * times
    codec, stored = codecs.Compressor(1).encode(memoryview(chunk))
    assert codecs.Decompressor().decode(codec, bytes(stored), len(chunk)) == chunk


def test_noise_is_stored_as_it_is_without_a_copy():
    chunk = memoryview(CHUNKS["noise"])
    codec, stored = codecs.Compressor(1).encode(chunk)
    assert codec == codecs.RAW
    assert stored is chunk


def compressed(level, chunk):
    return len(zstandard.ZstdCompressor(level=level).compress(chunk))


def test_the_fast_level_is_taken_where_it_packs_as_well():
    chunk = CHUNKS["half noise"]
    _, stored = codecs.Compressor(1).encode(memoryview(chunk))
    assert len(stored) == compressed(-1, chunk)


def test_the_level_asked_for_is_taken_where_it_packs_better():
    chooser = random.Random(20261120)
    words = [chooser.randbytes(5) for _ in range(2000)]
    chunk = b" ".join(chooser.choice(words) for _ in range(MIB // 6))
    assert compressed(3, chunk) < compressed(-1, chunk) * 0.95
    _, stored = codecs.Compressor(3).encode(memoryview(chunk))
    assert len(stored) == compressed(3, chunk)
