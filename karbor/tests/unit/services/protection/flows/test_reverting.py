# SPDX-License-Identifier: Apache-2.0
"""A hook that fails, or a stop, takes back what had begun, once and in reverse."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karbor.services.protection.protection_plugin import HOOKS
from karbor.tests.fakes.operations import TracedPlugin, World
from karbor.tests.unit.services.protection.flows.strategies import (
    expected_order,
    things_with_hooks,
)

ALL = (*HOOKS, "on_revert")

#: 0 needs 1 and 2, and these need 3.
DIAMOND = {0: [1, 2], 1: [3], 2: [3], 3: []}


def failing(*places, error=RuntimeError):
    def behaviour(hook, number, given):
        if (hook, number) in places:
            raise error(f"{hook} of {number} went wrong")

    return behaviour


def key(number):
    return f"OS::Test::Thing#thing-{number}"


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(things_with_hooks(), st.data())
def test_wherever_a_hook_fails_all_that_began_is_taken_back_in_reverse(example, data):
    children, hooks = example
    places = [(hook, number) for number, own in hooks.items() for hook in own]
    failed = data.draw(st.sampled_from(places)) if places else None
    world = World(
        children,
        TracedPlugin(
            hooks_of=lambda number: (*hooks[number], "on_revert"),
            behaviour=failing(failed),
        ),
    )
    try:
        _, succeeded, checkpoint = world.protect(roots=children)
    finally:
        world.close()

    assert succeeded is (failed is None)
    if failed is None:
        return
    starts = world.trace.starts()
    reverted = [number for hook, number in starts if hook == "on_revert"]
    begun = {number for hook, number in starts if hook != "on_revert"}
    assert sorted(reverted) == sorted(begun)
    # No hook of the rules after the failed one ran, and none ran after a revert.
    order = expected_order(children, hooks)
    assert not {last for first, last in order if first == failed} & set(starts)
    assert all(hook == "on_revert" for hook, _ in starts[-len(reverted) :])
    # A resource is taken back at the last of its hooks that had begun: whatever the
    # rules put after that hook, and had begun, has been taken back before.
    last_begun = {number: (hook, number) for hook, number in starts if hook in HOOKS}
    at = {event: place for place, event in enumerate(world.trace.events)}
    for earlier, first in last_begun.items():
        for later, last in last_begun.items():
            if (first, last) in order:
                assert at["on_revert", later, "end"] < at["on_revert", earlier, "start"]
    assert checkpoint.status == "error"
    hook, number = failed
    assert f"{hook} of {number} went wrong" in checkpoint.status_reason
    assert {name: said["status"] for name, said in checkpoint.resources_status.items()}
    assert f"{hook} of {number}" in checkpoint.resources_status[key(number)]["reason"]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("number", DIAMOND)
def test_a_failure_at_each_place_leaves_nothing_quiesced(make_world, hook, number):
    quiesced = set()

    def behaviour(name, which, given):
        if name == "on_prepare_begin":
            quiesced.add(which)
        if name == "on_revert":
            quiesced.discard(which)
        if (name, which) == (hook, number):
            raise RuntimeError("no")

    world = make_world(DIAMOND, hooks_of=lambda n: ALL, behaviour=behaviour)

    _, succeeded, checkpoint = world.protect()

    assert not succeeded
    assert checkpoint.status == "error"
    assert quiesced == set()
    assert set(checkpoint.resources_status) == {key(n) for n in DIAMOND}


def test_a_revert_that_fails_is_recorded_and_stops_no_other(make_world):
    world = make_world(
        DIAMOND,
        hooks_of=lambda n: ALL,
        behaviour=failing(("on_complete", 0), ("on_revert", 1), ("on_revert", 3)),
    )

    _, _, checkpoint = world.protect()

    reverted = [number for _, number in world.trace.starts("on_revert")]
    assert sorted(reverted) == [0, 1, 2, 3]
    reasons = {n: checkpoint.resources_status[key(n)]["reason"] for n in DIAMOND}
    assert "on_revert of 1 went wrong" in reasons[1]
    assert "on_revert of 3 went wrong" in reasons[3]
    assert "Taken back" in reasons[2]


def test_the_hook_that_failed_may_fail_to_be_taken_back_too(make_world):
    world = make_world(
        {0: []},
        hooks_of=lambda n: ALL,
        behaviour=failing(("on_main", 0), ("on_revert", 0)),
    )

    _, _, checkpoint = world.protect()

    reason = checkpoint.resources_status[key(0)]["reason"]
    assert "on_main of 0 went wrong" in reason
    assert "taking it back failed" in reason
    assert "on_revert of 0 went wrong" in reason


def test_hooks_that_run_may_end_and_no_other_starts_when_one_fails(make_world):
    three_run = threading.Barrier(3, timeout=30)
    pause = threading.Event()

    def behaviour(hook, number, given):
        if hook == "on_main":
            if three_run.wait() == 0:
                raise RuntimeError("no")
            live = world.live()
            while live.may_start():
                pause.wait(0.001)

    # Three threads, so all others wait in the queue when one fails.
    children = {n: [] for n in range(20)}
    world = make_world(
        children,
        workers=3,
        hooks_of=lambda n: ("on_main", "on_complete", "on_revert"),
        behaviour=behaviour,
    )

    world.protect(roots=children)

    mains = [number for _, number in world.trace.starts("on_main")]
    assert len(mains) == 3
    assert world.trace.starts("on_complete") == []
    assert sorted(n for _, n in world.trace.starts("on_revert")) == sorted(mains)


def test_two_hooks_that_fail_at_once_are_both_recorded(make_world):
    together = threading.Barrier(2, timeout=30)

    def behaviour(hook, number, given):
        if hook == "on_main":
            together.wait()
            raise RuntimeError(f"no {number}")

    world = make_world({0: [], 1: []}, hooks_of=lambda n: ALL, behaviour=behaviour)

    _, _, checkpoint = world.protect(roots=[0, 1])

    reasons = [said["reason"] for said in checkpoint.resources_status.values()]
    assert sorted(reasons) == [
        "on_main: RuntimeError: no 0",
        "on_main: RuntimeError: no 1",
    ]
    assert "(1 more failed" in checkpoint.status_reason


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_whatever_a_hook_raises_ends_the_operation_only(make_world, error):
    world = make_world(
        {0: []}, hooks_of=lambda n: ALL, behaviour=failing(("on_main", 0), error=error)
    )

    _, succeeded, checkpoint = world.protect()

    assert not succeeded
    assert error.__name__ in checkpoint.status_reason


def test_a_lost_lease_stops_new_hooks_and_leaves_the_checkpoint_alone(make_world):
    def behaviour(hook, number, given):
        if (hook, number) == ("on_main", 3):
            world.provider.lease.valid = False

    world = make_world(DIAMOND, hooks_of=lambda n: ALL, behaviour=behaviour, workers=1)

    inputs, succeeded, checkpoint = world.protect()

    assert not succeeded
    assert checkpoint.status == "protecting"
    assert checkpoint.resources_status == {}
    log = world.log_of(inputs)
    assert log["status"] == "failed"
    assert "lease" in log["error_info"]
    begun = {number for hook, number in world.trace.starts() if hook != "on_revert"}
    assert {number for _, number in world.trace.starts("on_revert")} == begun
    assert world.trace.starts("on_complete") == []


def test_data_of_a_failed_protection_leaves_the_bank(make_world):
    def behaviour(hook, number, given):
        section = given["checkpoint"].get_resource_bank_section(f"thing-{number}")
        if hook == "on_main":
            section.update_object("data", b"x")
        if (hook, number) == ("on_complete", 0):
            raise RuntimeError("no")

    world = make_world(DIAMOND, hooks_of=lambda n: ALL, behaviour=behaviour)
    _, _, checkpoint = world.protect()

    assert not [k for k in world.provider.bank_plugin.objects if "resource-data" in k]
    assert checkpoint.resource_graph is not None


def test_data_that_no_plugin_took_back_stays_for_a_deletion(make_world):
    def behaviour(hook, number, given):
        section = given["checkpoint"].get_resource_bank_section(f"thing-{number}")
        if hook == "on_prepare_begin":
            section.update_object("backup", {"id": "in-cinder"})
        if (hook, number) in {("on_main", 0), ("on_revert", 1)}:
            raise RuntimeError("no")

    world = make_world(
        DIAMOND,
        hooks_of=lambda n: HOOKS if n == 2 else ALL,
        behaviour=behaviour,
    )
    world.protect()

    kept = {
        k.split("/")[-2]
        for k in world.provider.bank_plugin.objects
        if "resource-data" in k
    }
    assert kept == {"thing-1", "thing-2"}
