# SPDX-License-Identifier: Apache-2.0
"""One checkpoint: its transitions, what it keeps, and who may change it."""

import itertools
import json
import threading

import pytest

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints import states
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.unit.services.protection.checkpoints.conftest import PLAN

IMAGE = Resource("OS::Glance::Image", "image-1", "img", '{"k": "v"}')
GRAPH = ResourceGraph.build([IMAGE], lambda level: {})

ALL = sorted({*states.TRANSITIONS, *itertools.chain(*states.TRANSITIONS.values())})
ALLOWED = {
    ("protecting", "available"),
    ("protecting", "error"),
    ("available", "deleting"),
    ("error", "deleting"),
    ("deleting", "deleted"),
    ("deleting", "error-deleting"),
    ("error-deleting", "deleting"),
    ("wait_copying", "copying"),
    ("wait_copying", "error"),
    ("copying", "available"),
    ("copying", "error"),
}
WAY_TO = {
    "protecting": [],
    "available": ["available"],
    "error": ["error"],
    "deleting": ["error", "deleting"],
    "error-deleting": ["error", "deleting", "error-deleting"],
    "deleted": ["error", "deleting", "deleted"],
    "wait_copying": [],
    "copying": [],
}


class Lease:
    """A lease that a test takes away."""

    def __init__(self):
        self.is_lost = False

    def check(self, held_for=0.0):
        if self.is_lost:
            raise exception.LeaseLost(owner_id="owner-1", reason="the test took it")


def in_state(make, status):
    begin = status if status in states.INITIAL else "protecting"
    checkpoint = make(status=begin)
    for step in WAY_TO[status]:
        checkpoint.transition(step)
    assert checkpoint.status == status
    return checkpoint


@pytest.mark.parametrize(("status", "target"), itertools.product(ALL, ALL))
def test_only_transitions_of_the_table_are_made(make, collection, status, target):
    checkpoint = in_state(make, status)
    if (status, target) in ALLOWED or status == target == "deleted":
        checkpoint.transition(target, "because")
        assert checkpoint.status == target
        if target != "deleted":
            shown = collection.get(checkpoint.id)
            assert (shown.status, shown.status_reason) == (target, "because")
    else:
        with pytest.raises(exception.CheckpointTransitionRefused) as refused:
            checkpoint.transition(target)
        assert checkpoint.id in str(refused.value)
        assert checkpoint.status == status


def test_it_is_shown_as_the_api_expects(make):
    checkpoint = make(extra_info='{"created_by": "manual"}', status="protecting")
    checkpoint.save_graph(GRAPH)
    checkpoint.transition("available")
    assert checkpoint.to_dict() == {
        "id": checkpoint.id,
        "status": "available",
        "project_id": "project-1",
        "protection_plan": {
            "id": "plan-1",
            "name": "nightly",
            "provider_id": "provider-1",
            "resources": [{"id": "i", "type": "T"}],
        },
        "resource_graph": GRAPH.to_json(),
        "extra_info": '{"created_by": "manual"}',
        "created_at": "2026-11-20",
    }
    assert json.loads(checkpoint.to_dict()["resource_graph"])[0]["0x0"][1] == "image-1"
    assert checkpoint.to_dict(graph=False)["resource_graph"] is None


def test_why_and_which_resource_are_shown_when_something_went_wrong(make, collection):
    checkpoint = make()
    statuses = {"OS::Glance::Image#image-1": {"status": "error", "reason": "gone"}}
    checkpoint.save_resources_status(statuses)
    checkpoint.transition("error", "an image is gone")
    shown = collection.get(checkpoint.id).to_dict()
    assert shown["status_reason"] == "an image is gone"
    assert shown["resources_status"] == statuses
    assert collection.get(checkpoint.id).resources_status == statuses


