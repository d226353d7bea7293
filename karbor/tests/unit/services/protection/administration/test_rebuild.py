# SPDX-License-Identifier: Apache-2.0
"""Listings are made anew from the checkpoints alone."""

import pytest

from karbor import exception
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.rebuild import IndexRebuild
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.unit.services.protection.administration.conftest import hours_later


def rebuild(bank, hours=2):
    return IndexRebuild(bank, clock=hours_later(hours)).run()


def indices(bank):
    return {key: bank.get_object(key) for key in bank.list_objects("/indices/by-")}


def test_lost_listings_come_back_as_they_were(bank, protect, collection):
    made = {protect(project_id=f"p{n % 2}", seed=n).id for n in range(5)}
    before = indices(bank)
    for key in before:
        bank.delete_object(key)
    done = rebuild(bank)
    assert indices(bank) == before
    assert (done.checkpoints, done.written, done.removed) == (5, 15, 0)
    listed = collection.list(None, provider_id="provider-1", all_tenants=True)
    assert {checkpoint.id for checkpoint in listed} == made
    again = rebuild(bank)
    assert (again.written, again.removed) == (0, 0)


def test_damaged_and_misplaced_entries_are_mended(bank, protect):
    checkpoint = protect()
    before = indices(bank)
    [by_plan] = bank.list_objects("/indices/by-plan/")
    bank.update_object(by_plan, "rubbish")
    bank.update_object(by_plan.replace("project-1", "project-2"), checkpoint.id)
    done = rebuild(bank)
    assert indices(bank) == before
    assert (done.written, done.removed) == (1, 1)


def test_entries_of_nothing_go_when_they_are_old_enough(bank, protect):
    gone = protect()
    for key in bank.list_objects(f"/checkpoints/{gone.id}/"):
        bank.delete_object(key)
    assert rebuild(bank, hours=0).removed == 0
    assert rebuild(bank).removed == 3
    assert not indices(bank)


def test_entries_of_what_is_being_made_or_deleted_stay(bank, protect):
    checkpoint = protect("protecting")
    bank.delete_object(f"/checkpoints/{checkpoint.id}/index.json")
    assert rebuild(bank).removed == 0
    assert len(indices(bank)) == 3


def test_a_dead_owners_work_without_entry_is_given_to_the_sweep(bank, protect, plugin):
    checkpoint = protect("protecting")
    for key in bank.list_objects("/indices/in-work/"):
        bank.delete_object(key)
    assert rebuild(bank).work_written == 1
    assert BankCheck(bank).run().is_sound

    class Dead:
        """The same bank as another service sees it, whose own owner is another."""

        id = "provider-1"

        def __init__(self):
            other = type(plugin)(plugin._config)
            self.checkpoints = CheckpointCollection(Bank(other))

        def list(self):
            return [self]

    swept = ZombieSweeper(Dead()).sweep()
    assert swept.ended == ((checkpoint.id, "error"),)


def test_work_that_cannot_be_read_is_written_anew(bank, protect):
    protect("protecting")
    [key] = bank.list_objects("/indices/in-work/")
    bank.update_object(key, {"rubbish": True})
    bank.update_object("/indices/in-work/nobody/nothing", "rubbish")
    done = rebuild(bank)
    assert (done.work_written, done.removed) == (1, 1)
    assert BankCheck(bank).run().is_sound


def test_a_checkpoint_that_cannot_be_read_is_named_and_left_alone(bank, protect):
    checkpoint = protect()
    bank.update_object(f"/checkpoints/{checkpoint.id}/index.json", "rubbish")
    before = indices(bank)
    assert rebuild(bank).unreadable == [checkpoint.id]
    assert indices(bank) == before


class Deleting:
    """A bank where somebody deletes the checkpoint before its entries are written."""

    def __init__(self, plugin, checkpoint):
        self._plugin = plugin
        self._checkpoint = checkpoint

    def __getattr__(self, name):
        return getattr(self._plugin, name)

    def update_object(self, key, value, context=None):
        if key.startswith("/indices/by-") and self._checkpoint.status == "available":
            self._checkpoint.transition("deleting")
            self._checkpoint.transition("deleted")
        self._plugin.update_object(key, value, context=context)


def test_entries_of_a_checkpoint_deleted_meanwhile_are_taken_back(
    plugin, bank, protect
):
    checkpoint = protect()
    for key in indices(bank):
        bank.delete_object(key)
    done = rebuild(Bank(Deleting(plugin, checkpoint), bank.stream_options))
    assert checkpoint.status == "deleted"
    assert done.written == 0
    assert not [key for key in bank.list_objects("/") if "/chunks/" not in key]


def test_a_bank_that_fails_stops_the_rebuild(plugin, bank, protect):
    protect()
    for key in indices(bank):
        bank.delete_object(key)

    class Full(Deleting):
        def update_object(self, key, value, context=None):
            raise exception.BankUpdateObjectFailed(key=key, reason="full")

    with pytest.raises(exception.BankUpdateObjectFailed, match="full"):
        rebuild(Bank(Full(plugin, None), bank.stream_options))
    assert rebuild(bank).written == 3
