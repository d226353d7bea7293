# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that Karbor 1.x made are listed, shown, reset and deleted."""

import json

import pytest

from karbor import exception
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.findings import Kind
from karbor.services.protection.administration.rebuild import IndexRebuild
from karbor.services.protection.administration.removal import CheckpointRemoval
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.tests.fakes.file_system_bank import file_system_bank
from karbor.tests.fakes.karbor1_bank import PROJECT_ID, PROVIDER_ID, Karbor1Bank

DATA = b"0123456789" * 20_000


@pytest.fixture
def old(tmp_path):
    return Karbor1Bank(tmp_path / "karbor")


@pytest.fixture
def bank(tmp_path):
    return Bank(file_system_bank(tmp_path))


@pytest.fixture
def collection(bank):
    return CheckpointCollection(bank)


def listed(collection, **wanted):
    found = collection.list(PROJECT_ID, provider_id=PROVIDER_ID, **wanted)
    return [checkpoint.id for checkpoint in found]


def test_it_is_shown_as_karbor_1_showed_it(old, collection):
    old.checkpoint("c1", images=("i1", "i2"))
    checkpoint = collection.get("c1")
    shown = checkpoint.to_dict()
    assert shown["status"] == "available"
    assert shown["project_id"] == PROJECT_ID
    assert shown["created_at"] == "2017-11-23"
    assert shown["extra_info"] == '{"created_by": "manual"}'
    assert shown["protection_plan"]["name"] == "nightly"
    nodes, adjacency = json.loads(shown["resource_graph"])
    assert adjacency == [["0x2", ["0x0", "0x1"]]]
    assert nodes["0x0"][1] == "i1"
    assert [r.id for r in checkpoint.resource_graph.children_first()] == [
        "i1",
        "i2",
        PROJECT_ID,
    ]
    assert checkpoint.timestamp == "20171123T051307.000000Z"


@pytest.mark.parametrize("timestamp", [1511413987, 1511413987.25])
def test_listings_show_it_once_its_entries_are_written_anew(
    old, bank, collection, timestamp
):
    old.checkpoint("c1", timestamp=timestamp)
    old.checkpoint("c2", timestamp=timestamp + 60, plan_id="plan-2")
    new = collection.create(
        {"id": "plan-1"}, provider_id=PROVIDER_ID, project_id=PROJECT_ID
    )
    assert listed(collection) == [new.id]
    done = IndexRebuild(bank).run()
    assert (done.adopted, done.written, done.removed) == (2, 6, 6)
    assert listed(collection) == [new.id, "c2", "c1"]
    assert listed(collection, plan_id="plan-1") == [new.id, "c1"]
    assert listed(collection, end_date="2017-11-23", limit=1) == ["c2"]
    assert listed(collection, marker="c2") == ["c1"]
    again = IndexRebuild(bank).run()
    assert (again.adopted, again.written, again.removed) == (0, 0, 0)


@pytest.mark.parametrize("is_adopted", [True, False])
def test_it_is_deleted_with_all_of_its_keys(old, bank, collection, is_adopted):
    old.checkpoint("c1", images=("i1",))
    old.image("c1", "i1", DATA)
    if is_adopted:
        IndexRebuild(bank).run()
    checkpoint = collection.get("c1")
    checkpoint.transition("deleting")
    again = collection.get("c1")
    assert again.resource_graph.resources == checkpoint.resource_graph.resources
    assert again.to_dict()["resource_graph"] == checkpoint.to_dict()["resource_graph"]
    checkpoint.purge()
    assert bank.list_objects("/") == []


def test_a_deletion_that_failed_goes_on(old, bank, collection):
    old.checkpoint("c1", images=("i1",))
    collection.get("c1").transition("deleting")
    collection.get("c1").transition("error-deleting", "no reason")
    checkpoint = collection.get("c1")
    assert checkpoint.resource_graph is not None
    checkpoint.transition("deleting")
    checkpoint.purge()
    assert bank.list_objects("/") == []


def test_what_was_in_work_can_be_reset(old, collection):
    old.checkpoint("c1", status="protecting")
    checkpoint = collection.get("c1")
    checkpoint.reset("error")
    checkpoint.reset("available")
    assert collection.get("c1").status == "available"


def test_what_karbor_1_deleted_is_not_there(old, bank, collection):
    old.checkpoint("c1", status="deleted")
    with pytest.raises(exception.CheckpointNotFound):
        collection.get("c1")
    IndexRebuild(bank).run()
    assert listed(collection) == []
    report = BankCheck(bank).run()
    assert report.is_sound
    assert report.leftovers == 1
    CheckpointRemoval(bank).remove("c1")
    assert bank.list_objects("/") == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": "0.8"},
        {"timestamp": "yesterday"},
        {"timestamp": True},
        {"timestamp": 1e300},
        {"resource_graph": []},
        {"project_id": None},
        {"id": "c2"},
    ],
)
def test_an_index_that_karbor_1_did_not_write_is_refused(old, bank, collection, change):
    old.checkpoint("c1")
    value = bank.get_object("/checkpoints/c1/index.json")
    bank.update_object("/checkpoints/c1/index.json", {**value, **change})
    with pytest.raises(exception.CheckpointUnreadable):
        collection.get("c1")


@pytest.mark.parametrize("level", Level)
def test_a_check_finds_it_sound(old, bank, level):
    old.checkpoint("c1", images=("i1",))
    old.image("c1", "i1", DATA)
    before = BankCheck(bank, Depth(level)).run()
    assert {found.kind for found in before.findings} == {Kind.LISTING, Kind.LEFTOVER}
    IndexRebuild(bank).run()
    report = BankCheck(bank, Depth(level)).run()
    assert report.is_sound, report.findings
    assert not report.leftovers
    assert (report.streams, report.chunks) == (1, 4)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: flip(path / "data_2"), "MD5"),
        (lambda path: (path / "data_2").unlink(), "data_2 is lost"),
        (lambda path: (path / "data_4").unlink(), "3 objects instead of 4"),
        (lambda path: [p.unlink() for p in path.glob("data_*")], "all of its 4"),
    ],
)
def test_a_check_finds_its_damage(old, bank, damage, reason):
    old.checkpoint("c1", images=("i1",))
    old.image("c1", "i1", DATA)
    IndexRebuild(bank).run()
    damage(old.root / "checkpoints/c1/resource-data/i1")
    [found] = BankCheck(bank, Depth(Level.FULL)).run().findings
    assert (found.checkpoint_id, found.resource_id, found.stream) == (
        "c1",
        "i1",
        "data",
    )
    assert reason in found.reason