def test_the_index_never_names_a_graph_that_is_not_there(make, plugin, collection):
    checkpoint = make()
    written = []
    update = plugin.update_object
    plugin.update_object = lambda key, value, context=None: (
        written.append(key),
        update(key, value),
    )
    checkpoint.save_graph(GRAPH)
    assert [key.rpartition(checkpoint.id)[2].split("/")[1] for key in written] == [
        "resource-graph",
        "index.json",
    ]
    assert collection.get(checkpoint.id).resource_graph == GRAPH


def test_a_graph_that_is_saved_again_replaces_the_first(make, plugin, collection):
    checkpoint = make()
    checkpoint.save_graph(GRAPH)
    again = collection.get(checkpoint.id)
    other = ResourceGraph.build([Resource("T", "other", None)], lambda level: {})
    again.save_graph(other)
    assert collection.get(checkpoint.id).resource_graph == other
    assert sum("resource-graph" in key for key in plugin.objects) == 1


def test_a_lost_graph_is_an_error_and_not_no_graph(make, plugin, collection):
    checkpoint = make()
    checkpoint.save_graph(GRAPH)
    checkpoint.transition("available")
    [key] = [key for key in plugin.objects if "resource-graph" in key]
    del plugin.objects[key]
    with pytest.raises(exception.CheckpointUnreadable, match="resource-graph"):
        _ = collection.get(checkpoint.id).resource_graph


def test_resources_have_sections_of_their_own_that_they_cannot_leave(make):
    checkpoint = make()
    section = checkpoint.get_resource_bank_section("image-1")
    section.update_object("metadata", {"a": 1})
    assert section.prefix.endswith(f"/{checkpoint.id}/resource-data/image-1/")
    reader = checkpoint.get_resource_bank_section("image-1", is_writable=False)
    assert reader.get_object("metadata") == {"a": 1}
    with pytest.raises(exception.BankReadonlyViolation):
        reader.update_object("metadata", {})
    for bad in ("..", ".", "", "a/b", "/", "a\0b", "x" * 300):
        with pytest.raises(exception.InvalidParameterValue):
            checkpoint.get_resource_bank_section(bad)


def test_purging_leaves_nothing_of_it_in_the_bank(make, plugin, collection):
    other = make()
    before = dict(plugin.objects)
    checkpoint = make()
    checkpoint.save_graph(GRAPH)
    checkpoint.save_resources_status({"T#i": {"status": "available", "reason": ""}})
    checkpoint.get_resource_bank_section("image-1").update_object("metadata", {})
    checkpoint.get_resource_bank_section("image-1").write_stream("disk", iter([b"x"]))
    checkpoint.transition("available")
    checkpoint.transition("deleting")
    checkpoint.purge()
    assert plugin.objects == before
    with pytest.raises(exception.CheckpointNotFound):
        collection.get(checkpoint.id)
    assert collection.get(other.id).status == "protecting"
    checkpoint.purge()


def test_it_is_not_purged_unless_it_is_being_deleted(make):
    with pytest.raises(exception.CheckpointTransitionRefused):
        make().purge()


def test_an_owner_without_its_lease_changes_nothing(plugin, clock):
    lease = Lease()
    collection = CheckpointCollection(Bank(plugin), lease, clock)
    checkpoint = collection.create(PLAN, provider_id="p", project_id="q")
    lease.is_lost = True
    before = dict(plugin.objects)
    for change in (
        lambda: checkpoint.transition("available"),
        lambda: checkpoint.save_graph(GRAPH),
        lambda: checkpoint.save_resources_status({}),
        lambda: checkpoint.reset("error"),
        lambda: collection.create(PLAN, provider_id="p", project_id="q"),
    ):
        with pytest.raises(exception.LeaseLost):
            change()
    assert plugin.objects == before


