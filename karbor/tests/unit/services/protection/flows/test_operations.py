# SPDX-License-Identifier: Apache-2.0
"""Protect, restore, verify, copy and delete from end to end, on a bank in memory."""

import threading

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.flows import copy, delete, protect, restore, verify
from karbor.services.protection.flows.inputs import OperationInputs
from karbor.services.protection.flows.live import LiveOperation
from karbor.services.protection.progress import ResourceProgress
from karbor.services.protection.protection_plugin import HOOKS
from karbor.tests.fakes.operations import TYPE, thing

ALL = (*HOOKS, "on_revert")
PAIR = {0: [1], 1: []}
MODULES = {
    "protect": protect,
    "restore": restore,
    "verify": verify,
    "copy": copy,
    "delete": delete,
}


def failing(hook, number):
    def behaviour(name, which, given):
        if (name, which) == (hook, number):
            raise RuntimeError("no space left")

    return behaviour


def inputs_for(world, operation):
    """Inputs of an operation on a checkpoint that is in the right state."""
    if operation == "protect":
        return world.inputs(operation, world.checkpoint([thing(0)]))
    source = world.protected()
    if operation == "copy":
        new = world.checkpoint([thing(0)], status="wait_copying")
        return world.inputs(operation, source, copy_checkpoint_id=new.id)
    if operation == "delete":
        source.transition("deleting")
        return world.inputs(operation, source)
    repository = records_of(world, operation)
    row = repository.create(None, {"status": "in_progress", "parameters": {}})
    return world.inputs(operation, source, record_id=row["id"])


def records_of(world, operation):
    return {
        "restore": world.database.restores,
        "verify": world.database.verifications,
    }[operation]


def target(world, inputs):
    return world.provider.checkpoints.get(inputs.target_checkpoint_id)


@pytest.mark.parametrize("operation", MODULES)
def test_hooks_get_what_the_contract_says(make_world, operation):
    world = make_world(PAIR)
    inputs = inputs_for(world, operation)

    assert world.submit(inputs).result(60)

    given = world.trace.arguments["on_main", 1]
    names = {
        "protect": {"operation_log"},
        "delete": {"operation_log"},
        "restore": {"operation_log", "restore", "new_resources"},
        "verify": {"operation_log", "verify", "new_resources"},
        "copy": {"operation_log", "checkpoint_copy"},
    }[operation]
    assert set(given) == names | {"checkpoint", "context", "parameters", "progress"}
    assert given["context"] is world.context
    assert given["checkpoint"].id == inputs.checkpoint_id
    assert isinstance(given["progress"], ResourceProgress)
    if operation == "copy":
        assert given["checkpoint_copy"].id == inputs.copy_checkpoint_id
    if operation in ("restore", "verify"):
        record = given[operation]
        assert record.id == inputs.record_id
        assert given["new_resources"] == {}


@pytest.mark.parametrize("operation", MODULES)
def test_a_flow_rebuilt_from_its_inputs_has_the_same_tasks(make_world, operation):
    world = make_world(
        {0: [1, 2], 1: [3], 2: [3], 3: []}, hooks_of=lambda n: HOOKS[: n + 1]
    )
    inputs = inputs_for(world, operation)
    build = MODULES[operation].build

    first = build(inputs, world.house)
    again = build(OperationInputs.from_dict(inputs.to_dict()), world.house)

    assert [task.name for task in first] == [task.name for task in again]
    assert first.edges == again.edges
    assert f"{operation}/on_prepare_begin/OS::Test::Thing/thing-3" in {
        task.name for task in first
    }
    assert world.protectables.built == (1 if operation == "protect" else 0)


@pytest.mark.parametrize("operation", MODULES)
def test_size_grows_as_resources_and_dependencies_do(make_world, operation):
    sizes = {}
    for count in (50, 100):
        world = make_world(
            {0: list(range(1, count)), **{n: [] for n in range(1, count)}}
        )
        flow = MODULES[operation].build(inputs_for(world, operation), world.house)
        sizes[count] = len(flow.tasks), len(flow.edges)

    assert sizes[100][0] - 2 == 2 * (sizes[50][0] - 2)
    assert sizes[100][1] <= 2 * sizes[50][1] + 10


