# SPDX-License-Identifier: Apache-2.0
"""Copies of streams between banks: only what is lacking is moved, and it is checked."""

import collections
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank.batches import ObjectBatch
from karbor.services.protection.bank.chunks.keyring import DataKey, Keyring
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.copying import UNFINISHED
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.bank_decorators.cache import CachingBank
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.tests.fakes.bank import MemoryBankPlugin

CHUNK = 64
PROJECT = "project"
NAME = "disk"


class CountingBank(MemoryBankPlugin):
    """Counts what is read and put of chunks; may be cut off at some put."""

    def __init__(self):
        super().__init__()
        self.reads = collections.Counter()
        self.puts = collections.Counter()
        self.dies_at_put = None

    def get_object(self, key, context=None):
        self.reads[key] += 1
        return super().get_object(key, context)

    def update_object(self, key, value, context=None):
        if "/data/" in key:
            if self.dies_at_put is not None and len(self.puts) >= self.dies_at_put:
                raise Killed
            self.puts[key] += 1
        super().update_object(key, value, context)

    def chunk_reads(self):
        return sum(count for key, count in self.reads.items() if "/data/" in key)


class Killed(BaseException):
    """The process died here."""


class OneKey(Keyring):
    """A data key for every project."""

    def __init__(self, number):
        self._key = DataKey(
            f"{number:032x}", bytes([number]) * 32, bytes([number]) * 32
        )

    def active(self, project_id):
        return self._key

    def get(self, project_id, key_id):
        if key_id != self._key.id:
            raise exception.DataKeyUnavailable(
                key_id=key_id, project_id=project_id, reason="it is another's"
            )
        return self._key


class Side:
    """A bank, and sections of one project in it."""

    def __init__(self, key=None, chunk_size=CHUNK, inline_limit=0):
        self.plugin = CountingBank()
        options = StreamOptions(
            chunk_size=chunk_size,
            max_bytes_in_flight=4 * chunk_size,
            inline_limit=inline_limit,
        )
        self.bank = Bank(self.plugin, options, None if key is None else OneKey(key))

    def section(self, name="a", project_id=PROJECT):
        return self.bank.get_sub_section(f"checkpoints/{name}", project_id=project_id)

    def chunks(self):
        return [key for key in self.plugin.objects if "/data/" in key]

    def forget(self):
        self.plugin.reads.clear()
        self.plugin.puts.clear()


def read(section, name=NAME):
    with section.open_stream(name) as stream:
        return stream.read()


