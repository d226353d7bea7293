# SPDX-License-Identifier: Apache-2.0
"""A check of a bank finds what is wrong, and only that."""

import collections
import random
import shutil

import pytest

from karbor import exception
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.findings import Kind
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.chunks import condemned, damaged
from karbor.services.protection.bank.chunks import names as chunk_names
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoints import tombstones
from karbor.services.protection.collection import leftovers, state
from karbor.tests.unit.services.protection.administration.conftest import hours_later

FULL = Depth(Level.FULL)


def check(bank, depth=FULL, hours=2):
    return BankCheck(bank, depth, clock=hours_later(hours)).run()


def damage(report):
    return [finding for finding in report.findings if finding.is_damage]


def files(folder, pattern="**/*"):
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def chunks(folder):
    """The files of all chunk objects, pages among them."""
    return files(folder, "chunks/*/data/*/*")


def needs(checkpoint):
    """``{object's name: [what a finding about it says], …}`` of a checkpoint."""
    found = collections.defaultdict(list)
    for volume in ("v1", "v2"):
        section = checkpoint.get_resource_bank_section(volume)
        stored = StoredStream(section, "disk")
        place = {"checkpoint_id": checkpoint.id, "resource_id": volume}
        place["stream"] = "disk"
        for page in stored.manifest.pages:
            found[page.ref.name].append({**place, "kind": Kind.STREAM})
        for placed in stored.chunks():
            found[placed.chunk.name].append(
                {**place, "kind": Kind.CHUNK, "chunk": placed.index}
            )
    found.pop(None)
    return found


def object_of(folder, checkpoint, volume="v1", chunk=0):
    """The file of a chunk."""
    [name] = [
        name
        for name, places in needs(checkpoint).items()
        for place in places
        if (place["resource_id"], place.get("chunk")) == (volume, chunk)
    ]
    return folder / "chunks" / checkpoint.project_id / chunk_names.key(name)


@pytest.mark.parametrize("level", Level)
def test_a_bank_without_damage_is_sound(bank, protect, level):
    protect(), protect("error"), protect("protecting")
    report = check(bank, Depth(level))
    assert report.is_sound, report.findings
    assert not report.leftovers
    assert report.checkpoints == 3
    assert report.in_work == 1
    assert report.streams == 4
    assert report.chunks == 4 * 8
    assert (report.bytes_read >= 8 * 4096) == (level is Level.FULL)


def test_an_empty_bank_is_sound(bank):
    assert check(bank).is_sound


def delete(checkpoint):
    checkpoint.transition("deleting")
    for volume in ("v1", "v2"):
        checkpoint.get_resource_bank_section(volume).delete_all()
    checkpoint.transition("deleted")


def damaged_places(folder, path, needed):
    """What findings have to name for the damage of a file: all who need it."""
    parts = path.relative_to(folder).parts
    if parts[0] == "indices":
        return [{"checkpoint_id": path.name.rpartition("@")[2]}]
    if parts[0] in ("chunks", "collections"):
        key = f"/{'/'.join(parts)}"
        places = needed.get(path.name, [{}]) if "data" in parts else [{}]
        return [{**place, "key": key} for place in places]
    place = {"checkpoint_id": parts[1]}
    if parts[2] == "resource-data":
        place["resource_id"] = parts[3]
        if parts[4] == ".streams":
            place["stream"] = parts[6]
    return [place]


def says(finding, place):
    return all(getattr(finding, name) == value for name, value in place.items())


@pytest.fixture
def everything(bank, protect):
    """A bank with each kind of object in it; what needs its chunks.

    Leases are in no bank without a running service; they hold no data, and are
    written anew every few minutes.
    """
    first, *others = protect(), protect(), protect(seed=2, status="error")
    space = bank.chunk_space("project-1").section
    name = next(iter(needs(first)))
    page = condemned.write_page(space, "it", [chunk_names.make("e" * 64, 4096)])
    begun = first._store.clock()
    state.write(
        space, state.Collection("it", state.Phase.CONDEMNED, begun, "me", (page,))
    )
    bank.update_object(leftovers.SEEN, sealing.seal({"since": {}}))
    # The one in error was given up.
    tombstones.write(others[1].checkpoint_section, others[1].id, "me", "died", begun)
    damaged.mark(space, name, "it is only said so", begun)
    # Nothing needs this one, but a writer may find it.
    delete(protect(seed=3))
    needed = needs(first)
    for other in others:
        for name, places in needs(other).items():
            needed[name] += places
    return needed


