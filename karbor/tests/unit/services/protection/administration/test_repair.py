# SPDX-License-Identifier: Apache-2.0
"""A repair heals what can be healed, and says what is lost."""

import random

import pytest

from karbor import exception
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.findings import Kind
from karbor.services.protection.administration.repair import BankRepair
from karbor.services.protection.bank.chunks import damaged, names
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.tests.unit.services.protection.administration.conftest import (
    OPTIONS,
    VOLUMES,
    hours_later,
)

FULL = Depth(Level.FULL)

encrypted_too = pytest.mark.parametrize(
    "open_bank", ["plain", "encrypted"], indirect=True
)


def repair(bank, depth=None):
    return BankRepair(bank, depth, clock=hours_later()).run()


def check(bank):
    return BankCheck(bank, FULL, clock=hours_later()).run()


def streams(checkpoint):
    for volume in VOLUMES:
        section = checkpoint.get_resource_bank_section(volume.id)
        yield StoredStream(section, "disk")


def objects(checkpoint):
    """The names of a checkpoint's chunk objects: pages first, then chunks."""
    pages = [page.ref.name for s in streams(checkpoint) for page in s.manifest.pages]
    chunks = [placed.chunk.name for s in streams(checkpoint) for placed in s.chunks()]
    return pages + [name for name in chunks if name]


def content(checkpoint):
    """All bytes, and nothing of them healed on the way."""
    return [
        b"".join(
            stored.read(placed, heal=False) for placed in stored.chunks(heal=False)
        )
        for stored in streams(checkpoint)
    ]


@pytest.fixture
def path_of(folder):
    def path_of(name):
        return folder / "chunks" / "project-1" / names.key(name)

    return path_of


@pytest.fixture
def space(bank):
    return bank.chunk_space("project-1")