def test_a_late_owner_cannot_commit_what_was_ended_as_a_zombie(
    make, other_service, plugin
):
    checkpoint = make()
    plugin.dead_owners.add("owner-1")
    other_service.store.abandon(checkpoint.id, "owner-1", "it died")
    plugin.dead_owners.clear()
    with pytest.raises(exception.CheckpointTransitionRefused, match="it died"):
        checkpoint.transition("available")
    with pytest.raises(exception.CheckpointTransitionRefused):
        checkpoint.save_graph(GRAPH)
    assert other_service.get(checkpoint.id).status == "error"


def test_the_service_that_deletes_becomes_the_owner(make, other_service):
    checkpoint = make()
    checkpoint.transition("available")
    taken = other_service.get(checkpoint.id)
    taken.transition("deleting")
    assert other_service.get(checkpoint.id).owner_id == "owner-2"
    with pytest.raises(exception.CheckpointTransitionRefused):
        checkpoint.transition("deleting")
    checkpoint.reload()
    with pytest.raises(exception.CheckpointTransitionRefused, match="owner-2"):
        checkpoint.purge()
    taken.purge()


def test_of_many_deletions_at_once_one_wins(make, collection):
    checkpoint = make()
    checkpoint.transition("available")
    won, refused = [], []
    barrier = threading.Barrier(8)

    def delete():
        mine = collection.get(checkpoint.id)
        barrier.wait()
        try:
            mine.transition("deleting")
            won.append(mine)
        except exception.CheckpointTransitionRefused as error:
            refused.append(error)

    threads = [threading.Thread(target=delete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 7)


@pytest.mark.parametrize("target", ["error", "available"])
@pytest.mark.parametrize("status", ["error", "available"])
def test_an_operator_resets_what_nobody_works_on(make, collection, status, target):
    checkpoint = make()
    checkpoint.save_graph(GRAPH)
    checkpoint.transition(status)
    checkpoint.reset(target)
    shown = collection.get(checkpoint.id)
    assert shown.status == target
    assert "operator" in shown.status_reason


@pytest.mark.parametrize("status", ["protecting", "wait_copying", "copying"])
def test_what_a_living_owner_works_on_is_not_reset(make, other_service, plugin, status):
    checkpoint = make(status=status)
    with pytest.raises(exception.CheckpointNotBeReset, match="owner is alive"):
        other_service.get(checkpoint.id).reset("error")
    plugin.dead_owners.add("owner-1")
    with pytest.raises(exception.CheckpointNotBeReset):
        other_service.get(checkpoint.id).reset("available")
    other_service.get(checkpoint.id).reset("error")
    assert other_service.get(checkpoint.id).status == "error"
    assert list(other_service.working()) == []


def test_what_has_lost_data_is_not_reset(make):
    checkpoint = in_state(make, "error-deleting")
    for target in ("error", "available"):
        with pytest.raises(exception.CheckpointNotBeReset):
            checkpoint.reset(target)


def test_without_a_graph_nothing_becomes_available(make):
    checkpoint = in_state(make, "error")
    with pytest.raises(exception.CheckpointNotBeReset, match="graph"):
        checkpoint.reset("available")


@pytest.mark.parametrize("target", ["deleted", "protecting", "", "AVAILABLE"])
def test_it_is_reset_to_error_or_available_only(make, target):
    with pytest.raises(exception.InvalidInput, match="available or error"):
        make().reset(target)


def test_a_bank_that_answers_with_an_old_index_undoes_nothing(make, plugin):
    checkpoint = make()
    key = f"/checkpoints/{checkpoint.id}/index.json"
    old, get = plugin.objects[key], plugin.get_object
    plugin.get_object = lambda name, context=None: old if name == key else get(name)
    checkpoint.save_graph(GRAPH)
    checkpoint.save_resources_status({"T#i": {"status": "available"}})
    checkpoint.reload()
    assert checkpoint.resource_graph == GRAPH
    checkpoint.transition("available")
    plugin.get_object = get
    checkpoint.reload()
    assert checkpoint.status == "available"
    assert checkpoint.resource_graph == GRAPH
    assert checkpoint.resources_status == {"T#i": {"status": "available"}}