@pytest.mark.parametrize("open_bank", ["plain", "encrypted"], indirect=True)
def test_a_flipped_bit_is_found_in_every_file_of_a_bank(open_bank, everything, folder):
    """No file is left out, and none who needs it."""
    luck = random.Random(7)
    assert len(files(folder, "chunks/*/keys/*")) == (open_bank()._keyring is not None)
    for path in files(folder):
        content = path.read_bytes()
        for bit in {0, 63, luck.randrange(64, len(content) * 8)}:
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            found = damage(check(open_bank()))
            assert found, f"bit {bit} of {path}"
            for place in damaged_places(folder, path, everything):
                assert any(says(one, place) for one in found), (path, place, found)
        path.write_bytes(content)
    assert not damage(check(open_bank()))


@pytest.mark.parametrize("open_bank", ["plain", "encrypted"], indirect=True)
@pytest.mark.parametrize("act", ["remove", "truncate", "swap"])
def test_a_missing_cut_or_swapped_chunk_is_found_whichever_it_is(
    open_bank, everything, folder, act
):
    depth = FULL if act == "swap" else Depth(Level.OBJECTS)
    objects = [path for path in chunks(folder) if path.name in everything]
    before = None
    for path in objects:
        content = path.read_bytes()
        if act == "remove":
            path.unlink()
        elif act == "truncate":
            path.write_bytes(content[:-1])
        else:
            path.write_bytes(before or objects[-1].read_bytes())
        found = damage(check(open_bank(), depth))
        for place in damaged_places(folder, path, everything):
            assert any(says(one, place) for one in found), (path, place, found)
        assert len([one for one in found if one.kind is Kind.CHUNK]) <= len(
            everything[path.name]
        )
        path.write_bytes(content)
        before = content
    assert not damage(check(open_bank()))


def test_a_missing_file_is_found_whichever_it_is(bank, protect, folder):
    first, other = protect(), protect(seed=2)
    needed = {**needs(first), **needs(other)}
    for path in files(folder):
        away = folder.parent / "away"
        path.rename(away)
        found = damage(check(bank, Depth(Level.OBJECTS)))
        for place in damaged_places(folder, path, needed):
            assert any(says(one, place) for one in found), (path, place, found)
        path.parent.mkdir(parents=True, exist_ok=True)
        away.rename(path)
    assert check(bank).is_sound


def test_a_resource_of_which_nothing_is_left_is_found(bank, protect):
    checkpoint = protect()
    checkpoint.get_resource_bank_section("v1").delete_all()
    found = damage(check(bank))
    assert {(one.resource_id, one.kind) for one in found} == {
        ("v1", Kind.OBJECT),
        ("v1", Kind.STREAM),
    }


def test_what_a_plugin_adds_later_is_no_damage(bank, protect):
    section = protect().get_resource_bank_section("v1")
    section.update_object("notes/1/image", {"token": "x"})
    assert check(bank).is_sound
    section.delete_object("notes/1/image")
    assert check(bank).is_sound


def test_what_several_checkpoints_share_is_read_once_and_reported_for_each(
    bank, protect, folder
):
    one, other = protect(), protect()
    report = check(bank)
    assert report.chunk_objects == len(chunks(folder)) == 2 * (3 + 1)
    assert report.chunks == 4 * 8
    noise, rest = 3 * 4096, 8 * 4096
    assert 2 * noise <= report.bytes_read < 4 * rest
    path = object_of(folder, one)
    path.write_bytes(path.read_bytes()[:-1])
    found = damage(check(bank))
    assert {(each.checkpoint_id, each.chunk) for each in found} == {
        (one.id, 0),
        (other.id, 0),
    }


@pytest.mark.parametrize("open_bank", ["encrypted"], indirect=True)
@pytest.mark.parametrize("level", Level)
def test_what_cannot_be_read_without_a_key_is_not_called_damaged(
    plugin, protect, level
):
    checkpoint = protect()
    report = check(Bank(plugin), Depth(level))
    assert not report.damage, report.findings
    assert not report.is_sound
    assert any(checkpoint.id in reason for reason in report.unchecked)


def test_chunks_that_nothing_needs_are_counted_and_read(bank, protect, folder):
    checkpoint = protect()
    path = object_of(folder, checkpoint)
    delete(checkpoint)
    report = check(bank)
    assert report.is_sound
    assert report.chunk_objects == report.unreferenced == len(chunks(folder))
    assert report.leftovers == 0
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    [found] = damage(check(bank))
    assert (found.kind, found.checkpoint_id) == (Kind.CHUNK, None)
    assert "No checkpoint needs it" in found.reason


