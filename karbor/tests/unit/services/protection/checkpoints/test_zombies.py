# SPDX-License-Identifier: Apache-2.0
"""The sweep of what dead owners left."""

import datetime

import pytest

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.unit.services.protection.checkpoints.conftest import SharedBank


class Provider:
    """What a sweep needs of a provider."""

    def __init__(self, checkpoints):
        self.id = "provider-1"
        self.checkpoints = checkpoints


class Providers:
    """What a sweep needs of a registry."""

    def __init__(self, *collections):
        self._all = [Provider(collection) for collection in collections]

    def list(self):
        return self._all


@pytest.fixture
def sweeper(other_service):
    return ZombieSweeper(Providers(other_service))


@pytest.mark.parametrize(
    ("begin", "steps", "ended"),
    [
        ("protecting", [], "error"),
        ("wait_copying", [], "error"),
        ("copying", [], "error"),
        ("protecting", ["available", "deleting"], "error-deleting"),
    ],
)
def test_what_a_dead_owner_worked_on_is_ended_with_a_reason(
    make, sweeper, plugin, other_service, clock, begin, steps, ended
):
    checkpoint = make(status=begin)
    for step in steps:
        checkpoint.transition(step)
    clock.advance(minutes=30)
    plugin.dead_owners.add("owner-1")
    swept = sweeper.sweep()
    assert swept.ended == ((checkpoint.id, ended),)
    shown = other_service.get(checkpoint.id)
    assert shown.status == ended
    for part in ("owner-1", "2026-11-20T12:30:01", "elete it"):
        assert part in shown.status_reason
    assert sweeper.sweep().ended == ()
    shown.transition("deleting")
    shown.purge()


def test_what_a_living_owner_works_on_is_left_alone(make, sweeper, clock):
    make()
    clock.advance(days=30)
    assert sweeper.sweep() == type(sweeper.sweep())()


def test_a_sweep_costs_what_is_in_work(make, sweeper, plugin):
    for _ in range(20):
        make().transition("available")
    make()
    read = []
    get = plugin.get_object
    sweeping = sweeper._providers.list()[0].checkpoints.store.bank.plugin
    sweeping.get_object = lambda key, context=None: (read.append(key), get(key))[1]
    plugin.dead_owners.add("owner-1")
    assert len(sweeper.sweep().ended) == 1
    assert len(read) <= 3


def test_each_owner_is_looked_up_once(make, sweeper, plugin):
    for _ in range(5):
        make()
    asked = []
    sweeping = sweeper._providers.list()[0].checkpoints.store.bank.plugin
    sweeping.check_lease_existence = lambda owner: bool(asked.append(owner)) or True
    sweeper.sweep()
    assert asked == ["owner-1"]


def test_own_work_is_ended_only_when_this_process_does_not_run_it(
    make, collection, clock
):
    running, lost = make(), make()
    ZombieSweeper(Providers(collection)).sweep()
    assert lost.status == collection.get(lost.id).status == "protecting"
    sweeper = ZombieSweeper(Providers(collection), lambda key: key == running.id)
    assert sweeper.sweep().ended == ()
    clock.advance(minutes=30)
    assert sweeper.sweep().ended == ((lost.id, "error"),)
    assert collection.get(running.id).status == "protecting"
    assert "stopped" in collection.get(lost.id).status_reason


def test_two_services_that_sweep_at_once_do_no_harm(make, plugin, clock, other_service):
    made = [make().id for _ in range(10)]
    third = CheckpointCollection(Bank(SharedBank(plugin, "owner-3")), None, clock)
    plugin.dead_owners.add("owner-1")
    first = ZombieSweeper(Providers(other_service))
    second = ZombieSweeper(Providers(third))
    # The second sweeps while the first is between looking and writing.
    looked = other_service.store.read
    other_service.store.read = lambda key: (looked(key), second.sweep())[0]
    ended = first.sweep().ended
    other_service.store.read = looked
    assert {third.get(key).status for key in made} == {"error"}
    assert ended == () or {status for _, status in ended} == {"error"}
    assert list(third.working()) == []


def test_a_deletion_that_began_after_the_sweep_has_looked_goes_on(
    make, plugin, other_service, collection, clock
):
    checkpoint = make()
    plugin.dead_owners.add("owner-1")
    third = CheckpointCollection(Bank(SharedBank(plugin, "owner-3")), None, clock)
    read = other_service.store.read

    def meanwhile(key):
        found = read(key)
        other_service.store.read = read
        ZombieSweeper(Providers(third)).sweep()
        third.get(key).transition("deleting")
        return found

    other_service.store.read = meanwhile
    assert ZombieSweeper(Providers(other_service)).sweep().ended == ()
    deleting = third.get(checkpoint.id)
    assert (deleting.status, deleting.owner_id) == ("deleting", "owner-3")
    deleting.purge()


def test_leftovers_without_an_index_are_cleared_when_they_are_old(
    make, sweeper, plugin, clock
):
    checkpoint = make()
    checkpoint.get_resource_bank_section("i").update_object("metadata", {})
    del plugin.objects[f"/checkpoints/{checkpoint.id}/index.json"]
    plugin.dead_owners.add("owner-1")
    before = dict(plugin.objects)
    assert sweeper.sweep().cleared == ()
    assert plugin.objects == before
    clock.advance(hours=2)
    assert sweeper.sweep().cleared == (checkpoint.id,)
    assert plugin.objects == {}


def test_the_safe_age_can_be_chosen(make, other_service, plugin):
    checkpoint = make()
    del plugin.objects[f"/checkpoints/{checkpoint.id}/index.json"]
    plugin.dead_owners.add("owner-1")
    sweeper = ZombieSweeper(Providers(other_service), safe_age=datetime.timedelta(0))
    assert sweeper.sweep().cleared == (checkpoint.id,)


def test_one_damaged_checkpoint_or_bank_does_not_keep_others_from_being_swept(
    make, plugin, other_service
):
    damaged, good = make(), make()
    plugin.objects[f"/checkpoints/{damaged.id}/index.json"] = "rubbish"
    plugin.dead_owners.add("owner-1")

    class Gone(SharedBank):
        def list_objects(self, *args, **kwargs):
            raise exception.BankListObjectsFailed(reason="it is gone")

    gone = CheckpointCollection(Bank(Gone(plugin, "owner-4")))
    swept = ZombieSweeper(Providers(gone, other_service)).sweep()
    assert swept.ended == ((good.id, "error"),)
    assert [name for name, _ in swept.failed] == ["provider provider-1", damaged.id]
