# SPDX-License-Identifier: Apache-2.0
"""A service that wakes up late does not complete what was given up meanwhile."""

import threading

import pytest

from karbor import exception
from karbor.services.protection.bank.leases import LeaseKeeper
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.fakes.bank import MemoryBankPlugin

PLAN = {"id": "plan", "name": "n", "provider_id": "provider", "resources": []}


class StrongBank(MemoryBankPlugin):
    """One of several processes' ways to one store."""

    capabilities = BankCapabilities(strong_read=True)

    def __init__(self, owner_id, shared=None):
        super().__init__(owner_id=owner_id)
        if shared is not None:
            self.objects = shared.objects
            self.dead_owners = shared.dead_owners
            self._lock = shared._lock

    def check_lease_existence(self, owner_id):
        return owner_id not in self.dead_owners


class Paused(StrongBank):
    """Sleeps before it replaces an index with an available one."""

    def __init__(self, owner_id, shared=None):
        super().__init__(owner_id, shared)
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.is_pausing = True

    def update_object(self, key, value, context=None):
        if (
            self.is_pausing
            and key.endswith("/index.json")
            and value["status"] == "available"
        ):
            self.reached.set()
            assert self.go_on.wait(30)
        super().update_object(key, value)


class Providers:
    def __init__(self, collection):
        self.checkpoints = collection
        self.id = "provider"

    def list(self):
        return [self]


@pytest.fixture
def sleeper():
    return Paused("sleeper")


@pytest.fixture
def others(sleeper):
    """Another process's checkpoints."""
    return CheckpointCollection(Bank(StrongBank("other", sleeper)))


def _collection(plugin):
    return CheckpointCollection(Bank(plugin), LeaseKeeper(plugin))


def _make(plugin, monkeypatch):
    # No thread renews it: the lease is what the fake says.
    monkeypatch.setattr(LeaseKeeper, "_is_held", lambda self: True)
    checkpoint = _collection(plugin).create(
        PLAN, provider_id="provider", project_id="p1"
    )
    checkpoint.save_graph(ResourceGraph((), ()))
    return checkpoint


def _commit(checkpoint):
    failures = []

    def run():
        try:
            checkpoint.transition("available")
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def _give_up(sleeper, others):
    assert sleeper.reached.wait(30)
    sleeper.dead_owners.add("sleeper")
    swept = ZombieSweeper(Providers(others)).sweep()
    sleeper.dead_owners.discard("sleeper")
    return swept


def test_a_commit_after_the_sweep_is_taken_back_though_the_lease_is_held_again(
    sleeper, others, monkeypatch
):
    checkpoint = _make(sleeper, monkeypatch)
    thread, failures = _commit(checkpoint)
    assert _give_up(sleeper, others).ended == ((checkpoint.id, "error"),)
    sleeper.go_on.set()
    thread.join()

    assert isinstance(failures[0], exception.CheckpointTransitionRefused)
    assert "taken back" in str(failures[0])
    assert sleeper.objects[f"/checkpoints/{checkpoint.id}/index.json"]["status"] == (
        "error"
    )
    assert checkpoint.status == others.get(checkpoint.id).status == "error"


def test_a_commit_after_the_sweep_by_a_process_that_dies_then_is_never_believed(
    sleeper, others, monkeypatch
):
    checkpoint = _make(sleeper, monkeypatch)

    def die(record):
        raise SystemExit

    monkeypatch.setattr(checkpoint._store, "look_again", die)
    thread, _ = _commit(checkpoint)
    _give_up(sleeper, others)
    sleeper.go_on.set()
    thread.join()
    index = f"/checkpoints/{checkpoint.id}/index.json"
    assert sleeper.objects[index]["status"] == "available"

    found = others.get(checkpoint.id)

    assert found.status == "error"
    assert "given up" in found.status_reason
    assert others.store.end_late_commit(checkpoint.id)
    assert sleeper.objects[index]["status"] == "error"
    assert not others.store.end_late_commit(checkpoint.id)


def test_what_was_given_up_can_be_deleted_but_not_reset(sleeper, others, monkeypatch):
    checkpoint = _make(sleeper, monkeypatch)
    thread, _ = _commit(checkpoint)
    _give_up(sleeper, others)
    sleeper.go_on.set()
    thread.join()
    found = others.get(checkpoint.id)

    with pytest.raises(exception.CheckpointNotBeReset, match="given up"):
        found.reset("available")
    found.transition("deleting")
    found.purge()

    assert not sleeper.list_objects("/checkpoints/")


def test_a_commit_after_the_deletion_is_taken_back(sleeper, others, monkeypatch):
    checkpoint = _make(sleeper, monkeypatch)
    thread, failures = _commit(checkpoint)
    _give_up(sleeper, others)
    found = others.get(checkpoint.id)
    found.transition("deleting")
    found.purge()
    sleeper.go_on.set()
    thread.join()

    assert "another service has given it up" in str(failures[0])
    assert others.get(checkpoint.id).status == "error"


def test_a_reset_of_a_dead_owner_s_work_gives_it_up(sleeper, others, monkeypatch):
    checkpoint = _make(sleeper, monkeypatch)
    thread, failures = _commit(checkpoint)
    assert sleeper.reached.wait(30)
    sleeper.dead_owners.add("sleeper")
    others.get(checkpoint.id).reset("error")
    sleeper.dead_owners.discard("sleeper")
    sleeper.go_on.set()
    thread.join()

    assert failures
    assert others.get(checkpoint.id).status == "error"


def test_a_creation_that_slept_through_a_sweep_makes_nothing(sleeper, others):
    collection = CheckpointCollection(Bank(sleeper))
    write = collection.store.write

    def sleep(record):
        others.store.clear(record.id, others.store.indices.keys_of(record))
        others.store.indices.end_work(record.id, record.owner_id)
        return write(record)

    collection.store.write = sleep

    with pytest.raises(exception.CheckpointTransitionRefused):
        collection.create(PLAN, provider_id="provider", project_id="p1")
    assert not sleeper.objects


def test_a_commit_that_the_bank_cannot_confirm_is_taken_back(monkeypatch):
    plugin = StrongBank("owner-1")
    checkpoint = CheckpointCollection(Bank(plugin)).create(
        PLAN, provider_id="provider", project_id="p1"
    )
    listing = plugin.list_objects

    def fail(prefix=None, **more):
        if prefix.endswith("/abandoned"):
            raise exception.BankListObjectsFailed(reason="the store is away")
        return listing(prefix, **more)

    monkeypatch.setattr(plugin, "list_objects", fail)

    with pytest.raises(exception.CheckpointTransitionRefused, match="is away"):
        checkpoint.transition("available")
    assert checkpoint.status == "error"


def test_a_young_checkpoint_s_work_is_not_missed_on_a_bank_that_lists_late():
    plugin = MemoryBankPlugin()
    collection = CheckpointCollection(Bank(plugin))
    checkpoint = collection.create(PLAN, provider_id="provider", project_id="p1")
    collection.store.indices.end_work(checkpoint.id, "owner-1")

    checkpoint.transition("available")

    assert collection.get(checkpoint.id).status == "available"