@pytest.mark.parametrize("part", ["inventory", "resource-graph", "resources-status"])
def test_another_checkpoints_part_is_found(bank, protect, folder, part):
    one, other = protect(), protect(seed=2)
    [mine] = files(folder / "checkpoints" / one.id / part)
    [foreign] = files(folder / "checkpoints" / other.id / part)
    shutil.copy(foreign, mine)
    [found] = damage(check(bank))
    assert found.checkpoint_id == one.id
    assert found.kind in (Kind.GRAPH, Kind.STATUSES, Kind.INVENTORY)


def test_all_damaged_chunks_of_a_stream_are_named(bank, protect, folder):
    checkpoint = protect()
    for chunk in (1, 2):
        path = object_of(folder, checkpoint, "v2", chunk)
        path.write_bytes(path.read_bytes()[:-1])
    found = damage(check(bank))
    assert [(one.resource_id, one.stream, one.chunk) for one in found] == [
        ("v2", "disk", 1),
        ("v2", "disk", 2),
    ]
    assert checkpoint.id in str(found[0])
    assert "chunk 1" in str(found[0])


def test_a_truncated_chunk_is_found_without_reading_it(bank, protect, folder):
    path = object_of(folder, protect(), chunk=2)
    path.write_bytes(path.read_bytes()[:-1])
    report = check(bank, Depth(Level.OBJECTS))
    [found] = damage(report)
    assert found.chunk == 2
    assert "bytes are stored instead of" in found.reason
    assert report.bytes_read == 0


def test_a_sample_reads_about_what_it_is_told(bank, protect, folder):
    protect(size=100 * 4096)
    report = check(bank, Depth(Level.SAMPLE, 50, random.Random(3)))
    assert 0.3 < report.bytes_read / (report.chunks * 4096) < 0.7
    assert report.is_sound
    with pytest.raises(exception.InvalidInput, match="percent"):
        Depth(Level.SAMPLE, 0)


def test_what_belongs_to_nothing_is_told_and_is_no_damage(bank, protect, folder):
    checkpoint = protect()
    for key in (
        "/stray",
        "/indices/by-moon/x",
        f"/checkpoints/{checkpoint.id}/rubbish",
        f"/checkpoints/{checkpoint.id}/resource-graph/old",
        f"/checkpoints/{checkpoint.id}/resource-data/v1/.streams/data/disk/old/0/0",
        "/chunks/project-1/data/stray",
        "/chunks/project-1/stray",
        "/chunks/project-1/damaged/stray",
        "/chunks/project-1/keys/stray",
    ):
        bank.update_object(key, "x")
    report = check(bank)
    assert report.is_sound
    assert report.leftovers == 9
    assert {one.kind for one in report.findings} == {Kind.LEFTOVER}


def test_a_lost_manifest_is_damage_only_where_the_stream_was_finished(
    bank, protect, folder
):
    failed, good = protect("error"), protect()
    for checkpoint in (failed, good):
        section = checkpoint.get_resource_bank_section("v1")
        section.delete_object(".streams/by-name/disk")
    report = check(bank)
    [found] = damage(report)
    assert (found.checkpoint_id, found.stream) == (good.id, "disk")
    assert report.leftovers == 0


def test_a_checkpoint_without_index_is_damage_unless_somebody_makes_or_deletes_it(
    bank, protect, collection, folder
):
    lost, being_made = protect(), protect("protecting")
    for checkpoint in (lost, being_made):
        bank.delete_object(f"/checkpoints/{checkpoint.id}/index.json")
    found = damage(check(bank))
    assert {one.checkpoint_id for one in found} == {lost.id}
    assert [one.kind for one in found].count(Kind.LISTING) == 3
    assert Kind.INDEX in {one.kind for one in found}


def test_young_entries_without_checkpoint_are_not_judged(bank, protect):
    checkpoint = protect()
    for key in bank.list_objects(f"/checkpoints/{checkpoint.id}/"):
        bank.delete_object(key)
    assert check(bank, hours=0).is_sound
    assert len(damage(check(bank))) == 3


def test_work_that_the_sweep_does_not_know_is_damage(bank, protect):
    checkpoint = protect("protecting")
    for key in bank.list_objects("/indices/in-work/"):
        bank.delete_object(key)
    [found] = damage(check(bank))
    assert (found.kind, found.checkpoint_id) == (Kind.WORK, checkpoint.id)


class Wrapped:
    """A bank that is a little different from the one below."""

    def __init__(self, plugin, act):
        self._plugin = plugin
        self._act = act

    def __getattr__(self, name):
        return getattr(self._plugin, name)


class Vanishing(Wrapped):
    """A bank whose checkpoint is deleted while the check reads it."""

    def get_object(self, key, context=None):
        if "/data/" in key:
            self._act()
        return self._plugin.get_object(key, context=context)


