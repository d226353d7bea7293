# SPDX-License-Identifier: Apache-2.0
"""A checkpoint that the API cannot delete is removed by hand."""

import pytest

from karbor import exception
from karbor.services.protection.administration.removal import (
    CheckpointRemoval,
    RemovalRefused,
)


@pytest.fixture
def other_process(bank, plugin):
    """The bank as karbor-manage has it, with an owner of its own."""
    return type(bank)(type(plugin)(plugin._config), bank.stream_options)


def left(bank):
    """All but chunks, which the collector deletes when nobody needs them."""
    return [key for key in bank.list_objects("/") if not key.startswith("/chunks/")]


def remove(bank, checkpoint):
    CheckpointRemoval(bank).remove(checkpoint.id)


@pytest.mark.parametrize("part", ["index.json", "resource-graph"])
def test_a_damaged_checkpoint_is_removed_and_no_other(
    bank, other_process, protect, part
):
    damaged = protect()
    stays = protect(seed=2)
    before = bank.list_objects("/")
    [key] = bank.list_objects(f"/checkpoints/{damaged.id}/{part}")
    bank.update_object(key, "rubbish")
    remove(other_process, damaged)
    assert bank.list_objects("/") == [key for key in before if damaged.id not in key]
    assert stays.resource_graph is not None


def test_leftovers_without_an_index_are_removed(bank, other_process, protect):
    checkpoint = protect()
    bank.delete_object(f"/checkpoints/{checkpoint.id}/index.json")
    found = CheckpointRemoval(other_process).inspect(checkpoint.id)
    assert found.record is None
    assert "no index.json" in found.warnings[0]
    remove(other_process, checkpoint)
    assert left(bank) == []


def test_a_living_owners_work_is_left_alone(bank, plugin, other_process, protect):
    plugin.acquire_lease()
    checkpoint = protect("protecting")
    before = bank.list_objects("/")
    with pytest.raises(RemovalRefused, match="alive"):
        remove(other_process, checkpoint)
    bank.update_object(f"/checkpoints/{checkpoint.id}/index.json", "rubbish")
    with pytest.raises(RemovalRefused, match="alive"):
        remove(other_process, checkpoint)
    assert bank.list_objects("/") == before
    plugin.release_lease()
    remove(other_process, checkpoint)
    assert left(bank) == []


def test_work_that_has_ended_does_not_protect_a_checkpoint(
    bank, plugin, other_process, protect, collection
):
    plugin.acquire_lease()
    checkpoint = protect()
    record = collection.store.read(checkpoint.id)
    collection.store.indices.begin_work(
        record, record.owner_id, collection.store.clock()
    )
    remove(other_process, checkpoint)
    assert not [key for key in bank.list_objects("/") if checkpoint.id in key]


def test_it_says_that_the_api_should_be_tried_first(other_process, protect):
    found = CheckpointRemoval(other_process).inspect(protect().id)
    assert "checkpoint-delete" in found.warnings[0]
    assert "outside of the bank" in found.warnings[1]


@pytest.mark.parametrize("checkpoint_id", ["no-such", "../indices", "a/b", ""])
def test_what_is_not_there_is_not_found(other_process, protect, checkpoint_id):
    protect()
    with pytest.raises(exception.CheckpointNotFound):
        CheckpointRemoval(other_process).remove(checkpoint_id)


class Failing:
    """A bank that stops deleting after some objects."""

    def __init__(self, plugin, left):
        self._plugin = plugin
        self._left = left

    def __getattr__(self, name):
        return getattr(self._plugin, name)

    def delete_object(self, key, context=None):
        if not self._left:
            raise exception.BankDeleteObjectFailed(key=key, reason="away")
        self._left -= 1
        self._plugin.delete_object(key, context=context)


def test_it_goes_on_wherever_it_was_interrupted(bank, other_process, protect):
    checkpoint = protect()
    total = len(left(bank))
    for step in range(0, total, 5):
        with pytest.raises(exception.BankException):
            remove(
                type(bank)(Failing(other_process.plugin, 5 if step else 3)), checkpoint
            )
        if len(left(bank)) <= 5:
            break
    if left(bank):
        remove(other_process, checkpoint)
    assert left(bank) == []
