# SPDX-License-Identifier: Apache-2.0
"""A locked checkpoint stays as it is until its date, and goes after it."""

import datetime
import random

import pytest

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection.administration.removal import (
    CheckpointRemoval,
    RemovalRefused,
)
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints import locking
from karbor.services.protection.checkpoints.lock_policy import LockPolicy
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.collection.collector import Collector
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.faulty_bank import faulty_bank
from karbor.tests.fakes.file_system_bank import file_system_bank
from karbor.tests.fakes.karbor1_bank import Karbor1Bank

PLAN = {"id": "plan-1", "name": "nightly", "resources": [{"id": "v1", "type": "V"}]}
VOLUME = Resource("V", "v1", "root")
OPTIONS = StreamOptions(
    chunk_size=4096, max_bytes_in_flight=16384, worker_threads=2, inline_limit=200
)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def plugin(tmp_path, clock, monkeypatch):
    """A bank that can lock objects, by the clock of the test."""
    made = file_system_bank(tmp_path / "bank", file_system_bank_object_lock=True)
    monkeypatch.setattr(made._locks, "_clock", clock)
    return made


@pytest.fixture
def collection(plugin, clock):
    return CheckpointCollection(Bank(plugin, OPTIONS), None, clock)


def noise(seed, size=4 * 4096):
    return random.Random(seed).randbytes(size)


def begin(collection, data, **changes):
    values = {"provider_id": "provider-1", "project_id": "project-1", **changes}
    checkpoint = collection.create(PLAN, **values)
    checkpoint.save_graph(ResourceGraph((VOLUME,), ((),)))
    section = checkpoint.get_resource_bank_section(VOLUME.id)
    section.update_object("metadata", {"name": "root"})
    section.get_sub_section("deep/er").write_stream("disk", [data])
    return checkpoint


def protect(collection, data, **changes):
    checkpoint = begin(collection, data, **changes)
    checkpoint.transition("available")
    return checkpoint


def delete(checkpoint):
    checkpoint.transition("deleting")
    checkpoint.purge()


def dates(plugin, prefix):
    return {key: plugin.locked_until(key) for key in plugin.list_objects(prefix)}


def chunks(plugin):
    return dates(plugin, "/chunks/project-1/data/")


def test_all_that_a_locked_checkpoint_needs_is_locked(collection, plugin, clock):
    until = clock() + 30 * DAY
    checkpoint = protect(collection, noise(1), locked_until=until)

    kept = dates(plugin, f"/checkpoints/{checkpoint.id}/")

    names = {key.split("/")[3] for key in kept}
    assert names == {"index.json", "inventory", "resource-data", "resource-graph"}
    assert set(kept.values()) == {until}
    # Four of data, and the page that lists them.
    assert list(chunks(plugin).values()) == [until] * 5
    assert checkpoint.locked_until == until
    assert set(dates(plugin, "/indices/").values()) == {None}


def test_nothing_is_locked_that_nobody_asked_for(collection, plugin):
    checkpoint = protect(collection, noise(1))

    assert set(dates(plugin, "/").values()) == {None}
    assert checkpoint.locked_until is None
    assert "locked_until" not in checkpoint.to_dict()
    delete(checkpoint)


def test_a_locked_checkpoint_is_not_deleted_before_its_date(collection, plugin, clock):
    checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)
    before = plugin.list_objects()

    with pytest.raises(exception.CheckpointLocked) as refused:
        delete(checkpoint)

    assert checkpoint.id in str(refused.value)
    assert "2026-11-21T12:00:00+00:00" in str(refused.value)
    assert refused.value.code == 409
    assert plugin.list_objects() == before
    assert collection.get(checkpoint.id).status == "available"

    clock.advance(days=1)
    delete(checkpoint)
    assert plugin.list_objects("/checkpoints/") == []
    assert plugin.list_objects("/indices/") == []


def test_the_bank_refuses_what_goes_past_the_checkpoint(collection, plugin, clock):
    checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)
    keys = [*chunks(plugin), *plugin.list_objects(f"/checkpoints/{checkpoint.id}/")]

    for key in keys:
        with pytest.raises(exception.BankObjectLocked):
            plugin.delete_object(key)
        with pytest.raises(exception.BankObjectLocked):
            plugin.update_object(key, b"")
    with pytest.raises(exception.BankObjectLocked):
        checkpoint.checkpoint_section.delete_all()

    with (
        checkpoint.get_resource_bank_section(VOLUME.id)
        .get_sub_section("deep/er")
        .open_stream("disk") as stream
    ):
        assert stream.read() == noise(1)


