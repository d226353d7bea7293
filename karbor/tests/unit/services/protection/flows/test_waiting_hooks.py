# SPDX-License-Identifier: Apache-2.0
"""A hook that waits holds no thread, and ends where it waits when all is to stop."""

import threading
import time

import pytest

from karbor.services.protection.waiting.until import until_gone, until_status
from karbor.tests.fakes.operations import World, thing
from karbor.tests.fakes.things import FakeThings

LONG = 15.0


class WaitingOperation:
    """Makes a thing, waits for it, and takes it back."""

    def __init__(self, plugin, resource):
        self._plugin = plugin
        self._name = resource.id

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        things = self._plugin.things
        things.states[self._name] = "making"
        self._plugin.begun.add(self._name)
        yield until_status(things, self._name, "ready", timeout=LONG)
        if self._name in self._plugin.broken:
            raise ValueError("it is broken")
        self._plugin.ended.add(self._name)

    def on_revert(self, checkpoint, resource, context, parameters, **kwargs):
        self._plugin.reverted.add(self._name)
        yield until_gone(self._plugin.things, self._name, timeout=LONG)
        self._plugin.cleaned.add(self._name)


class WaitingPlugin:
    def __init__(self, broken=()):
        self.things = FakeThings()
        self.broken = {f"thing-{number}" for number in broken}
        self.begun, self.ended = set(), set()
        self.reverted, self.cleaned = set(), set()

    def get_protect_operation(self, resource):
        return WaitingOperation(self, resource)


@pytest.fixture
def worlds():
    made = []
    yield made
    for world in made:
        world.close()


def world_of(worlds, count, workers=2, **plugin):
    """Things that do not depend on each other, with few threads."""
    plugin = WaitingPlugin(**plugin)
    world = World({n: [] for n in range(count)}, plugin, workers=workers)
    worlds.append(world)
    return world, plugin


def submit(world, count):
    checkpoint = world.checkpoint([thing(n) for n in range(count)])
    inputs = world.inputs("protect", checkpoint)
    return inputs, world.submit(inputs)


def eventually(condition):
    until = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < until, condition
        time.sleep(0.01)


def test_more_hooks_wait_than_there_are_threads(worlds):
    world, plugin = world_of(worlds, 50, workers=2)
    before = threading.active_count()
    _inputs, future = submit(world, 50)
    eventually(lambda: len(plugin.begun) == 50)

    assert not plugin.ended
    assert threading.active_count() - before <= 10
    plugin.things.states.update(dict.fromkeys(plugin.begun, "ready"))

    assert future.result(LONG)
    assert plugin.ended == plugin.begun


def test_no_more_hooks_wait_than_the_cloud_can_stand(worlds):
    world, plugin = world_of(worlds, 20)
    world.conf.set_override("max_waiting_hooks", 5)
    world._resize(2, 2)
    _inputs, future = submit(world, 20)
    eventually(lambda: len(plugin.begun) >= 5)
    time.sleep(0.1)

    # One more may be on its way to its wait in each thread.
    assert len(plugin.begun) <= 5 + 2 - 1
    done = threading.Event()

    def let_all_be_ready():
        while not done.wait(0.01):
            plugin.things.states.update(dict.fromkeys(plugin.begun, "ready"))

    helper = threading.Thread(target=let_all_be_ready)
    helper.start()
    assert future.result(LONG)
    done.set()
    helper.join()
    assert len(plugin.ended) == 20


def test_hooks_that_wait_end_when_another_one_fails(worlds):
    world, plugin = world_of(worlds, 10, broken=[9])
    inputs, future = submit(world, 10)
    eventually(lambda: len(plugin.begun) == 10)
    plugin.things.states["thing-9"] = "ready"
    eventually(lambda: len(plugin.reverted) == 10)
    plugin.things.states.clear()

    assert future.result(LONG) is False
    assert plugin.ended == set()
    assert plugin.cleaned == plugin.begun, "revert waits too, and is not cut off"
    checkpoint = world.provider.checkpoints.get(inputs.checkpoint_id)
    assert checkpoint.status == "error"
    statuses = checkpoint.resources_status
    assert "it is broken" in statuses["OS::Test::Thing#thing-9"]["reason"]
    assert "Taken back" in statuses["OS::Test::Thing#thing-3"]["reason"]


def test_hooks_that_wait_end_when_the_service_stops(worlds):
    world, plugin = world_of(worlds, 10)
    inputs, future = submit(world, 10)
    eventually(lambda: len(plugin.begun) == 10)
    stopping = threading.Thread(target=world.runner.drain, args=(0, LONG))
    stopping.start()
    eventually(lambda: len(plugin.reverted) == 10)
    plugin.things.states.clear()
    stopping.join()

    assert future.result(LONG) is False
    assert plugin.cleaned == plugin.begun
    assert world.provider.checkpoints.get(inputs.checkpoint_id).status == "error"


def test_an_operation_does_not_succeed_when_nobody_looks_any_more(worlds):
    world, plugin = world_of(worlds, 3)
    inputs, future = submit(world, 3)
    eventually(lambda: len(plugin.begun) == 3)
    world.house.watcher.close()

    assert future.result(LONG) is False
    assert plugin.reverted == plugin.begun
    assert world.provider.checkpoints.get(inputs.checkpoint_id).status == "error"


def test_a_wait_that_fails_fails_its_resource(worlds):
    world, plugin = world_of(worlds, 1)
    inputs, future = submit(world, 1)
    eventually(lambda: plugin.begun)
    plugin.things.fault = "the disk is full"
    plugin.things.states["thing-0"] = "error"
    eventually(lambda: plugin.reverted)
    plugin.things.states.clear()

    assert future.result(LONG) is False
    assert "the disk is full" in world.log_of(inputs)["error_info"]


def test_hooks_that_wait_do_not_go_on_when_the_lease_is_lost(worlds):
    world, plugin = world_of(worlds, 3)
    inputs, future = submit(world, 3)
    eventually(lambda: len(plugin.begun) == 3)
    world.provider.lease.valid = False
    plugin.things.states["thing-1"] = "ready"
    eventually(lambda: len(plugin.reverted) == 3)
    plugin.things.states.clear()

    assert future.result(LONG) is False
    assert plugin.ended == set()
    assert "lease" in world.log_of(inputs)["error_info"]
    assert world.provider.checkpoints.get(inputs.checkpoint_id).status == "protecting"


def test_an_operation_whose_hooks_all_wait_notices_a_lost_lease(worlds):
    world, plugin = world_of(worlds, 3)
    inputs, future = submit(world, 3)
    eventually(lambda: len(plugin.begun) == 3)
    world.provider.lease.valid = False
    eventually(lambda: len(plugin.reverted) == 3)
    plugin.things.states.clear()

    assert future.result(LONG) is False
    assert "lease" in world.log_of(inputs)["error_info"]


def test_what_a_stopping_service_did_not_take_back_is_named(worlds):
    world, plugin = world_of(worlds, 2)
    inputs, future = submit(world, 2)
    eventually(lambda: len(plugin.begun) == 2)
    assert not world.runner.drain(0, 0.3), "taking back goes on"

    world.house.watcher.close()

    assert future.result(LONG) is False
    checkpoint = world.provider.checkpoints.get(inputs.checkpoint_id)
    for said in checkpoint.resources_status.values():
        assert said["status"] == "error"
        assert "Taking it back failed: it was cut off" in said["reason"]
        assert "WaitCancelled" not in said["reason"]
