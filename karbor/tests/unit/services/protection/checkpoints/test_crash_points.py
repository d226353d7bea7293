# SPDX-License-Identifier: Apache-2.0
"""A service that dies at any write leaves nothing that cannot be cleared away."""

import itertools

import pytest

from karbor.resource import Resource
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints import states
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.unit.services.protection.checkpoints.conftest import PLAN

GRAPH = ResourceGraph.build([Resource("T", "i", None)], lambda level: {})


class Killed(BaseException):
    """The process is gone: nothing catches this, nothing cleans up."""


class Providers:
    """One provider with these checkpoints."""

    def __init__(self, checkpoints):
        self.id = "provider-1"
        self.checkpoints = checkpoints

    def list(self):
        return [self]


def live(collection):
    """A whole life: protect, and delete."""
    checkpoint = collection.create(PLAN, provider_id="provider-1", project_id="p")
    checkpoint.save_graph(GRAPH)
    section = checkpoint.get_resource_bank_section("i")
    section.update_object("metadata", {"a": 1})
    section.update_object("disk", b"data")
    checkpoint.save_resources_status({"T#i": {"status": "available", "reason": ""}})
    checkpoint.transition("available")
    checkpoint.transition("deleting")
    checkpoint.purge()


def mortal(plugin, lives, dies_after_writing):
    """Make a plugin's process die at its so-manieth write."""
    left = itertools.count(lives, -1)

    def dying(write):
        def wrapper(*args, **kwargs):
            last = next(left) == 0
            if last and not dies_after_writing:
                raise Killed
            write(*args, **kwargs)
            if last:
                raise Killed

        return wrapper

    plugin.update_object = dying(plugin.update_object)
    plugin.delete_object = dying(plugin.delete_object)


def sound(collection):
    """What must be true of a bank at any time, for whoever reads it."""
    found = collection.list("p", provider_id="provider-1")
    for checkpoint in found:
        shown = collection.get(checkpoint.id)
        if shown.status == "available":
            assert shown.resource_graph == GRAPH
            section = shown.get_resource_bank_section("i", is_writable=False)
            assert section.get_object("disk") == b"data"
        shown.to_dict()
    return found


def writes_of_a_life():
    from karbor.tests.fakes.bank import MemoryBankPlugin

    plugin = MemoryBankPlugin()
    counted = itertools.count()
    update, delete = plugin.update_object, plugin.delete_object
    plugin.update_object = lambda *args, **kw: (next(counted), update(*args, **kw))
    plugin.delete_object = lambda *args, **kw: (next(counted), delete(*args, **kw))
    live(CheckpointCollection(Bank(plugin)))
    assert plugin.objects == {}
    return next(counted)


@pytest.mark.parametrize("dies_after_writing", [False, True])
@pytest.mark.parametrize("lives", range(writes_of_a_life()))
def test_after_a_death_at_any_write_a_sweep_and_a_deletion_leave_an_empty_bank(
    collection, plugin, other_service, clock, lives, dies_after_writing
):
    mortal(plugin, lives, dies_after_writing)
    with pytest.raises(Killed):
        live(collection)
    sound(other_service)

    plugin.dead_owners.add("owner-1")
    sweeper = ZombieSweeper(Providers(other_service))
    assert sweeper.sweep().failed == ()
    sound(other_service)
    clock.advance(hours=2)
    assert sweeper.sweep().failed == ()

    found = sound(other_service)
    assert not any(checkpoint.status in states.WORKING for checkpoint in found)
    assert [key for key in plugin.objects if key.startswith("/indices/in-work")] == []
    for checkpoint in found:
        checkpoint.transition("deleting")
        checkpoint.purge()
    assert plugin.objects == {}