def test_a_purge_that_was_begun_stops_at_the_date(collection, clock):
    checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)
    clock.advance(days=1)
    checkpoint.transition("deleting")
    clock.advance(hours=-1)

    with pytest.raises(exception.CheckpointLocked):
        checkpoint.purge()

    assert collection.get(checkpoint.id).status == "deleting"


@pytest.mark.parametrize("status", ["error", "available"])
def test_a_locked_checkpoint_is_not_reset(collection, clock, status):
    checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)

    with pytest.raises(exception.CheckpointLocked):
        checkpoint.reset(status)

    assert collection.get(checkpoint.id).status == "available"


def test_an_administrator_does_not_remove_a_locked_checkpoint(collection, clock):
    checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)
    removal = CheckpointRemoval(collection.store.bank, clock=clock)

    with pytest.raises(RemovalRefused, match="locked until 2026-11-21"):
        removal.remove(checkpoint.id)

    clock.advance(days=1)
    removal.remove(checkpoint.id)
    with pytest.raises(exception.CheckpointNotFound):
        collection.get(checkpoint.id)


def test_a_checkpoint_is_locked_when_it_is_there_already(collection, plugin, clock):
    checkpoint = protect(collection, noise(1))
    other = protect(collection, noise(2))
    until = clock() + DAY

    locked = collection.get(checkpoint.id).lock(until)

    assert locked.until == until
    kept = dates(plugin, f"/checkpoints/{checkpoint.id}/")
    assert set(kept.values()) == {until}
    assert locked.objects == len(kept) + 5
    assert sorted(map(bool, chunks(plugin).values())) == [False] * 5 + [True] * 5
    with pytest.raises(exception.CheckpointLocked):
        delete(collection.get(checkpoint.id))
    delete(other)


def test_a_lock_is_extended_and_never_shortened(collection, plugin, clock):
    checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)
    later = clock() + 10 * DAY

    checkpoint.lock(later)

    assert set(chunks(plugin).values()) == {later}
    assert set(dates(plugin, f"/checkpoints/{checkpoint.id}/").values()) == {later}
    for earlier in (later - DAY, clock() + datetime.timedelta(hours=1)):
        with pytest.raises(exception.CheckpointLocked, match="only be extended"):
            collection.get(checkpoint.id).lock(earlier)
    clock.advance(days=9)
    shown = collection.get(checkpoint.id)
    assert shown.to_dict()["locked_until"] == "2026-11-30T12:00:00Z"
    with pytest.raises(exception.CheckpointLocked):
        delete(shown)
    clock.advance(days=1)
    delete(shown)


def test_a_chunk_is_locked_for_the_last_checkpoint_that_needs_it(
    collection, plugin, clock
):
    first = protect(collection, noise(1), locked_until=clock() + DAY)
    second = protect(collection, noise(1) + noise(2), locked_until=clock() + 3 * DAY)
    third = protect(collection, noise(2), locked_until=clock() + 2 * DAY)
    shared = chunks(plugin)
    clock.advance(days=2)

    delete(first)
    delete(third)

    # Of the second: 8 of data and a page; the pages of the others are their own.
    assert sorted(map(str, shared.values())) == sorted(
        ["2026-11-21 12:00:00+00:00"]
        + ["2026-11-22 12:00:00+00:00"]
        + ["2026-11-23 12:00:00+00:00"] * 9
    )
    report = Collector(collection.store, settle=datetime.timedelta()).run()
    assert report.is_done
    assert len(chunks(plugin)) == 9
    with pytest.raises(exception.CheckpointLocked):
        delete(second)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (datetime.timedelta(seconds=90), "2026-11-20T12:01:30Z"),
        (datetime.timedelta(seconds=90, microseconds=1), "2026-11-20T12:01:31Z"),
    ],
)
def test_the_date_is_shown_and_listed(collection, clock, asked, shown):
    checkpoint = begin(collection, noise(1), locked_until=clock() + asked)
    assert checkpoint.to_dict()["locked_until"] == shown
    checkpoint.transition("available")

    (listed,) = collection.list("project-1", provider_id="provider-1")

    assert listed.to_dict(graph=False)["locked_until"] == shown
    assert collection.get(checkpoint.id).to_dict()["locked_until"] == shown


