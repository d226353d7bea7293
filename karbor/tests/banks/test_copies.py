# SPDX-License-Identifier: Apache-2.0
"""Copies between banks of different kinds, and verifications, on real servers."""

import os
import uuid

import pytest

from karbor import exception
from karbor.services.protection.bank.chunks.keyring import DataKey, Keyring
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.tests.fakes.file_system_bank import file_system_bank
from karbor.tests.fakes.s3_bank import s3_bank
from karbor.tests.fakes.swift_bank import swift_bank

CHUNK = 64 * 1024
OPTIONS = StreamOptions(chunk_size=CHUNK, max_bytes_in_flight=8 * CHUNK)
DEPTHS = [Depth(Level.OBJECTS), Depth(Level.SAMPLE, 30), Depth(Level.FULL)]


class OneKey(Keyring):
    """A data key for every project."""

    def __init__(self):
        self._key = DataKey(uuid.uuid4().hex, os.urandom(32), os.urandom(32))

    def active(self, project_id):
        return self._key

    def get(self, project_id, key_id):
        assert key_id == self._key.id
        return self._key


@pytest.fixture
def make_bank(request, tmp_path, container):
    """``make_bank(kind, is_encrypted)``."""

    def plugin(kind):
        if kind == "swift":
            url = request.getfixturevalue("swift_server").url
            return swift_bank(url, bank_swift_object_container=container)
        if kind == "s3":
            endpoint = request.getfixturevalue("s3_server").endpoint
            return s3_bank(endpoint, bank_s3_object_bucket=container)
        if kind == "sql":
            return request.getfixturevalue("make_sql_bank")()
        return file_system_bank(tmp_path / "bank")

    def make_bank(kind, is_encrypted):
        return Bank(plugin(kind), OPTIONS, OneKey() if is_encrypted else None)

    return make_bank


def section(bank, name):
    return bank.get_sub_section(f"checkpoints/{name}", project_id="project")


def data_keys(bank):
    return [key for key in bank.list_objects("/chunks") if "/data/" in key]


def check_copies(source, target):
    """Copy one stream there, twice, and read it when its source is gone."""
    data = os.urandom(7 * CHUNK) + bytes(5 * CHUNK) + b"end"
    section(source, "a").write_stream("disk", data)
    section(source, "a").update_object("metadata", {"size": len(data)})

    section(source, "a").copy_to(section(target, "b"))
    there = data_keys(target)
    section(source, "a").copy_to(section(target, "c"))
    assert data_keys(target) == there
    for key in source.list_objects("/"):
        source.delete_object(key)

    for name in ("b", "c"):
        for depth in DEPTHS:
            section(target, name).verify_stream("disk", depth=depth)
        with section(target, name).open_stream("disk") as stream:
            assert stream.read() == data
        assert section(target, name).get_object("metadata") == {"size": len(data)}
    target.delete_object(there[0])
    for depth in (DEPTHS[0], DEPTHS[-1]):
        with pytest.raises(exception.BankDataCorrupted, match="lost"):
            section(target, "b").verify_stream("disk", depth=depth)


@pytest.mark.parametrize("encrypted", [(False, False), (True, True)])
@pytest.mark.parametrize(
    "kinds", [("filesystem", "swift"), ("swift", "filesystem")], ids="-".join
)
def test_a_stream_is_copied_to_and_from_swift(make_bank, kinds, encrypted):
    check_copies(*map(make_bank, kinds, encrypted))


@pytest.mark.parametrize("encrypted", [(False, False), (False, True)])
@pytest.mark.parametrize(
    "kinds", [("filesystem", "s3"), ("s3", "filesystem")], ids="-".join
)
@pytest.mark.usefixtures("s3_server")
def test_a_stream_is_copied_to_and_from_s3(make_bank, kinds, encrypted):
    check_copies(*map(make_bank, kinds, encrypted))


@pytest.mark.parametrize("encrypted", [(False, False), (True, False)])
@pytest.mark.parametrize(
    "kinds", [("filesystem", "sql"), ("sql", "swift")], ids="-".join
)
@pytest.mark.usefixtures("sql_kind")
def test_a_stream_is_copied_to_and_from_a_database(make_bank, kinds, encrypted):
    check_copies(*map(make_bank, kinds, encrypted))