@pytest.mark.parametrize("operation", MODULES)
def test_an_operation_that_succeeds_says_so(make_world, operation):
    world = make_world(PAIR)
    inputs = inputs_for(world, operation)

    assert world.submit(inputs).result(60)

    log = world.log_of(inputs)
    assert log["status"] == "success"
    assert log["error_info"] is None
    assert log["ended_at"] is not None
    assert log["extra_info"]["progress"]["hooks_done"] == 8
    if operation == "delete":
        assert world.provider.bank_plugin.objects == {}
    else:
        assert target(world, inputs).status == "available"
    if operation in ("restore", "verify"):
        record = records_of(world, operation).rows[inputs.record_id]
        done = {"restore": "restored", "verify": "available"}[operation]
        assert record["status"] == "success"
        assert record["resources_status"] == {
            "OS::Test::Thing#thing-0": done,
            "OS::Test::Thing#thing-1": done,
        }


@pytest.mark.parametrize("operation", MODULES)
def test_an_operation_that_fails_says_where_and_why(make_world, operation):
    world = make_world(
        PAIR, hooks_of=lambda n: ALL, behaviour=failing("on_complete", 0)
    )
    inputs = inputs_for(world, operation)

    assert not world.submit(inputs).result(60)

    reason = "OS::Test::Thing thing-0: on_complete: RuntimeError: no space left"
    log = world.log_of(inputs)
    assert log["status"] == "failed"
    assert log["error_info"] == reason
    assert log["ended_at"] is not None
    status = {"protect": "error", "copy": "error", "delete": "error-deleting"}
    checkpoint = target(world, inputs)
    assert checkpoint.status == status.get(operation, "available")
    if operation in status:
        assert checkpoint.status_reason == reason
        said = checkpoint.resources_status["OS::Test::Thing#thing-0"]
        assert said["status"] == "error"
        assert "no space left" in said["reason"]
    if operation in ("restore", "verify"):
        record = records_of(world, operation).rows[inputs.record_id]
        assert record["status"] == "fail"
        assert record["resources_status"]["OS::Test::Thing#thing-0"] == "error"
        why = record["resources_reason"]["OS::Test::Thing#thing-0"]
        assert "no space left" in why


@pytest.mark.parametrize(
    ("operation", "status"),
    [("verify", "available"), ("delete", "deleted"), ("restore", "error")],
)
def test_what_became_of_the_others_is_told_truly(make_world, operation, status):
    world = make_world(
        PAIR, hooks_of=lambda n: ALL, behaviour=failing("on_complete", 0)
    )
    inputs = inputs_for(world, operation)
    world.submit(inputs).result(60)

    if operation == "delete":
        said = target(world, inputs).resources_status
        assert said["OS::Test::Thing#thing-1"]["status"] == status
    else:
        record = records_of(world, operation).rows[inputs.record_id]
        assert record["resources_status"]["OS::Test::Thing#thing-1"] == status


def test_a_restored_resource_whose_plugin_takes_nothing_back_stays_restored(make_world):
    world = make_world(PAIR, behaviour=failing("on_complete", 0))
    inputs = inputs_for(world, "restore")
    world.submit(inputs).result(60)

    record = world.database.restores.rows[inputs.record_id]
    assert record["resources_status"]["OS::Test::Thing#thing-1"] == "restored"
    assert "Kept" in record["resources_reason"]["OS::Test::Thing#thing-1"]