def flip(plugin, key):
    value = bytearray(plugin.objects[key])
    value[len(value) // 2] ^= 1
    plugin.objects[key] = bytes(value)


KEYS = [(None, None), (1, 1), (1, 2), (1, None), (None, 1)]
both_keys = pytest.mark.parametrize(("source_key", "target_key"), KEYS)
same_digests = pytest.mark.parametrize("key", [None, 1])


@both_keys
def test_a_copy_is_read_back_from_the_target_alone(source_key, target_key):
    source, target = Side(source_key), Side(target_key, chunk_size=100)
    data = os.urandom(10 * CHUNK + 3)
    info = source.section().write_stream(NAME, data)

    source.section().copy_to(target.section("b"))
    source.plugin.objects.clear()

    assert read(target.section("b")) == data
    made = target.section("b").verify_stream(NAME)
    assert (made.chunk_size, made.chunk_count) == (info.chunk_size, info.chunk_count)


@same_digests
def test_what_the_target_has_is_not_even_read(key):
    source, target = Side(key), Side(key)
    first = os.urandom(10 * CHUNK)
    source.section("old").write_stream(NAME, first)
    source.section("old").copy_to(target.section("old"))
    changed = first[: 4 * CHUNK] + os.urandom(CHUNK) + first[5 * CHUNK :]
    source.section("new").write_stream(NAME, changed)
    source.forget()
    target.forget()

    source.section("new").copy_to(target.section("new"))

    # The page that lists the chunks, and the chunk that is new.
    assert source.plugin.chunk_reads() == 2
    assert sum(target.plugin.puts.values()) == 2
    assert read(target.section("new")) == changed


@pytest.mark.parametrize(
    ("source_key", "target_key"), [keys for keys in KEYS if keys[0] != keys[1]]
)
def test_with_other_keys_all_is_read_and_only_what_is_lacking_is_put(
    source_key, target_key
):
    source, target = Side(source_key), Side(target_key)
    data = os.urandom(10 * CHUNK)
    source.section().write_stream(NAME, data)
    source.section().copy_to(target.section("b"))
    target.forget()
    source.forget()

    source.section().copy_to(target.section("c"))

    assert source.plugin.chunk_reads() == 11
    assert not target.plugin.puts
    assert read(target.section("c")) == data


@both_keys
def test_a_copy_that_was_killed_goes_on_where_it_was(source_key, target_key):
    source, target = Side(source_key), Side(target_key)
    data = os.urandom(40 * CHUNK)
    source.section().write_stream(NAME, data)
    target.plugin.dies_at_put = 25
    with pytest.raises(Killed):
        source.section().copy_to(target.section("b"))
    assert target.section("b").list_objects() == []
    there = set(target.chunks())
    assert len(there) >= 25
    target.plugin.dies_at_put = None
    source.forget()
    target.forget()

    source.section().copy_to(target.section("c"))

    assert read(target.section("c")) == data
    assert len(target.plugin.puts) == 41 - len(there)
    assert set(target.plugin.puts).isdisjoint(there)
    if source_key == target_key:
        assert source.plugin.chunk_reads() == 41 - len(there)


@both_keys
def test_no_collection_takes_what_a_killed_copy_has_moved(
    source_key, target_key, monkeypatch
):
    monkeypatch.setattr(manifest, "PAGE_CHUNKS", 4)
    source, target = Side(source_key), Side(target_key)
    data = os.urandom(20 * CHUNK)
    source.section().write_stream(NAME, data)
    target.plugin.dies_at_put = 14
    with pytest.raises(Killed):
        source.section().copy_to(target.section("b"))
    target.plugin.dies_at_put = None

    killed = target.section("b")
    assert killed.list_streams() == []
    # A manifest like any other, which a collection reads as one.
    kept = StoredStream(killed.get_sub_section(UNFINISHED), NAME)
    assert kept.info.length == 8 * CHUNK
    assert len(set(kept.references())) == 10
    assert read(killed.get_sub_section(UNFINISHED)) == data[: 8 * CHUNK]

    source.section().copy_to(target.section("c"))
    assert read(target.section("c")) == data
    assert target.section("c").list_objects(prefix=UNFINISHED) == []
    killed.copy_to(target.section("d"))
    assert target.section("d").list_objects() == []


@both_keys
def test_a_damaged_chunk_is_named_and_nothing_is_committed(source_key, target_key):
    source, target = Side(source_key), Side(target_key)
    source.section().write_stream(NAME, os.urandom(10 * CHUNK))
    flip(source.plugin, source.chunks()[0])

    with pytest.raises(
        exception.BankDataCorrupted, match=r"'disk' of /checkpoints/a/: (chunk|page) \d"
    ):
        source.section().copy_to(target.section("b"))
    assert target.section("b").list_objects() == []


def test_within_a_bank_all_is_read_and_nothing_is_put():
    side = Side()
    data = os.urandom(10 * CHUNK)
    side.section().write_stream(NAME, data)
    side.forget()

    side.section().copy_to(side.section("b"))

    assert {key for key in side.plugin.reads if "/data/" in key} == set(side.chunks())
    assert not side.plugin.puts
    side.section().delete_all()
    assert read(side.section("b")) == data


def test_within_a_bank_no_cache_hides_that_a_chunk_is_lost():
    side = Side()
    side.bank = Bank(
        CachingBank(side.plugin, cfg.ConfigOpts()), side.bank.stream_options
    )
    side.section().write_stream(NAME, os.urandom(10 * CHUNK))
    read(side.section())
    del side.plugin.objects[side.chunks()[3]]
    with pytest.raises(exception.BankDataCorrupted, match="lost"):
        side.section().copy_to(side.section("b"))


def test_within_a_bank_no_damaged_chunk_is_shared():
    side = Side()
    side.section().write_stream(NAME, os.urandom(10 * CHUNK))
    flip(side.plugin, side.chunks()[3])
    with pytest.raises(exception.BankDataCorrupted, match="'disk' of /checkpoints/a/"):
        side.section().copy_to(side.section("b"))


def test_projects_share_nothing():
    side = Side()
    data = os.urandom(10 * CHUNK)
    side.section().write_stream(NAME, data)
    before = set(side.chunks())

    side.section().copy_to(side.section("b", project_id="another"))

    added = set(side.chunks()) - before
    assert len(added) == 11
    assert {key.split("/")[2] for key in added} == {"another"}
    assert read(side.section("b", project_id="another")) == data


def test_a_chunk_that_was_cut_in_the_target_is_put_again():
    source, target = Side(), Side()
    data = os.urandom(3 * CHUNK)
    source.section().write_stream(NAME, data)
    source.section().copy_to(target.section("b"))
    for key in target.chunks():
        target.plugin.objects[key] = target.plugin.objects[key][:-1]

    source.section().copy_to(target.section("c"))

    assert read(target.section("c")) == data


def test_sections_without_a_project_are_copied_too():
    source, target = Side(), Side()
    data = os.urandom(3 * CHUNK)
    for source_project in (None, PROJECT):
        for target_project in (None, PROJECT):
            origin = source.section("a", source_project)
            copied = target.section("b", target_project)
            origin.write_stream(NAME, data)
            origin.copy_to(copied)
            assert read(copied) == data
            copied.delete_all()


def test_a_target_that_fails_is_named_with_the_chunk():
    source, target = Side(), Side()
    source.section().write_stream(NAME, os.urandom(3 * CHUNK))

    def refuse(key, value, context=None):
        raise exception.BankUpdateObjectFailed(key=key, reason="it is full")

    target.plugin.update_object = refuse
    with pytest.raises(
        exception.BankUpdateObjectFailed,
        match=r"'disk' of /checkpoints/b/: chunk \d: .*it is full",
    ):
        source.section().copy_to(target.section("b"))


@both_keys
def test_progress_is_told_the_bytes_of_the_stream(source_key, target_key):
    source, target = Side(source_key), Side(target_key)
    source.section().write_stream(NAME, os.urandom(5 * CHUNK + 1))
    for name in ("b", "c"):
        progress = OperationProgress()
        source.section().copy_to(
            target.section(name), progress=ResourceProgress(progress)
        )
        assert progress.snapshot()["bytes_done"] == 5 * CHUNK + 1


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=3 * CHUNK),
            st.integers(0, 5 * CHUNK).map(bytes),
            st.integers(0, 255).map(lambda byte: bytes([byte]) * CHUNK),
        ),
        max_size=12,
    ),
    keys=st.sampled_from(KEYS),
    inline_limits=st.tuples(st.sampled_from([0, 50, 4096]), st.sampled_from([0, 4096])),
)
def test_whatever_a_stream_holds_its_copy_holds(pieces, keys, inline_limits):
    data = b"".join(pieces)
    source = Side(keys[0], inline_limit=inline_limits[0])
    target = Side(keys[1], chunk_size=2 * CHUNK, inline_limit=inline_limits[1])
    source.section().write_stream(NAME, data)
    for name in ("b", "c", "b"):
        source.section().copy_to(target.section(name))
    assert read(target.section("b")) == read(target.section("c")) == data


