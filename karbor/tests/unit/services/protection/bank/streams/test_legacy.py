# SPDX-License-Identifier: Apache-2.0
"""Streams that Karbor 1.x wrote are read."""

import hashlib
import io

import pytest

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.tests.fakes.file_system_bank import file_system_bank
from karbor.tests.fakes.karbor1_bank import Karbor1Bank

UTF_8 = ("grün " * 50_000).encode()
ANY = bytes(range(256)) * 1000


@pytest.fixture
def old(tmp_path):
    return Karbor1Bank(tmp_path / "karbor")


@pytest.fixture
def section(tmp_path):
    bank = Bank(file_system_bank(tmp_path))
    return bank.get_sub_section("checkpoints/c/resource-data/i")


CASES = [
    (3, UTF_8),
    (3, b""),
    (3, bytes(65536)),
    (3, b'{"json": 1}'),
    (2, UTF_8),
    (2, ANY),
    (2, bytes(3 * 65536)),
]


@pytest.mark.parametrize(("python", "data"), CASES)
def test_a_stream_comes_back_as_it_was(old, section, python, data):
    old.python = python
    # A cut inside a character would not have survived Python 3.
    old.image("c", "i", data, object_size=6 * 10_000)
    with section.open_stream("data") as stream:
        assert stream.readall() == data
        assert stream.info.length == len(data)
        assert stream.info.digest == hashlib.sha256(data).hexdigest()
    with section.open_stream("data") as stream:
        assert b"".join(stream) == data
    with section.open_stream("data") as stream:
        pieces = list(iter(lambda: stream.read(4097), b""))
    assert b"".join(pieces) == data
    assert {len(piece) for piece in pieces[:-1]} <= {4097}
    with io.BufferedReader(section.open_stream("data")) as stream:
        assert stream.read() == data
    assert section.verify_stream("data").length == len(data)


def test_more_than_nine_objects_come_in_order(old, section):
    data = bytes(range(26)) * 100
    old.image("c", "i", data, object_size=200)
    with section.open_stream("data") as stream:
        assert stream.readall() == data
        assert stream.info.chunk_count == 14


@pytest.mark.parametrize("number", [1, 2, 10])
def test_a_lost_object_is_named(old, section, number):
    old.image("c", "i", b"x" * 2600, object_size=200)
    section.delete_object(f"data_{number}")
    with pytest.raises(exception.BankDataCorrupted, match=f"data_{number} is lost"):
        section.open_stream("data")


def test_data_that_reads_as_json_is_not_guessed(old, section):
    old.python = 2
    old.image("c", "i", b"12345")
    with (
        section.open_stream("data") as stream,
        pytest.raises(exception.BankDataCorrupted, match="JSON"),
    ):
        stream.readall()


def test_a_stream_of_this_release_comes_first(old, section):
    old.image("c", "i", b"old")
    section.write_stream("data", [b"new"])
    with section.open_stream("data") as stream:
        assert stream.readall() == b"new"


def test_a_stream_that_is_not_there_is_not_found(old, section):
    old.image("c", "i", b"old")
    for name in ("dat", "data_1", "other"):
        with pytest.raises(exception.BankGetObjectFailed):
            section.open_stream(name)


def test_a_damaged_manifest_does_not_bring_old_data_back(old, section):
    old.image("c", "i", b"old")
    section.write_stream("data", [b"new"])
    section.update_object(".streams/by-name/data", "rubbish")
    with pytest.raises(exception.BankDataCorrupted, match="manifest"):
        section.open_stream("data")


def test_a_copied_section_reads_the_same(old, section):
    old.python = 2
    old.image("c", "i", ANY)
    copy = section.bank.get_sub_section("copy")
    section.copy_to(copy)
    with copy.open_stream("data") as stream:
        assert stream.readall() == ANY