def test_a_plugin_may_set_a_resources_status_itself(make_world):
    def behaviour(hook, number, given):
        if hook == "on_complete" and number == 1:
            given["restore"].update_resource_status(
                "OS::Test::Thing", "thing-1", "degraded", "one disk is slow"
            )
            given["restore"].save()

    world = make_world(PAIR, behaviour=behaviour)
    inputs = inputs_for(world, "restore")

    assert world.submit(inputs).result(60)
    record = world.database.restores.rows[inputs.record_id]
    assert record["resources_status"]["OS::Test::Thing#thing-1"] == "degraded"
    assert record["resources_status"]["OS::Test::Thing#thing-0"] == "restored"


def test_a_status_that_a_plugin_set_stays_when_another_resource_fails(make_world):
    def behaviour(hook, number, given):
        if hook == "on_complete":
            if number == 0:
                raise RuntimeError("no space left")
            given["restore"].update_resource_status(
                "OS::Test::Thing", "thing-1", "available", "whole, so it is kept"
            )

    world = make_world(PAIR, hooks_of=lambda n: ALL, behaviour=behaviour)
    inputs = inputs_for(world, "restore")

    world.submit(inputs).result(60)

    record = world.database.restores.rows[inputs.record_id]
    assert record["resources_status"] == {
        "OS::Test::Thing#thing-0": "error",
        "OS::Test::Thing#thing-1": "available",
    }
    assert "kept" in record["resources_reason"]["OS::Test::Thing#thing-1"]


@pytest.mark.parametrize("said", ["", "A tag was left out.", "Kept as new-1."])
def test_what_stays_of_a_failed_restore_is_named_once(make_world, said):
    def behaviour(hook, number, given):
        if hook == "on_complete":
            if number == 0:
                raise RuntimeError("no space left")
            given["new_resources"]["thing-1"] = "new-1"
            given["restore"].update_resource_status(
                "OS::Test::Thing", "thing-1", "available", said
            )

    world = make_world(PAIR, hooks_of=lambda n: ALL, behaviour=behaviour)
    inputs = inputs_for(world, "restore")

    world.submit(inputs).result(60)

    record = world.database.restores.rows[inputs.record_id]
    reason = record["resources_reason"]["OS::Test::Thing#thing-1"]
    assert reason.startswith(said)
    assert reason.count("new-1") == 1


def test_new_resources_pass_from_hook_to_hook_and_are_kept(make_world):
    seen = {}

    def behaviour(hook, number, given):
        if (hook, number) == ("on_main", 1):
            given["new_resources"]["thing-1"] = "new-1"
        if (hook, number) == ("on_complete", 0):
            seen.update(given["new_resources"])

    world = make_world(PAIR, behaviour=behaviour)
    inputs = inputs_for(world, "restore")
    world.submit(inputs).result(60)

    assert seen == {"thing-1": "new-1"}
    assert world.log_of(inputs)["extra_info"]["new_resources"] == {"thing-1": "new-1"}
    assert LiveOperation(inputs, world.house).new_resources == {"thing-1": "new-1"}


def test_a_new_resource_that_was_taken_back_is_no_longer_listed(make_world):
    def behaviour(hook, number, given):
        if hook == "on_main":
            given["new_resources"][f"thing-{number}"] = "new"
            live = world.live()
            live.write_records()
        if hook == "on_revert":
            given["new_resources"].pop(f"thing-{number}", None)
        if hook == "on_complete":
            raise RuntimeError("no")

    world = make_world(PAIR, hooks_of=lambda n: ALL, behaviour=behaviour)
    inputs = inputs_for(world, "restore")
    world.submit(inputs).result(60)

    assert world.log_of(inputs)["extra_info"]["new_resources"] == {}


def test_the_options_of_a_resource_overlay_those_of_its_type(make_world):
    world = make_world(PAIR)
    parameters = {
        "OS::Test::Thing": {"mode": "full", "speed": 1},
        "OS::Test::Thing#thing-1": {"speed": 2},
        "OS::Other": {"x": 1},
    }
    world.protect(parameters=parameters)

    assert world.trace.arguments["on_main", 0]["parameters"] == {
        "mode": "full",
        "speed": 1,
    }
    assert world.trace.arguments["on_main", 1]["parameters"] == {
        "mode": "full",
        "speed": 2,
    }