def test_a_checkpoint_that_is_deleted_during_the_check_is_not_damage(
    plugin, bank, protect
):
    checkpoint = protect()

    def delete():
        if checkpoint.status == "available":
            checkpoint.transition("deleting")
            checkpoint.transition("deleted")
            # The collector, much sooner than it may.
            for key in bank.list_objects("/chunks/"):
                bank.delete_object(key)

    report = check(type(bank)(Vanishing(plugin, delete), bank.stream_options))
    assert checkpoint.status == "deleted"
    assert report.is_sound, report.findings


class Away(Wrapped):
    """A bank that does not answer for one checkpoint."""

    def get_object(self, key, context=None):
        if self._act in key:
            raise exception.BankGetObjectFailed(key=key, reason="503", retryable=True)
        return self._plugin.get_object(key, context=context)


def test_what_cannot_be_asked_now_is_not_called_damaged(plugin, bank, protect):
    one, other = protect(), protect(seed=2)
    away = Away(plugin, f"/checkpoints/{one.id}/resource-data")
    report = check(type(bank)(away, bank.stream_options))
    assert not report.damage
    assert not report.is_sound
    [reason] = report.unchecked
    assert one.id in reason
    assert other.id not in reason


@pytest.mark.parametrize("place", ["/by-name/", "/chunks/project-1/data/"])
def test_streams_and_chunks_that_cannot_be_asked_for_are_not_called_damaged(
    plugin, bank, protect, folder, place
):
    path = object_of(folder, protect())
    path.write_bytes(path.read_bytes()[:-1])
    report = check(type(bank)(Away(plugin, place), bank.stream_options))
    assert not report.damage, report.findings
    assert report.unchecked


def test_memory_is_for_findings_only(bank, monkeypatch):
    monkeypatch.setattr("karbor.services.protection.administration.findings.KEPT", 3)
    for number in range(5):
        bank.update_object(f"/stray-{number}/x", "x")
    report = check(bank)
    assert report.leftovers == 5
    assert len(report.findings) == 3


class Late(Wrapped):
    """A bank that does not list what was written a moment ago."""

    def list_objects(self, prefix=None, **wanted):
        found = self._plugin.list_objects(prefix, **wanted)
        return [key for key in found if not self._act(key)]


class Ghosts(Wrapped):
    """A bank that still lists what was deleted, and promises no strong read."""

    capabilities = BankCapabilities()

    def list_objects(self, prefix=None, limit=None, marker=None, **wanted):
        found = self._plugin.list_objects(prefix, **wanted)
        ghosts = [key for key in self._act if key.startswith(prefix or "")]
        keys = sorted({*found, *ghosts})
        keys = [key for key in keys if marker is None or key > marker]
        return keys[:limit]


@pytest.mark.parametrize("is_needed", [True, False])
def test_chunks_that_are_listed_and_gone_are_damage_only_where_they_are_needed(
    plugin, bank, protect, folder, is_needed
):
    checkpoint = protect()
    ghosts = bank.list_objects("/chunks/project-1/data/")
    if not is_needed:
        delete(checkpoint)
    for key in ghosts:
        bank.delete_object(key)
    report = check(type(bank)(Ghosts(plugin, ghosts), bank.stream_options))
    assert (report.damage > 0) == is_needed
    assert all(found.checkpoint_id == checkpoint.id for found in damage(report))


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    "hidden",
    ["/metadata", "/by-name/disk", "/data/", "/in-work/"],
)
def test_what_is_listed_late_is_not_lost(plugin, bank, protect, level, hidden):
    protect(), protect("protecting")
    late = Late(plugin, lambda key: hidden in key)
    report = check(type(bank)(late, bank.stream_options), Depth(level))
    assert not damage(report), report.findings


def test_more_damage_than_a_report_keeps_is_counted(bank, protect, folder, monkeypatch):
    """Who needs it is told of as many as fit."""
    checkpoint = protect()
    for chunk in range(3):
        object_of(folder, checkpoint, chunk=chunk).unlink()
    monkeypatch.setattr("karbor.services.protection.administration.check.KEPT", 1)
    report = check(bank)
    assert report.damage == 3
    assert [found.checkpoint_id for found in damage(report)].count(checkpoint.id) == 1


def test_pages_that_were_forgotten_are_read_again(bank, protect, folder, monkeypatch):
    monkeypatch.setattr(
        "karbor.services.protection.administration.checking._REMEMBERED", 1
    )
    one, other = protect(), protect()
    assert check(bank).is_sound
    object_of(folder, one).unlink()
    assert {found.checkpoint_id for found in damage(check(bank))} == {one.id, other.id}
