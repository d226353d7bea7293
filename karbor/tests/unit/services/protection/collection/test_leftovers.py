# SPDX-License-Identifier: Apache-2.0
"""What is left of checkpoints goes, once it is certain that nobody works on it."""

import pytest

from karbor import exception
from karbor.services.protection.collection import leftovers
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.unit.services.protection.collection.house import House


@pytest.fixture
def house():
    return House()


class Providers:
    def __init__(self, house):
        self.checkpoints = house.checkpoints
        self.id = "prov"

    def list(self):
        return [self]


def _put(house, key):
    house.plugin.objects[key] = "x"


def test_a_folder_without_an_index_goes(house):
    kept = house.protect("ab")
    before = house.rest()
    _put(house, "/checkpoints/c0/resource-data/r1/x")
    _put(house, "/checkpoints/zz/abandoned")

    report = house.collector().run()

    assert sorted(report.cleared) == ["c0", "zz"]
    assert house.rest() == before
    assert house.read(kept)


def test_what_is_in_work_stays(house):
    checkpoint = house.begin()
    house.write(checkpoint, "ab")
    del house.plugin.objects[f"/checkpoints/{checkpoint.id}/index.json"]

    assert house.collector().run().cleared == []
    house.store.indices.end_work(checkpoint.id, "owner-1")
    assert house.collector().run().cleared == [checkpoint.id]
    assert not house.rest()


def test_a_whole_checkpoint_whose_index_is_lost_is_left_and_told(house):
    damaged = house.protect("ab")
    key = f"/checkpoints/{damaged.id}/index.json"
    index = house.plugin.objects.pop(key)
    before = house.rest()

    report = house.collector().run()

    assert not report.is_done
    assert damaged.id in report.findings[0]
    assert [key for key in house.rest() if "/collections/" not in key] == before
    house.plugin.objects[key] = index
    assert house.collector().run().is_done
    assert house.read(damaged)


def test_an_index_that_was_written_after_the_deletion_goes(house):
    gone = house.protect("ab")
    key = f"/checkpoints/{gone.id}/index.json"
    index = house.plugin.objects[key]
    house.delete(gone)
    house.plugin.objects[key] = index

    assert house.collector().run().cleared == [gone.id]
    assert not house.rest()


def test_a_failed_checkpoint_without_data_stays(house):
    failed = house.begin()
    failed.transition("error", "it failed")

    assert house.collector().run().cleared == []
    assert house.checkpoints.get(failed.id).status == "error"


def test_an_entry_of_a_listing_without_a_checkpoint_goes(house):
    kept = house.protect("ab")
    before = house.rest()
    _put(house, "/indices/by-plan/plan/p1/2026-11-20/20261120T120000.000000Z@c0")

    assert house.collector().run().is_done
    assert house.rest() == before
    assert house.read(kept)


def test_work_that_nobody_has_in_hand_is_given_to_the_sweep(house):
    lost = house.begin()
    house.store.indices.end_work(lost.id, "owner-1")

    house.collector().run()
    house.clock.advance(hours=2)
    ZombieSweeper(Providers(house), lambda checkpoint_id: False).sweep()

    assert house.checkpoints.get(lost.id).status == "error"


def test_a_late_commit_of_what_was_given_up_is_ended(house):
    checkpoint = house.begin()
    house.write(checkpoint, "ab")
    house.end(checkpoint)
    house.store.mark_abandoned(house.store.read_index(checkpoint.id), "it died")

    assert house.collector().run().ended == [checkpoint.id]
    assert house.store.read_index(checkpoint.id).status == "error"


def test_a_bank_that_promises_nothing_must_look_so_twice():
    house = House(MemoryBankPlugin())
    keys = ["/checkpoints/c0/x", "/indices/by-date/prov/2026-11-20/20261120T@c1"]
    for key in keys:
        _put(house, key)

    assert not house.collector().run().is_done
    assert house.rest() == [keys[0], leftovers.SEEN, keys[1]]
    house.clock.advance(minutes=59)
    assert not house.collector().run().is_done
    house.clock.advance(minutes=1)
    assert house.collector().run().is_done
    assert not house.rest()


def test_what_no_longer_looks_so_is_forgotten():
    house = House(MemoryBankPlugin())
    _put(house, "/checkpoints/c0/x")
    house.collector().run()
    del house.plugin.objects["/checkpoints/c0/x"]

    assert house.collector().run().is_done
    assert not house.rest()


def test_damaged_notes_are_made_anew():
    house = House(MemoryBankPlugin())
    _put(house, "/checkpoints/c0/x")
    house.collector().run()
    house.plugin.objects[leftovers.SEEN] = "?"
    house.clock.advance(hours=1)

    assert not house.collector().run().is_done
    house.clock.advance(hours=1)
    assert house.collector().run().is_done
    assert not house.rest()


def test_what_cannot_be_cleared_is_told(house, monkeypatch):
    _put(house, "/checkpoints/c0/x")

    def refuse(key, context=None):
        raise exception.BankDeleteObjectFailed(key=key, reason="it is locked")

    monkeypatch.setattr(house.plugin, "delete_object", refuse)

    report = house.collector().run()

    assert not report.is_done
    assert "c0" in report.findings[0]
    assert "locked" in report.findings[0]


def test_an_old_checkpoint_that_is_only_its_index_stays(house):
    index = {
        "version": "0.9",
        "id": "c1",
        "status": "available",
        "project_id": "p1",
        "provider_id": "prov",
        "owner_id": "owner-9",
        "protection_plan": {"id": "plan", "name": "n", "resources": []},
        "resource_graph": "[]",
        "created_at": "2019-01-01",
        "timestamp": 1546300800,
        "extra_info": "{}",
    }
    house.plugin.objects["/checkpoints/c1/index.json"] = index

    assert house.collector().run().is_done
    assert house.checkpoints.get("c1").status == "available"