def test_a_hook_without_keywords_gets_none(make_world):
    called = []

    class Old:
        """Of Karbor 1.x: takes just what it needs."""

        def on_main(self, checkpoint, resource, context, parameters, operation_log):
            called.append((resource.id, operation_log.status))

        def on_complete(self, checkpoint, resource, context, parameters):
            called.append(resource.id)

    world = make_world({0: []})
    world.plugin.get_protect_operation = lambda resource: Old()

    _, succeeded, _ = world.protect()

    assert succeeded
    assert called == [("thing-0", "in_progress"), "thing-0"]


def test_the_graph_is_saved_before_the_first_hook(make_world):
    graphs = []

    def behaviour(hook, number, given):
        graphs.append(
            world.provider.checkpoints.get(given["checkpoint"].id).resource_graph
        )

    world = make_world(PAIR, behaviour=behaviour, hooks_of=lambda n: HOOKS[:1])
    _, _, checkpoint = world.protect()

    assert graphs == [checkpoint.resource_graph] * 2
    assert len(checkpoint.resource_graph) == 2


def test_a_graph_that_was_saved_is_not_discovered_again(make_world):
    world = make_world(PAIR)
    checkpoint = world.checkpoint([thing(0)])
    inputs = world.inputs("protect", checkpoint)
    protect.build(inputs, world.house)

    world.submit(inputs).result(60)

    assert world.protectables.built == 1


@pytest.mark.parametrize("operation", ["restore", "verify", "copy", "delete"])
def test_only_a_protection_asks_the_cloud_what_depends_on_what(make_world, operation):
    world = make_world(PAIR)
    world.submit(inputs_for(world, operation)).result(60)

    assert world.protectables.built == 0


def test_a_resource_that_cannot_be_protected_is_told_from_those_beside_it(make_world):
    world = make_world({0: [], 1: []})
    world.protectables.error = exception.ProtectableResourceInvalidStatus(
        id="thing-1 (one)", type=TYPE, status="queued"
    )

    _inputs, succeeded, checkpoint = world.protect(roots=(0, 1))

    assert not succeeded
    assert checkpoint.status == "error"
    reasons = {name: one["reason"] for name, one in checkpoint.resources_status.items()}
    assert "queued" in reasons[f"{TYPE}#thing-1"]
    assert reasons[f"{TYPE}#thing-0"].startswith("Not begun")


def test_a_listing_that_fails_fails_the_protection(make_world):
    world = make_world(PAIR)
    world.protectables.error = exception.ListProtectableResourceFailed(
        type="OS::Cinder::Volume", reason="503 from cinder"
    )

    inputs, succeeded, checkpoint = world.protect()

    assert not succeeded
    assert checkpoint.status == "error"
    assert "OS::Cinder::Volume failed: 503 from cinder" in checkpoint.status_reason
    assert "503 from cinder" in world.log_of(inputs)["error_info"]
    assert checkpoint.resource_graph is None
    assert world.trace.events == []


def test_a_type_without_a_plugin_is_named_with_its_provider(make_world):
    world = make_world(PAIR)
    checkpoint = world.checkpoint(
        [thing(0), Resource("OS::Nova::Server", "s1", "web"), thing(7, "OS::Other")]
    )
    inputs = world.inputs("protect", checkpoint)

    assert not world.submit(inputs).result(60)
    reason = target(world, inputs).status_reason
    assert "OS::Nova::Server (1 resources), OS::Other (1 resources)" in reason
    assert not reason.startswith("Flow")
    assert f"provider of one ({world.provider.id})" in reason
    assert world.trace.events == []


def test_a_plugin_that_does_not_support_the_operation_is_named(make_world):
    def refuse(resource):
        raise NotImplementedError

    world = make_world(PAIR)
    world.plugin.get_copy_operation = refuse
    inputs = inputs_for(world, "copy")

    assert not world.submit(inputs).result(60)
    assert "TracedPlugin does not support copy" in target(world, inputs).status_reason


