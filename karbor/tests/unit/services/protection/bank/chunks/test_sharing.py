# SPDX-License-Identifier: Apache-2.0
"""What a project has stored is not stored again, and nobody else can use it."""

import random

import pytest
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank.chunks import condemned, damaged, names
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.bank_decorators.cache import CachingBank
from karbor.services.protection.checkpoints.store import utc_now
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.file_system_bank import file_system_bank

CHUNK = 1000
DISK = random.Random(3).randbytes(10 * CHUNK + 500)


@pytest.fixture(params=["memory", "file system"])
def bank(request, tmp_path):
    plugin = (
        MemoryBankPlugin()
        if request.param == "memory"
        else file_system_bank(tmp_path / "bank")
    )
    options = StreamOptions(
        chunk_size=CHUNK, max_bytes_in_flight=4 * CHUNK, inline_limit=200
    )
    return Bank(plugin, options)


def section(bank, checkpoint, project="mine", resource="volume-1"):
    return bank.get_sub_section(
        f"/checkpoints/{checkpoint}/resource-data/{resource}", project_id=project
    )


def stored(bank, project="mine"):
    """The names of all chunk objects of a project."""
    found = bank.list_objects(prefix=f"/chunks/{project}/data/")
    return {key.rpartition("/")[2] for key in found}


def read(section, name="disk"):
    with section.open_stream(name) as stream:
        return stream.read()


def test_a_second_checkpoint_stores_what_changed(bank):
    section(bank, "first").write_stream("disk", DISK)
    before = stored(bank)
    changed = DISK[: 4 * CHUNK] + b"new" * 100 + DISK[4 * CHUNK + 300 :]

    section(bank, "second", resource="volume-2").write_stream("other", changed)

    # Ten chunks and a page; then the chunk with the change, and its page.
    assert len(before) == 12
    assert before < stored(bank)
    assert len(stored(bank)) == 12 + 2
    assert read(section(bank, "first")) == DISK
    assert read(section(bank, "second", resource="volume-2"), "other") == changed


def test_what_is_the_same_is_stored_once_and_its_page_too(bank):
    for checkpoint in ("first", "second", "third"):
        section(bank, checkpoint).write_stream("disk", DISK)

    assert len(stored(bank)) == 12


def test_what_repeats_within_a_stream_is_stored_once(bank):
    section(bank, "first").write_stream("disk", DISK[:CHUNK] * 20)

    # Its page packs so well that the manifest holds it.
    assert len(stored(bank)) == 1
    assert read(section(bank, "first")) == DISK[:CHUNK] * 20


def test_no_checkpoint_depends_on_another(bank):
    section(bank, "first").write_stream("disk", DISK)
    section(bank, "second").write_stream("disk", DISK)

    section(bank, "first").delete_all()

    assert section(bank, "first").list_objects() == []
    assert read(section(bank, "second")) == DISK


def test_projects_share_nothing(bank):
    section(bank, "first").write_stream("disk", DISK)
    section(bank, "second", project="theirs").write_stream("disk", DISK)

    assert len(stored(bank, "theirs")) == 12
    assert not stored(bank) & stored(bank, "theirs")


def test_a_manifest_that_names_chunks_of_another_project_is_refused(bank):
    section(bank, "first").write_stream("disk", DISK)
    manifest = section(bank, "first").get_object(".streams/by-name/disk")
    thief = section(bank, "second", project="theirs")
    thief.update_object(".streams/by-name/disk", manifest)

    with pytest.raises(exception.BankDataCorrupted, match="another project, 'mine'"):
        thief.open_stream("disk")


def test_a_small_stream_is_only_its_manifest(bank):
    section(bank, "first").write_stream("meta", b"{}")

    assert stored(bank) == set()
    assert read(section(bank, "first"), "meta") == b"{}"


def test_a_condemned_chunk_is_stored_anew_and_still_read(bank):
    section(bank, "first").write_stream("disk", DISK)
    before = stored(bank)
    condemned.write_page(bank.chunk_space("mine").section, "run", sorted(before))

    section(bank, "second").write_stream("disk", DISK)

    references = set(StoredStream(section(bank, "second"), "disk").references())
    assert references.isdisjoint(before)
    assert read(section(bank, "first")) == DISK
    assert read(section(bank, "second")) == DISK


