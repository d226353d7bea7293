# SPDX-License-Identifier: Apache-2.0
"""Sections: what is in them, and that they cannot be left."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank.sections import Bank, BankSection
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.file_system_bank import file_system_bank
from karbor.tests.unit.services.protection.bank.test_keys import BAD_RELATIVE


@pytest.fixture(params=["memory", "file system"])
def bank(request, tmp_path):
    plugin = (
        MemoryBankPlugin()
        if request.param == "memory"
        else file_system_bank(tmp_path / "bank")
    )
    return Bank(
        plugin, StreamOptions(chunk_size=16, max_bytes_in_flight=64, inline_limit=0)
    )


@pytest.fixture
def section(bank):
    bank.update_object("/secret", "of others")
    bank.update_object("/mine-too/secret", "of others")
    return bank.get_sub_section("/mine")


def test_a_section_keeps_its_objects_below_its_prefix(bank, section):
    section.update_object("a/b", {"value": 1})

    assert bank.get_object("/mine/a/b") == {"value": 1}
    assert section.get_object("a/b") == {"value": 1}
    assert section.list_objects() == ["a/b"]
    section.delete_object("a/b")
    assert section.list_objects() == []


def test_a_bank_adds_the_leading_slash(bank):
    bank.update_object("a/b", 1)

    assert bank.get_object("/a/b") == bank.get_object("a/b") == 1
    assert bank.list_objects(prefix="a") == ["/a/b"]
    assert bank.list_objects(marker="a") == ["/a/b"]


@pytest.mark.parametrize("key", BAD_RELATIVE)
def test_no_key_leaves_a_section(bank, section, key):
    before = bank.list_objects()
    for use in (
        lambda: section.update_object(key, "x"),
        lambda: section.get_object(key),
        lambda: section.delete_object(key),
        lambda: section.write_stream(key, b"x"),
        lambda: section.open_stream(key),
        lambda: section.verify_stream(key),
        lambda: section.delete_stream(key),
    ):
        with pytest.raises(exception.InvalidParameterValue):
            use()
    assert bank.list_objects() == before


@pytest.mark.parametrize(
    "name", ["..", "../mine-too", "a/../..", "/", "", "a//b", "\0"]
)
def test_no_name_of_a_section_leaves_a_section(bank, section, name):
    with pytest.raises(exception.InvalidParameterValue):
        section.get_sub_section(name)
    with pytest.raises(exception.InvalidParameterValue):
        bank.get_sub_section(name)


@pytest.mark.parametrize(
    "text", ["..", "../", "../mine-too/", "/secret", "/", "a/../.."]
)
def test_no_listing_leaves_a_section(section, text):
    with pytest.raises(exception.InvalidParameterValue):
        section.list_objects(prefix=text)
    with pytest.raises(exception.InvalidParameterValue):
        section.list_objects(marker=text)


@given(key=st.text(max_size=30))
def test_whatever_is_written_in_a_section_is_below_its_prefix(key):
    plugin = MemoryBankPlugin()
    section = Bank(plugin).get_sub_section("/mine")
    try:
        section.update_object(key, "x")
    except exception.InvalidParameterValue:
        assert plugin.objects == {}
    else:
        assert list(plugin.objects) == ["/mine/" + key]


def test_a_listing_is_relative_to_the_section(section):
    for key in ("a/1", "a/2", "b/1", "b/2"):
        section.update_object(key, key)

    assert section.list_objects(prefix="b") == ["b/1", "b/2"]
    assert section.list_objects(marker="a/2") == ["b/1", "b/2"]
    assert section.list_objects(limit=1, sort_dir="desc") == ["b/2"]
    assert section.list_objects(prefix="a/", marker="a/2", sort_dir="desc") == ["a/1"]
    assert section.list_objects(limit=0) == []


@pytest.mark.parametrize("arguments", [{"limit": -1}, {"sort_dir": "up"}])
def test_a_listing_that_makes_no_sense_is_refused(section, arguments):
    with pytest.raises(exception.InvalidParameterValue):
        section.list_objects(**arguments)


@pytest.mark.parametrize("name", ["/resource-data/x/", "resource-data/x"])
def test_a_section_in_a_section_takes_slashes_around_its_name(bank, section, name):
    section.get_sub_section(name).update_object("key", "value")

    assert bank.get_object("/mine/resource-data/x/key") == "value"


def test_a_read_only_section_cannot_be_written(bank, section):
    section.update_object("key", "value")
    section.write_stream("disk", b"data")
    read_only = bank.get_sub_section("/mine", is_writable=False)
    before = bank.list_objects()

    for change in (
        lambda: read_only.update_object("key", "other"),
        lambda: read_only.delete_object("key"),
        lambda: read_only.write_stream("disk", b"other"),
        lambda: read_only.delete_stream("disk"),
        lambda: read_only.delete_all(),
        lambda: section.copy_to(read_only),
        lambda: read_only.get_sub_section("sub"),
        lambda: read_only.get_sub_section("sub", is_writable=False).update_object(
            "k", 1
        ),
    ):
        with pytest.raises(exception.BankReadonlyViolation):
            change()

    assert not read_only.is_writable
    assert read_only.get_object("key") == "value"
    assert read_only.verify_stream("disk").length == 4
    assert bank.list_objects() == before


def test_deleting_a_section_leaves_nothing_of_it_and_all_else(bank, section):
    section.update_object("key", "value")
    section.write_stream("disk", b"data" * 50)
    section.get_sub_section("sub").write_stream("disk", b"data" * 50)

    section.delete_all()

    assert bank.list_objects() == ["/mine-too/secret", "/secret"]


def test_a_copy_holds_objects_and_streams_at_any_depth(bank, section):
    data = bytes(range(256)) * 3
    section.update_object("aaa", {"first": 1})
    section.update_object("zzz", "last")
    section.write_stream("disk", data)
    section.get_sub_section("deep/er").write_stream("disk", data[::-1])
    section.get_sub_section("deep/er").update_object("zz", b"bytes")
    other = Bank(MemoryBankPlugin(), StreamOptions(chunk_size=100)).get_sub_section("c")

    section.copy_to(other)

    assert other.get_object("aaa") == {"first": 1}
    assert other.get_object("zzz") == "last"
    assert other.get_object("deep/er/zz") == b"bytes"
    assert other.open_stream("disk").read() == data
    assert other.get_sub_section("deep/er").open_stream("disk").read() == data[::-1]
    assert other.open_stream("disk").info.chunk_size == 16


def test_a_damaged_stream_is_not_copied(bank, section):
    section.write_stream("disk", os.urandom(48))
    chunk = list(StoredStream(section, "disk").chunks())[1].chunk
    [key] = [
        key
        for key in section.list_objects(prefix=".streams/data/")
        if key.endswith(chunk.name)
    ]
    section.update_object(key, section.get_object(key)[:-1] + b"x")

    other = bank.get_sub_section("/copy")
    with pytest.raises(exception.BankDataCorrupted, match=r"/mine/.*chunk 1"):
        section.copy_to(other)
    assert other.list_streams() == []


def test_a_section_is_not_copied_into_itself(section):
    section.update_object("key", "value")
    for target in (section, section.get_sub_section("sub")):
        with pytest.raises(exception.InvalidParameterValue, match="into itself"):
            section.copy_to(target)


def test_the_owner_is_the_plugins(bank, section):
    assert section.get_owner_id() == bank.plugin.get_owner_id()
    assert isinstance(section, BankSection)
    assert section.bank is bank