def test_two_resources_of_one_id_are_refused(make_world):
    world = make_world(PAIR)
    world.protectables.children = {0: []}
    checkpoint = world.checkpoint([thing(0), thing(0, "OS::Other")])
    inputs = world.inputs("protect", checkpoint)

    world.submit(inputs).result(60)

    assert "have the same id" in target(world, inputs).status_reason


@pytest.mark.parametrize("operation", ["restore", "verify", "copy"])
def test_a_checkpoint_whose_deletion_began_meanwhile_is_not_read(make_world, operation):
    world = make_world(PAIR)
    inputs = inputs_for(world, operation)
    world.provider.checkpoints.get(inputs.checkpoint_id).transition("deleting")

    assert not world.submit(inputs).result(60)
    assert "not available any more" in world.log_of(inputs)["error_info"]
    assert world.trace.starts() == []


@pytest.mark.parametrize("operation", ["restore", "verify", "copy"])
def test_a_checkpoint_without_a_graph_is_an_error(make_world, operation):
    world = make_world(PAIR)
    inputs = inputs_for(world, operation)
    bare = world.checkpoint([thing(0)])
    bare.transition("available")
    inputs = OperationInputs.from_dict({**inputs.to_dict(), "checkpoint_id": bare.id})

    assert not world.submit(inputs).result(60)
    assert "keeps no resource graph" in world.log_of(inputs)["error_info"]


def test_a_checkpoint_without_a_graph_can_be_deleted(make_world):
    world = make_world(PAIR)
    checkpoint = world.checkpoint([thing(0)])
    checkpoint.transition("error")

    assert world.submit(world.inputs("delete", checkpoint)).result(60)
    assert world.provider.bank_plugin.objects == {}


def test_a_deletion_that_failed_can_be_done_again(make_world):
    broken = threading.Event()
    broken.set()

    def behaviour(hook, number, given):
        if broken.is_set():
            raise RuntimeError("not now")

    world = make_world(PAIR, behaviour=behaviour)
    inputs = inputs_for(world, "delete")
    assert not world.submit(inputs).result(60)
    broken.clear()

    again = world.inputs("delete", target(world, inputs))
    assert world.submit(again).result(60)
    assert world.provider.bank_plugin.objects == {}


def test_a_copy_has_the_graph_of_its_source(make_world):
    world = make_world(PAIR)
    inputs = inputs_for(world, "copy")
    states = []
    world.plugin.behaviour = lambda *_: states.append(target(world, inputs).status)

    world.submit(inputs).result(60)

    source = world.provider.checkpoints.get(inputs.checkpoint_id)
    assert target(world, inputs).resource_graph == source.resource_graph
    assert set(states) == {"copying"}


@pytest.mark.parametrize("operation", MODULES)
def test_an_unexpected_error_ends_the_operation_with_its_records(
    make_world, operation, caplog
):
    def broken(resource):
        raise ZeroDivisionError("a defect")

    world = make_world(PAIR)
    inputs = inputs_for(world, operation)
    setattr(world.plugin, f"get_{operation}_operation", broken)

    assert not world.submit(inputs).result(60)

    assert world.log_of(inputs)["status"] == "failed"
    assert "ZeroDivisionError: a defect" in world.log_of(inputs)["error_info"]
    status = {"protect": "error", "copy": "error", "delete": "error-deleting"}
    assert target(world, inputs).status == status.get(operation, "available")
    assert "Traceback" in caplog.text
    if operation in ("restore", "verify"):
        assert records_of(world, operation).rows[inputs.record_id]["status"] == "fail"