def test_a_listing_lives_with_a_bank_that_does_not_tell(
    collection, plugin, clock, caplog
):
    protect(collection, noise(1), locked_until=clock() + DAY)
    faulty = faulty_bank(plugin, fail_before={"locked_until": 1.0})
    reader = CheckpointCollection(Bank(faulty, OPTIONS), None, clock)

    (listed,) = reader.list("project-1", provider_id="provider-1")

    assert listed.to_dict(graph=False)["locked_until"] == "2026-11-21T12:00:00Z"
    assert "the bank may have a later date" in caplog.text
    with pytest.raises(exception.BankException):
        delete(listed)


def test_a_provider_locks_all_of_its_checkpoints(plugin, clock):
    collection = CheckpointCollection(
        Bank(plugin, OPTIONS), None, clock, lock_policy=LockPolicy(days=7)
    )
    checkpoint = protect(collection, noise(1))
    longer = protect(collection, noise(1), locked_until=clock() + 8 * DAY)
    shorter = protect(collection, noise(1), locked_until=clock() + DAY)

    assert checkpoint.locked_until == clock() + 7 * DAY
    assert longer.locked_until == clock() + 8 * DAY
    assert shorter.locked_until == clock() + 7 * DAY


def test_a_date_that_has_passed_locks_nothing(collection, plugin, clock):
    checkpoint = begin(collection, noise(1), locked_until=clock() + DAY)
    clock.advance(days=2)
    checkpoint.transition("available")

    assert set(dates(plugin, "/").values()) == {None}
    with pytest.raises(exception.InvalidInput, match="over already"):
        checkpoint.lock(clock())
    delete(checkpoint)


@pytest.mark.parametrize("status", ["protecting", "error"])
def test_only_what_is_available_can_be_locked(collection, clock, status):
    checkpoint = begin(collection, noise(1))
    if status == "error":
        checkpoint.transition("error")

    with pytest.raises(exception.CheckpointNotAvailable, match=status):
        checkpoint.lock(clock() + DAY)


def test_what_cannot_be_locked_does_not_become_available(plugin, clock):
    faulty = faulty_bank(plugin)
    collection = CheckpointCollection(Bank(faulty, OPTIONS), None, clock)
    checkpoint = begin(collection, noise(1), locked_until=clock() + DAY)
    faulty.inject("lock_object", "fail_before")

    with pytest.raises(exception.BankLockObjectFailed):
        checkpoint.transition("available")

    assert collection.get(checkpoint.id).status == "protecting"
    checkpoint.transition("available")
    assert set(chunks(plugin).values()) == {clock() + DAY}


def test_what_was_locked_for_nothing_stays_until_its_date(plugin, clock):
    """A service that dies between the locks and the commit leaves this."""
    faulty = faulty_bank(plugin)
    collection = CheckpointCollection(Bank(faulty, OPTIONS), None, clock)
    checkpoint = begin(collection, noise(1), locked_until=clock() + DAY)
    locking.lock_new(collection.store, checkpoint._record)
    checkpoint.transition("error", "it died")

    with pytest.raises(exception.CheckpointLocked):
        delete(checkpoint)
    assert "locked_until" not in checkpoint.to_dict()

    clock.advance(days=1)
    delete(checkpoint)
    assert plugin.list_objects("/checkpoints/") == []


def test_what_failed_before_it_was_locked_can_be_deleted(collection, plugin, clock):
    checkpoint = begin(collection, noise(1), locked_until=clock() + DAY)
    checkpoint.transition("error", "it failed")

    delete(checkpoint)

    assert plugin.list_objects("/checkpoints/") == []


def test_a_lock_that_stopped_midway_holds_and_goes_on(plugin, clock):
    faulty = faulty_bank(plugin)
    collection = CheckpointCollection(Bank(faulty, OPTIONS), None, clock)
    checkpoint = protect(collection, noise(1))
    until = clock() + DAY
    for _ in range(3):
        faulty.inject("lock_object", "fail_before")

    with pytest.raises(exception.BankException):
        checkpoint.lock(until)

    with pytest.raises(exception.CheckpointLocked):
        delete(collection.get(checkpoint.id))
    while None in chunks(plugin).values():
        try:
            collection.get(checkpoint.id).lock(until)
        except exception.BankLockObjectFailed:
            continue
    assert set(chunks(plugin).values()) == {until}


def test_all_that_can_be_locked_is_locked_when_something_cannot(
    collection, plugin, clock
):
    checkpoint = protect(collection, noise(1))
    section = checkpoint.get_resource_bank_section(VOLUME.id)
    section.delete_object("metadata")

    with pytest.raises(exception.BankLockObjectFailed, match="1 objects of") as failed:
        checkpoint.lock(clock() + DAY)

    assert "/metadata" in str(failed.value)
    assert None not in chunks(plugin).values()


