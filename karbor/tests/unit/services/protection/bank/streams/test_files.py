# SPDX-License-Identifier: Apache-2.0
"""Streams that come from files, and go into files."""

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams import sources
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.tests.fakes.bank import MemoryBankPlugin

# A filesystem keeps holes in blocks of 4096 bytes.
CHUNK = 8192
OPTIONS = StreamOptions(chunk_size=CHUNK, max_bytes_in_flight=4 * CHUNK)
SECTION = "/checkpoints/cp-1/resource-data/volume-1"


def make_section(plugin=None):
    return Bank(plugin or MemoryBankPlugin(), OPTIONS).get_sub_section(SECTION)


def sparse_file(path, extents, size):
    """A file of so many bytes, with random ones at ``{start: length}``."""
    with open(path, "wb") as file:
        file.truncate(size)
        for start, length in extents.items():
            file.seek(start)
            file.write(random.Random(start).randbytes(min(length, size - start)))
    return path.read_bytes()


def allocated(path):
    return os.stat(path).st_blocks * 512


@pytest.mark.parametrize(
    ("extents", "size"),
    [
        ({}, 0),
        ({}, 1),
        ({}, 40 * CHUNK),
        ({}, 40 * CHUNK + 5),
        ({0: 5}, 40 * CHUNK),
        ({39 * CHUNK: CHUNK}, 40 * CHUNK),
        ({12 * CHUNK + 100: 2 * CHUNK}, 40 * CHUNK + 17),
        ({3 * CHUNK: CHUNK, 30 * CHUNK + 1: 1}, 40 * CHUNK - 1),
    ],
)
def test_a_sparse_file_comes_back_sparse(tmp_path, extents, size):
    data = sparse_file(tmp_path / "volume", extents, size)
    section = make_section()
    with open(tmp_path / "volume", "rb", buffering=0) as source:
        info = section.write_stream("disk", source)
    with (
        section.open_stream("disk") as stream,
        open(tmp_path / "back", "wb") as target,
    ):
        stream.write_to(target)

    assert info.length == size
    assert (tmp_path / "back").read_bytes() == data
    assert allocated(tmp_path / "back") <= sum(extents.values()) + 4 * CHUNK * len(
        extents
    )


def test_the_same_bytes_make_the_same_stream_with_and_without_holes(tmp_path):
    data = sparse_file(tmp_path / "volume", {5 * CHUNK: 9 * CHUNK}, 40 * CHUNK + 3)
    section = make_section()
    with open(tmp_path / "volume", "rb", buffering=0) as source:
        sparse = section.write_stream("sparse", source)

    assert section.write_stream("full", data).digest == sparse.digest


def test_holes_are_not_read(tmp_path, monkeypatch):
    sparse_file(tmp_path / "volume", {3 * CHUNK: CHUNK}, 1000 * CHUNK)
    fills = []
    fill = sources.Source.fill
    monkeypatch.setattr(
        sources.Source,
        "fill",
        lambda self, view: fills.append(len(view)) or fill(self, view),
    )
    with open(tmp_path / "volume", "rb", buffering=0) as source:
        make_section().write_stream("disk", source)

    assert len(fills) <= 3


def test_a_filesystem_that_tells_nothing_of_holes_is_read(tmp_path, monkeypatch):
    data = sparse_file(tmp_path / "volume", {CHUNK: 5}, 6 * CHUNK)

    def refuse(descriptor, position, how):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "lseek", refuse)
    section = make_section()
    with open(tmp_path / "volume", "rb", buffering=0) as source:
        section.write_stream("disk", source)

    assert section.open_stream("disk").read() == data


def test_progress_is_told_the_bytes_of_holes(tmp_path):
    sparse_file(tmp_path / "volume", {3 * CHUNK: CHUNK}, 1000 * CHUNK + 1)
    operation = OperationProgress()
    progress = ResourceProgress(operation)
    with open(tmp_path / "volume", "rb", buffering=0) as source:
        make_section().write_stream("disk", source, progress=progress)

    assert operation.snapshot()["bytes_done"] == 1000 * CHUNK + 1


def test_a_stream_goes_on_where_the_file_is(tmp_path):
    data = random.Random(1).randbytes(5 * CHUNK)
    (tmp_path / "volume").write_bytes(b"head" + data)
    section = make_section()
    with open(tmp_path / "volume", "rb", buffering=0) as source:
        source.read(4)
        section.write_stream("disk", source)
    with section.open_stream("disk") as stream, open(tmp_path / "back", "wb") as target:
        target.write(b"head")
        stream.write_to(target)
        target.write(b"tail")

    assert section.open_stream("disk").read() == data
    assert (tmp_path / "back").read_bytes() == b"head" + data + b"tail"


@given(
    zeros=st.lists(st.booleans(), min_size=1, max_size=12),
    last=st.integers(1, CHUNK),
    taken=st.integers(0, 3 * CHUNK),
    before=st.integers(0, 12 * CHUNK),
)
@settings(max_examples=60, deadline=None)
def test_what_a_file_had_before_does_not_show_through(
    tmp_path_factory, zeros, last, taken, before
):
    path = tmp_path_factory.mktemp("target") / "back"
    data = b"".join(bytes(CHUNK) if zero else os.urandom(CHUNK) for zero in zeros)
    data = data[: len(data) - CHUNK + last]
    path.write_bytes(b"\xff" * before)
    section = make_section()
    section.write_stream("disk", data)
    with section.open_stream("disk") as stream, open(path, "r+b") as target:
        head = stream.read(taken)
        stream.write_to(target)

    found = path.read_bytes()
    assert head + found[: len(data) - len(head)] == data
    assert set(found[len(data) - len(head) :]) <= {0xFF}


def test_a_stream_of_karbor_1_goes_into_a_file(tmp_path):
    plugin = MemoryBankPlugin()
    section = make_section(plugin)
    for number in (1, 2, 3):
        section.update_object(f"data_{number}", bytes([number]) * 100)
    with section.open_stream("data") as stream, open(tmp_path / "back", "wb") as target:
        stream.write_to(target)

    assert (tmp_path / "back").read_bytes() == b"\1" * 100 + b"\2" * 100 + b"\3" * 100


def test_a_damaged_chunk_is_not_written(tmp_path):
    plugin = MemoryBankPlugin()
    section = make_section(plugin)
    section.write_stream("disk", os.urandom(5 * CHUNK))
    damaged = next(key for key in plugin.list_objects() if "/data/" in key)
    plugin.update_object(damaged, b"x" * CHUNK)
    with (
        section.open_stream("disk") as stream,
        open(tmp_path / "back", "wb") as target,
        pytest.raises(exception.BankDataCorrupted),
    ):
        stream.write_to(target)

    assert b"x" * CHUNK not in (tmp_path / "back").read_bytes()


def test_a_closed_stream_is_not_written(tmp_path):
    section = make_section()
    section.write_stream("disk", b"bytes")
    stream = section.open_stream("disk")
    stream.close()
    with (
        open(tmp_path / "back", "wb") as target,
        pytest.raises(ValueError, match="closed"),
    ):
        stream.write_to(target)