def test_a_provider_that_is_gone_ends_the_records(make_world):
    world = make_world(PAIR)
    inputs = inputs_for(world, "restore")
    inputs = OperationInputs.from_dict({**inputs.to_dict(), "provider_id": "gone"})

    assert not world.submit(inputs).result(60)
    assert "Provider gone" in world.log_of(inputs)["error_info"]
    assert world.database.restores.rows[inputs.record_id]["status"] == "fail"


def test_a_bank_that_fails_at_the_end_fails_the_protection(make_world):
    world = make_world(PAIR, hooks_of=lambda n: ALL)
    bank = world.provider.bank_plugin
    update = bank.update_object
    broken = threading.Event()

    def refuse(key, value, context=None):
        if broken.is_set() and key.endswith("index.json"):
            broken.clear()
            raise exception.BankUpdateObjectFailed(key=key, reason="disk is full")
        update(key, value, context)

    bank.update_object = refuse
    world.plugin.behaviour = lambda hook, number, given: (
        broken.set() if (hook, number) == ("on_complete", 0) else None
    )

    _, succeeded, checkpoint = world.protect()

    assert not succeeded
    assert checkpoint.status == "error"
    assert "disk is full" in checkpoint.status_reason
    assert len(world.trace.starts("on_revert")) == 2


def test_a_database_that_fails_at_the_end_undoes_nothing(make_world):
    world = make_world(PAIR, hooks_of=lambda n: ALL)
    world.plugin.behaviour = lambda *_: setattr(
        world.database.operation_logs, "error", exception.KarborException("away")
    )

    _, succeeded, checkpoint = world.protect()

    assert succeeded
    assert checkpoint.status == constants.CHECKPOINT_STATUS_AVAILABLE
    assert world.trace.starts("on_revert") == []


def test_bytes_that_hooks_report_add_up(make_world):
    def behaviour(hook, number, given):
        if hook == "on_prepare_finish":
            given["progress"].expect(100)
        if hook == "on_main":
            given["progress"].advance(60)
            given["progress"].advance(40)

    world = make_world(PAIR, behaviour=behaviour)
    inputs, _, _ = world.protect()

    assert world.log_of(inputs)["extra_info"]["progress"] == {
        "bytes_done": 200,
        "bytes_total": 200,
        "hooks_done": 8,
        "hooks_total": 8,
    }


def test_an_operation_that_nobody_records_runs_too(make_world):
    world = make_world(PAIR)

    _, succeeded, checkpoint = world.protect(with_log=False)

    assert succeeded
    assert checkpoint.status == "available"


def test_a_project_without_a_plugin_only_holds_its_resources_together(make_world):
    world = make_world(PAIR)
    project = Resource(constants.PROJECT_RESOURCE_TYPE, "project", "demo")
    checkpoint = world.checkpoint([project, thing(0)])

    assert world.submit(world.inputs("protect", checkpoint)).result(60)

    checkpoint.reload()
    assert project in checkpoint.resource_graph.resources
    assert {number for _, number in world.trace.starts()} == {0, 1}


def test_any_other_type_without_a_plugin_fails_the_operation_and_is_named(make_world):
    world = make_world(PAIR)
    stray = Resource("Nobody::Knows", "x", "stray")
    checkpoint = world.checkpoint([stray, thing(0)])

    assert not world.submit(world.inputs("protect", checkpoint)).result(60)

    checkpoint.reload()
    assert checkpoint.status == "error"
    assert "Nobody::Knows (1 resources)" in checkpoint.status_reason
    assert world.trace.starts() == []


def test_a_lease_that_is_lost_while_the_data_is_listed_stops_the_commit(make_world):
    world = make_world(PAIR)
    checkpoint = world.checkpoint([thing(0)])
    listed = world.provider.bank_plugin.list_objects

    def slowly(*args, **kwargs):
        world.provider.lease.valid = False
        return listed(*args, **kwargs)

    world.provider.bank_plugin.list_objects = slowly
    with pytest.raises(exception.LeaseLost):
        checkpoint.transition("available")
    assert world.provider.checkpoints.get(checkpoint.id).status == "protecting"