def times(folder):
    """When each file and folder was changed."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def flip(path):
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def remove(path):
    path.unlink()


def twice(path, name):
    """Store a chunk a second time, as two who protect at once may do."""
    parsed = names.parse(name)
    other = path.with_name(names.make(parsed.digest, parsed.stored_length))
    other.write_bytes(path.read_bytes())
    return other.name


def test_a_sound_bank_stays_as_it_is(bank, protect, folder):
    protect(), protect("error"), protect("protecting", seed=2)
    before = times(folder)
    done = repair(bank)
    assert done.report.is_sound
    assert (done.healed, done.marked, done.unmarked) == (0, 0, 0)
    assert times(folder) == before
    assert repair(Bank(bank.plugin)).report.checkpoints == 3


@encrypted_too
@pytest.mark.parametrize("harm", [flip, cut, remove])
def test_what_is_there_twice_is_healed_whichever_it_is(
    open_bank, protect, path_of, harm
):
    """Pages and chunks, each in turn, and all at once."""
    checkpoint = protect()
    before = content(checkpoint)
    for name in objects(checkpoint):
        twice(path_of(name), name)
    for names_harmed in [
        *([name] for name in objects(checkpoint)),
        objects(checkpoint),
    ]:
        for name in names_harmed:
            harm(path_of(name))
        assert check(open_bank()).damage
        done = repair(open_bank())
        assert done.healed == len(done.healings) == len(names_harmed)
        assert {key.rpartition("/")[2] for key, _ in done.healings} == {*names_harmed}
        assert done.report.is_sound, done.report.findings
        assert (done.marked, done.unmarked) == (0, 0)
        assert check(open_bank()).is_sound
    assert content(checkpoint) == before
    again = repair(open_bank())
    assert (again.healed, again.report.damage) == (0, 0)


@encrypted_too
@pytest.mark.parametrize("harm", [flip, cut, remove])
def test_what_is_lost_is_named_and_healed_after_it_was_protected_again(
    open_bank, bank, space, protect, path_of, harm
):
    one, other = protect(), protect()
    before = content(one)
    name = next(p.chunk.name for p in list(next(streams(one)).chunks())[1:])
    harm(path_of(name))
    done = repair(open_bank())
    assert done.healed == 0
    assert done.marked == (harm is not remove)
    assert [
        (f.checkpoint_id, f.resource_id, f.stream, f.chunk)
        for f in (done.report.findings)
    ] == [(id_, "v1", "disk", 1) for id_ in sorted([one.id, other.id])]
    assert damaged.load(space.section) == ({name} if harm is not remove else set())
    second = repair(open_bank())
    assert (second.healed, second.marked, second.unmarked) == (0, 0, 0)
    assert second.report.findings == done.report.findings
    # The volume is protected again: what is marked is not relied on.
    again = protect()
    assert name not in objects(again)
    assert content(again) == before
    healed = repair(open_bank())
    assert healed.report.is_sound, healed.report.findings
    assert healed.healed == 1
    assert healed.unmarked == done.marked
    assert damaged.load(space.section) == frozenset()
    assert content(one) == content(other) == before
    assert check(open_bank()).is_sound


def test_a_copy_that_is_damaged_too_heals_nothing(bank, protect, path_of):
    checkpoint = protect()
    name = objects(checkpoint)[-1]
    other = twice(path_of(name), name)
    flip(path_of(name)), cut(path_of(other))
    done = repair(bank)
    assert done.healed == 0
    assert done.marked == 2
    [lost] = [found for found in done.report.findings if found.is_damage]
    assert lost.checkpoint_id == checkpoint.id


def test_chunks_of_a_page_that_was_lost_are_healed_too(bank, protect, path_of):
    checkpoint = protect()
    page, chunk = objects(checkpoint)[0], objects(checkpoint)[2]
    for name in (page, chunk):
        twice(path_of(name), name)
        remove(path_of(name))
    done = repair(bank)
    assert done.healed == 2
    assert done.report.is_sound


def compressible():
    """Data of which each zstd level makes something else."""
    luck = random.Random(1)
    words = [luck.randbytes(7) for _ in range(400)]
    return b"".join(luck.choice(words) for _ in range(3 * 40_000))


@pytest.fixture
def packed_otherwise(plugin, open_bank, protect, path_of):
    """A damaged chunk whose content was stored again after the level was changed."""
    data = compressible()
    checkpoint = protect()

    def write(name, level):
        options = StreamOptions(
            chunk_size=65536, max_bytes_in_flight=131072, zstd_level=level
        )
        bank = Bank(plugin, options, open_bank()._keyring)
        section = bank.get_sub_section(
            f"checkpoints/{checkpoint.id}/resource-data/v1", project_id="project-1"
        )
        section.write_stream(name, [data])
        return StoredStream(section, name)

    stream = write("before", 1)
    [name, *_] = [placed.chunk.name for placed in stream.page(0)]
    flip(path_of(name))
    repair(open_bank())
    other = write("after", 12).page(0)[0].chunk.name
    assert names.parse(other).stored_length != names.parse(name).stored_length
    return stream


@encrypted_too
def test_a_copy_that_is_compressed_otherwise_heals(open_bank, space, packed_otherwise):
    """The object is again as long as its name says."""
    done = repair(open_bank())
    assert (done.healed, done.unmarked) == (1, 1), done.problems
    [first, *_] = packed_otherwise.page(0)
    assert packed_otherwise.read(first, heal=False) == compressible()[:65536]
    assert damaged.load(space.section) == frozenset()


def test_a_copy_that_cannot_be_made_as_long_is_told(
    open_bank, packed_otherwise, monkeypatch
):
    """As if another release of zstd had packed it."""
    monkeypatch.setattr("karbor.services.protection.administration.repair._LEVELS", ())
    done = repair(open_bank())
    assert (done.healed, done.report.damage) == (0, 1)
    [problem] = done.problems
    assert "does not pack into as many bytes" in problem
    # It can be read all the same, for as long as the other one is there.
    [first, *_] = packed_otherwise.page(0)
    assert packed_otherwise.read(first) == compressible()[:65536]


def test_obsolete_marks_are_removed(bank, space, protect, path_of):
    checkpoint = protect()
    whole, broken, *_ = objects(checkpoint)
    gone = names.make("a" * 64, 100)
    for name in (whole, gone, broken):
        damaged.mark(space.section, name, "said so", hours_later()())
    flip(path_of(broken))
    done = repair(bank)
    assert (done.marked, done.unmarked) == (0, 2)
    assert damaged.load(space.section) == {broken}


def test_a_mark_that_is_damaged_is_written_anew(bank, space, protect, path_of):
    name = objects(protect())[0]
    damaged.mark(space.section, name, "said so", hours_later()())
    flip(path_of(name))
    space.section.update_object(f"damaged/{name}", "rubbish")
    assert Kind.MARK in {found.kind for found in check(bank).findings}
    repair(bank)
    damaged.check(space.section, name)
    assert Kind.MARK not in {found.kind for found in check(bank).findings}


def test_what_nobody_needs_is_marked_and_not_lost(bank, space, protect, path_of):
    checkpoint = protect()
    name = objects(checkpoint)[-1]
    checkpoint.transition("deleting")
    for volume in VOLUMES:
        checkpoint.get_resource_bank_section(volume.id).delete_all()
    checkpoint.transition("deleted")
    flip(path_of(name))
    assert check(bank).damage == 1
    done = repair(bank)
    assert (done.marked, done.report.damage, done.report.leftovers) == (1, 0, 1)
    report = check(bank)
    assert (report.damage, report.leftovers) == (0, 1)


@pytest.mark.parametrize("level", [Level.OBJECTS, Level.SAMPLE])
def test_what_is_missing_is_healed_without_reading_everything(
    bank, space, protect, path_of, level
):
    name = objects(protect())[-1]
    twice(path_of(name), name)
    remove(path_of(name))
    done = repair(bank, Depth(level, 0.001))
    assert (done.healed, done.report.is_sound) == (1, True)


def test_what_was_marked_is_healed_without_reading_everything(
    bank, space, protect, path_of
):
    checkpoint = protect()
    name = objects(checkpoint)[-1]
    flip(path_of(name))
    assert repair(bank).marked == 1
    assert repair(bank, Depth(Level.OBJECTS)).report.damage == 1
    protect()
    done = repair(bank, Depth(Level.OBJECTS))
    assert (done.healed, done.unmarked, done.report.is_sound) == (1, 1, True)


class Failing:
    """A bank that stops writing and deleting after some objects."""

    def __init__(self, plugin, left):
        self._plugin = plugin
        self._left = left

    def __getattr__(self, name):
        return getattr(self._plugin, name)

    def _act(self, error):
        if not self._left:
            raise error
        self._left -= 1

    def update_object(self, key, value, context=None):
        self._act(
            exception.BankUpdateObjectFailed(key=key, reason="away", retryable=True)
        )
        self._plugin.update_object(key, value, context=context)

    def delete_object(self, key, context=None):
        self._act(
            exception.BankDeleteObjectFailed(key=key, reason="away", retryable=True)
        )
        self._plugin.delete_object(key, context=context)


def test_it_goes_on_wherever_it_was_interrupted(plugin, bank, space, protect, path_of):
    checkpoint = protect()
    before = content(checkpoint)
    harmed = objects(checkpoint)
    for name in harmed:
        twice(path_of(name), name)
        flip(path_of(name))
        damaged.mark(space.section, name, "flipped", hours_later()())
    healed = 0
    for _ in range(2 * len(harmed)):
        done = repair(Bank(Failing(plugin, 1), OPTIONS))
        healed += done.healed
        if done.report.is_sound:
            break
        assert done.report.unchecked
    done = repair(bank)
    assert done.report.is_sound, done.report
    assert healed + done.healed == len(harmed)
    assert damaged.load(space.section) == frozenset()
    assert content(checkpoint) == before


def test_a_bank_that_refuses_is_told(plugin, bank, protect, path_of):
    name = objects(protect())[-1]
    twice(path_of(name), name)
    remove(path_of(name))

    class Locked(Failing):
        def update_object(self, key, value, context=None):
            raise exception.BankUpdateObjectFailed(key=key, reason="it is locked")

    done = repair(Bank(Locked(plugin, 0), OPTIONS))
    assert done.healed == 0
    assert done.report.damage == 1
    [problem] = done.problems
    assert name in problem
    assert "it is locked" in problem


def test_two_repairs_at_once_do_the_same(plugin, bank, protect, path_of):
    checkpoint = protect()
    before = content(checkpoint)
    for name in objects(checkpoint):
        twice(path_of(name), name)
        flip(path_of(name))

    class Interrupted(Failing):
        """Where another repair begins and ends before each write of this one."""

        def update_object(self, key, value, context=None):
            repair(bank)
            self._plugin.update_object(key, value, context=context)

    done = repair(Bank(Interrupted(plugin, 0), OPTIONS))
    assert done.report.is_sound
    assert content(checkpoint) == before


def test_it_says_all_of_it_as_json(bank, protect, path_of):
    name = objects(protect())[-1]
    twice(path_of(name), name)
    flip(path_of(name))
    said = repair(bank).to_dict()
    assert (said["healed"], said["sound"], said["marked"]) == (1, True, 0)
    assert said["healings"][0]["key"].endswith(name)


def test_an_object_that_is_locked_keeps_no_other_from_being_healed(
    bank, plugin, protect, path_of, space, monkeypatch
):
    checkpoint = protect()
    first, second = objects(checkpoint)[-2:]
    for name in (first, second):
        twice(path_of(name), name)
        flip(path_of(name))
    update_object = plugin.update_object

    def update_unlocked(key, value, context=None):
        if key.endswith(names.key(first)):
            raise exception.BankObjectLocked(key=key, until="2030-01-01")
        update_object(key, value, context)

    monkeypatch.setattr(plugin, "update_object", update_unlocked)
    done = repair(bank)

    assert not done.report.unchecked
    assert done.report.damage == 1
    assert [key.rpartition("/")[2] for key, _ in done.healings] == [second]
    assert "2030-01-01" in done.problems[0]
    assert damaged.load(space.section) == {first}