def test_what_an_operation_notes_meanwhile_is_not_locked(collection, plugin, clock):
    checkpoint = protect(collection, noise(1))
    section = checkpoint.get_resource_bank_section(VOLUME.id)
    section.update_object("notes/restore-1/image", {"token": "t"})

    checkpoint.lock(clock() + DAY)

    section.delete_object("notes/restore-1/image")


class TestBankThatCannotLock:
    """There Karbor alone keeps to the date."""

    @pytest.fixture
    def plugin(self):
        return MemoryBankPlugin()

    def test_karbor_refuses(self, collection, clock, caplog):
        checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)

        assert "by Karbor alone" in caplog.text
        for refused in (lambda: delete(checkpoint), lambda: checkpoint.reset("error")):
            with pytest.raises(exception.CheckpointLocked):
                refused()
        clock.advance(days=1)
        delete(checkpoint)

    def test_a_lock_is_extended_and_never_shortened(self, collection, clock):
        checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)

        locked = checkpoint.lock(clock() + 2 * DAY)

        assert locked.objects == 0
        assert collection.get(checkpoint.id).locked_until == clock() + 2 * DAY
        with pytest.raises(exception.CheckpointLocked):
            checkpoint.lock(clock() + DAY)

    def test_an_administrator_does_not_remove_it(self, collection, clock):
        checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)

        with pytest.raises(RemovalRefused, match="locked until"):
            CheckpointRemoval(collection.store.bank, clock=clock).inspect(checkpoint.id)


def test_a_bank_that_no_longer_locks_keeps_what_it_has_locked(
    collection, tmp_path, clock
):
    checkpoint = protect(collection, noise(1), locked_until=clock() + DAY)
    checkpoint.lock(clock() + 5 * DAY)
    other = CheckpointCollection(
        Bank(file_system_bank(tmp_path / "bank"), OPTIONS), None, clock
    )

    found = other.get(checkpoint.id)

    assert found.locked_until == clock() + 5 * DAY
    with pytest.raises(exception.CheckpointLocked):
        delete(found)


def test_the_collector_leaves_what_is_locked_until_its_date(collection, plugin, clock):
    # Locked for a checkpoint that was never committed, and that is gone.
    checkpoint = protect(collection, noise(1))
    plugin.lock_object(next(iter(chunks(plugin))), clock() + DAY)
    delete(checkpoint)

    Collector(collection.store, settle=datetime.timedelta()).run()

    assert list(chunks(plugin).values()) == [clock() + DAY]
    clock.advance(days=1)
    Collector(collection.store, settle=datetime.timedelta()).run()
    assert chunks(plugin) == {}
    assert plugin.list_objects("/chunks/") == []


def test_what_the_collector_could_not_delete_is_not_used_again(
    collection, plugin, clock
):
    checkpoint = protect(collection, noise(1))
    plugin.lock_object(next(iter(chunks(plugin))), clock() + DAY)
    delete(checkpoint)
    Collector(collection.store, settle=datetime.timedelta()).run()

    again = protect(collection, noise(1))

    clock.advance(days=1)
    Collector(collection.store, settle=datetime.timedelta()).run()
    with (
        again.get_resource_bank_section(VOLUME.id)
        .get_sub_section("deep/er")
        .open_stream("disk") as stream
    ):
        assert stream.read() == noise(1)


def test_an_index_with_a_date_that_is_none_cannot_be_read(collection):
    record = begin(collection, noise(1))._record
    value = {**record.to_value(), "locked_until": "soon"}
    del value["digest"]

    with pytest.raises(
        exception.CheckpointUnreadable, match="'locked_until' is 'soon'"
    ):
        CheckpointRecord.from_value(record.id, sealing.seal(value))


def test_a_checkpoint_of_karbor_1_can_be_locked(collection, plugin, clock, tmp_path):
    old = Karbor1Bank(tmp_path / "bank" / "karbor")
    old.checkpoint("c1", images=("i1",))
    old.write("/checkpoints/c1/resource-data/i1/data_1", b"data")

    locked = collection.get("c1").lock(clock() + DAY)

    kept = dates(plugin, "/checkpoints/c1/")
    assert set(kept.values()) == {clock() + DAY}
    assert locked.objects >= len(kept) == 2
    again = collection.get("c1")
    assert again.locked_until == clock() + DAY
    assert again.resource_graph is not None
    with pytest.raises(exception.CheckpointLocked):
        delete(again)
    clock.advance(days=1)
    delete(again)
