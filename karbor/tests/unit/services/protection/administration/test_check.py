# SPDX-License-Identifier: Apache-2.0
"""A check of a bank finds what is wrong, and only that."""

import random
import shutil

import pytest

from karbor import exception
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.findings import Kind
from karbor.tests.unit.services.protection.administration.conftest import hours_later

FULL = Depth(Level.FULL)


def check(bank, depth=FULL, hours=2):
    return BankCheck(bank, depth, clock=hours_later(hours)).run()


def damage(report):
    return [finding for finding in report.findings if finding.is_damage]


def files(folder, pattern="**/*"):
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def chunks(folder):
    return [path for path in files(folder) if "/.streams/data/" in str(path)]


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
    assert (report.bytes_read > 4 * 12 * 1024) == (level is Level.FULL)


def test_an_empty_bank_is_sound(bank):
    assert check(bank).is_sound


def damaged_place(folder, path):
    """What a finding has to name for the damage of a file."""
    parts = path.relative_to(folder).parts
    if parts[0] == "indices":
        return {"checkpoint_id": path.name.rpartition("@")[2]}
    place = {"checkpoint_id": parts[1]}
    if parts[2] == "resource-data":
        place["resource_id"] = parts[3]
        if parts[4] == ".streams":
            place["stream"] = parts[6]
            if parts[5] == "data" and parts[8] != "pages":
                place["chunk"] = int(parts[9])
    return place


def names(finding, place):
    return all(getattr(finding, name) == value for name, value in place.items())


def test_a_flipped_bit_is_found_in_every_file_of_a_bank(bank, protect, folder):
    """No file is left out. Leases are in no bank without a running service; they hold
    no data, and are written anew every few minutes."""
    protect(), protect(seed=2, status="protecting").transition("error")
    luck = random.Random(7)
    for path in files(folder):
        content = path.read_bytes()
        for bit in {0, 63, luck.randrange(64, len(content) * 8)}:
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            found = damage(check(bank))
            assert found, f"bit {bit} of {path}"
            place = damaged_place(folder, path)
            assert any(names(one, place) for one in found), (path, found)
        path.write_bytes(content)
    assert check(bank).is_sound


def test_a_missing_file_is_found_whichever_it_is(bank, protect, folder):
    protect(), protect(seed=2)
    for path in files(folder):
        away = folder.parent / "away"
        path.rename(away)
        found = damage(check(bank, Depth(Level.OBJECTS)))
        place = damaged_place(folder, path)
        assert any(names(one, place) for one in found), (path, found)
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


def test_swapped_chunks_are_both_found(bank, protect, folder):
    protect()
    first, second, *_ = [path for path in chunks(folder) if "pages" not in path.parts]
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    found = damage(check(bank))
    assert {one.chunk for one in found} == {int(first.name), int(second.name)}
    assert {one.kind for one in found} == {Kind.CHUNK}


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
    hit = [path for path in chunks(folder) if "v2" in path.parts][1:3]
    for path in hit:
        path.write_bytes(path.read_bytes()[:-1])
    found = damage(check(bank))
    assert [(one.resource_id, one.stream, one.chunk) for one in found] == [
        ("v2", "disk", int(path.name)) for path in hit
    ]
    assert checkpoint.id in str(found[0])
    assert "chunk 1" in str(found[0])


def test_a_truncated_chunk_is_found_without_reading_it(bank, protect, folder):
    protect()
    path = next(path for path in chunks(folder) if "pages" not in path.parts)
    path.write_bytes(path.read_bytes()[:-1])
    report = check(bank, Depth(Level.OBJECTS))
    [found] = damage(report)
    assert found.chunk == int(path.name)
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
    ):
        bank.update_object(key, "x")
    report = check(bank)
    assert report.is_sound
    assert report.leftovers == 5
    assert {one.kind for one in report.findings} == {Kind.LEFTOVER}


def test_data_of_an_unfinished_stream_is_damage_only_where_it_was_finished(
    bank, protect, folder
):
    failed, good = protect("error"), protect()
    for checkpoint in (failed, good):
        section = checkpoint.get_resource_bank_section("v1")
        section.delete_object(".streams/by-name/disk")
    report = check(bank)
    [found] = damage(report)
    assert (found.checkpoint_id, found.stream) == (good.id, "disk")
    assert report.leftovers == 1


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
        if "/pages/" in key:
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


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    "hidden",
    ["/metadata", "/by-name/disk", "/000000/0001", "/pages/000000", "/in-work/"],
)
def test_what_is_listed_late_is_not_lost(plugin, bank, protect, level, hidden):
    protect(), protect("protecting")
    late = Late(plugin, lambda key: hidden in key)
    report = check(type(bank)(late, bank.stream_options), Depth(level))
    assert not damage(report), report.findings