class NotingBatch(ObjectBatch):
    """Notes when what a copy needs is made durable."""

    def update_object(self, key, value, context=None):
        self._plugin.events.append(("chunk", key))
        super().update_object(key, value, context)

    def rely_on(self, key):
        self._plugin.events.append(("chunk", key))

    def flush(self):
        self._plugin.events.append(("flush", None))

    def close(self):
        self._plugin.events.append(("close", None))


class NotingBank(MemoryBankPlugin):
    def __init__(self):
        super().__init__()
        self.events = []

    def batch(self):
        return NotingBatch(self)

    def update_object(self, key, value, context=None):
        if manifest.MANIFESTS in key:
            self.events.append(("manifest", key))
        super().update_object(key, value, context)


@pytest.mark.parametrize("has_all", [False, True], ids=["moved", "found"])
def test_all_that_a_copy_needs_is_durable_before_its_manifest(has_all, monkeypatch):
    monkeypatch.setattr(manifest, "PAGE_CHUNKS", 2)
    source, target = Side(), Side()
    target.plugin = NotingBank()
    target.bank = Bank(target.plugin, source.bank.stream_options)
    source.section().write_stream(NAME, [os.urandom(5 * CHUNK)])
    if has_all:
        source.section().copy_to(target.section("b"))
        target.plugin.events.clear()

    source.section().copy_to(target.section())

    is_durable = True
    for what, _key in target.plugin.events:
        is_durable = what != "chunk" and (is_durable or what == "flush")
        assert is_durable or what != "manifest"
    kinds = [what for what, _ in target.plugin.events]
    assert kinds.count("chunk") >= 5
    assert kinds.count("manifest") == 3
    assert kinds[-1] == "close"