def test_a_chunk_that_is_marked_damaged_is_stored_anew_and_heals_the_old_stream(bank):
    section(bank, "first").write_stream("disk", DISK)
    name = next(StoredStream(section(bank, "first"), "disk").chunks()).chunk.name
    space = bank.chunk_space("mine").section
    value = bytearray(space.get_object(names.key(name)))
    value[-1] ^= 1
    space.update_object(names.key(name), bytes(value))
    with pytest.raises(exception.BankDataCorrupted, match="chunk 0"):
        read(section(bank, "first"))

    damaged.mark(space, name, "a flipped bit", utc_now())
    section(bank, "second").write_stream("disk", DISK)

    assert name not in StoredStream(section(bank, "second"), "disk").references()
    assert read(section(bank, "second")) == DISK
    # The content is there again, and found by its digest.
    assert read(section(bank, "first")) == DISK


def test_a_chunk_that_is_lost_or_cut_is_stored_anew(bank):
    section(bank, "first").write_stream("disk", DISK)
    chunks = list(StoredStream(section(bank, "first"), "disk").chunks())
    space = bank.chunk_space("mine").section
    space.delete_object(names.key(chunks[0].chunk.name))
    cut = names.key(chunks[1].chunk.name)
    space.update_object(cut, space.get_object(cut)[:-1])

    section(bank, "second").write_stream("disk", DISK)

    assert read(section(bank, "second")) == DISK
    assert read(section(bank, "first")) == DISK


class ForgetfulBank(MemoryBankPlugin):
    """Lists an object that was deleted."""

    def __init__(self):
        super().__init__()
        self.ghosts = []

    def list_objects(self, prefix=None, *args, **kwargs):
        found = super().list_objects(prefix, *args, **kwargs)
        return sorted({*found, *(g for g in self.ghosts if g.startswith(prefix))})


def test_a_chunk_that_is_only_listed_is_not_relied_on():
    plugin = ForgetfulBank()
    bank = Bank(
        plugin,
        StreamOptions(
            chunk_size=CHUNK, max_bytes_in_flight=4 * CHUNK, inline_limit=200
        ),
    )
    section(bank, "first").write_stream("disk", DISK)
    plugin.ghosts = [key for key in plugin.objects if key.startswith("/chunks/")]
    for key in plugin.ghosts:
        del plugin.objects[key]

    section(bank, "second").write_stream("disk", DISK)

    plugin.ghosts = []
    assert read(section(bank, "second")) == DISK


def test_a_chunk_that_only_a_cache_has_is_not_relied_on():
    plugin = ForgetfulBank()
    options = StreamOptions(
        chunk_size=CHUNK, max_bytes_in_flight=4 * CHUNK, inline_limit=200
    )
    bank = Bank(CachingBank(plugin, cfg.ConfigOpts()), options)
    section(bank, "first").write_stream("disk", DISK)
    assert read(section(bank, "first")) == DISK
    plugin.ghosts = [key for key in plugin.objects if "/data/" in key]
    for key in plugin.ghosts:
        del plugin.objects[key]

    section(bank, "second").write_stream("disk", DISK)

    plugin.ghosts = []
    assert read(section(Bank(plugin, options), "second")) == DISK


def test_a_failed_write_leaves_what_others_may_have_found(bank):
    def source():
        yield DISK[: 5 * CHUNK]
        # The five may still be on their way; wait for what has arrived is enough.
        raise ConnectionResetError("the volume went away")

    with pytest.raises(exception.BankUpdateObjectFailed, match="went away"):
        section(bank, "first").write_stream("disk", source())
    assert section(bank, "first").list_objects() == []

    section(bank, "second").write_stream("disk", DISK)
    assert read(section(bank, "second")) == DISK


def test_a_replaced_stream_is_the_new_one_only(bank):
    section(bank, "first").write_stream("disk", DISK)
    section(bank, "first").write_stream("disk", DISK[::-1])

    assert read(section(bank, "first")) == DISK[::-1]
    assert section(bank, "first").list_objects() == [".streams/by-name/disk"]
