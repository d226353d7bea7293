# SPDX-License-Identifier: Apache-2.0
"""What really runs, in which order, when operations run random graphs."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings

from karbor.services.protection.protection_plugin import HOOKS
from karbor.tests.fakes.operations import TracedPlugin, World, thing
from karbor.tests.unit.services.protection.flows.strategies import (
    children_of_things,
    expected_order,
    things_with_hooks,
)

RANDOM = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)


def run(children, operation="protect", **plugin):
    world = World(children, TracedPlugin(**plugin))
    try:
        return world, *world.protect(roots=children)
    finally:
        world.close()


@RANDOM
@given(things_with_hooks())
def test_every_hook_starts_after_all_that_the_rules_put_before_it_have_ended(example):
    children, hooks = example

    world, _, succeeded, _ = run(children, hooks_of=hooks.__getitem__)

    assert succeeded
    at = {event: place for place, event in enumerate(world.trace.events)}
    for first, last in expected_order(children, hooks):
        assert at[(*first, "end")] < at[(*last, "start")]


@RANDOM
@given(children_of_things())
def test_every_hook_of_every_resource_runs_once(children):
    world, _, succeeded, _ = run(children)

    assert succeeded
    assert sorted(world.trace.starts()) == sorted(
        (hook, number) for hook in HOOKS for number in children
    )


def test_a_resource_that_many_share_runs_once(make_world):
    world = make_world({**{n: [9] for n in range(9)}, 9: []})

    world.protect(roots=range(9))

    assert len([start for start in world.trace.starts() if start[1] == 9]) == 4


def test_what_the_rules_do_not_order_runs_in_parallel(make_world):
    met = threading.Barrier(3, timeout=30)

    def behaviour(hook, number, given):
        if hook == "on_main":
            met.wait()

    world = make_world({0: [1, 2], 1: [], 2: []}, behaviour=behaviour, workers=3)

    _, succeeded, _ = world.protect()

    assert succeeded


def test_no_more_hooks_run_at_a_time_than_configured(make_world):
    children = {0: list(range(1, 40)), **dict.fromkeys(range(1, 40), ())}
    pause = threading.Event()

    def behaviour(hook, number, given):
        pause.wait(0.002)

    world = make_world(children, behaviour=behaviour, workers=3)
    world.protect()

    assert 1 < world.trace.most_parallel <= 3


def test_the_bound_on_hooks_is_one_for_all_operations(make_world):
    pause = threading.Event()
    world = make_world(
        dict.fromkeys(range(20), ()),
        behaviour=lambda *_: pause.wait(0.002),
        workers=2,
        operations=4,
    )
    submitted = []
    for number in range(4):
        checkpoint = world.checkpoint([thing(number)])
        submitted.append(world.submit(world.inputs("protect", checkpoint)))

    assert all(future.result(60) for future in submitted)
    assert world.trace.most_parallel <= 2


@pytest.mark.parametrize("hooks", [(), ("on_main",), ("on_prepare_begin",)])
def test_only_hooks_that_there_are_count(make_world, hooks):
    world = make_world({0: [1], 1: []}, hooks_of=lambda number: hooks)

    inputs, succeeded, _ = world.protect()

    assert succeeded
    progress = world.log_of(inputs)["extra_info"]["progress"]
    assert progress["hooks_done"] == progress["hooks_total"] == 2 * len(hooks)
