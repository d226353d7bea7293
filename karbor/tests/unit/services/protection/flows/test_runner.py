# SPDX-License-Identifier: Apache-2.0
"""The runner takes any number of operations, and runs a few at a time, in order."""

import logging
import threading
import time

import pytest
from oslo_config import cfg

from karbor import exception
from karbor.services.protection import records
from karbor.services.protection.flows import runner as runner_module
from karbor.services.protection.protection_plugin import HOOKS
from karbor.tests.fakes.operations import thing

ALL = (*HOOKS, "on_revert")


class Gate:
    """Holds every hook until it is opened; tells when one has come."""

    def __init__(self, hook="on_main"):
        self.hook = hook
        self.arrived = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self, hook, number, given):
        if hook == self.hook:
            self.arrived.release()
            assert self.opened.wait(60)

    def wait_for(self, count):
        for _ in range(count):
            assert self.arrived.acquire(timeout=60)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


def submit(world, number=0):
    checkpoint = world.checkpoint([thing(number)])
    inputs = world.inputs("protect", checkpoint)
    return inputs, world.submit(inputs)


def status_of(world, inputs):
    return world.provider.checkpoints.get(inputs.checkpoint_id).status


def test_asking_for_a_large_protection_builds_nothing_yet(make_world, gate):
    children = {n: [] for n in range(3)}
    world = make_world(children, behaviour=gate, operations=1)
    submit(world, 0)
    gate.wait_for(1)
    before = dict(world.provider.bank_plugin.objects)

    plan = [thing(n) for n in range(10_000)]
    checkpoint = world.checkpoint(plan)
    made = set(world.provider.bank_plugin.objects) - set(before)
    future = world.submit(world.inputs("protect", checkpoint))

    assert not future.done()
    assert world.protectables.built == 1
    assert set(world.provider.bank_plugin.objects) - set(before) == made


def test_what_exceeds_the_bound_waits_and_keeps_its_turn(make_world, gate):
    world = make_world(
        {n: [] for n in range(6)}, behaviour=gate, operations=2, workers=8
    )
    submitted = [submit(world, n) for n in range(6)]

    gate.wait_for(2)
    assert not gate.arrived.acquire(timeout=0.05)
    assert len([name for name in world.runner.running() if "waiting" in name]) == 4

    gate.opened.set()
    assert all(future.result(60) for _, future in submitted)
    begun = [number for _, number in world.trace.starts("on_prepare_begin")]
    assert set(begun[:2]) == {0, 1}


def test_operations_begin_in_the_order_in_which_they_came(make_world):
    world = make_world({n: [] for n in range(20)}, operations=1)
    submitted = [submit(world, n) for n in range(20)]

    assert all(future.result(60) for _, future in submitted)
    begun = [number for _, number in world.trace.starts("on_prepare_begin")]
    assert begun == list(range(20))
    assert world.runner.running() == []


def test_a_large_operation_lets_a_small_one_through(make_world):
    pause = threading.Event()
    count = 200
    children = {n: [] for n in range(count)}
    world = make_world(
        children, behaviour=lambda *_: pause.wait(0.001), workers=2, operations=2
    )
    large = world.checkpoint([thing(n) for n in range(count - 1)])
    small = world.checkpoint([thing(count - 1)])

    large_done = world.submit(world.inputs("protect", large))
    small_done = world.submit(world.inputs("protect", small))

    assert large_done.result(60)
    assert small_done.result(60)
    last_of_small = ("on_complete", count - 1, "end")
    assert last_of_small in world.trace.events[: len(world.trace.events) // 2]


def test_draining_waits_for_what_runs_and_starts_nothing_more(make_world, gate):
    world = make_world({0: [], 1: []}, behaviour=gate, operations=1)
    first, _ = submit(world, 0)
    gate.wait_for(1)
    second, second_future = submit(world, 1)
    threading.Timer(0.05, gate.opened.set).start()

    drained = world.runner.drain(60)

    assert not drained
    assert status_of(world, first) == "available"
    assert second_future.cancelled()
    assert status_of(world, second) == "protecting"
    assert world.log_of(second)["status"] == "in_progress"
    assert world.runner.running() == [f"{second} (waiting)"]


def test_draining_with_nothing_to_do_leaves_nothing(make_world):
    world = make_world({0: []})
    _, future = submit(world)
    future.result(60)

    assert world.runner.drain(0)
    with pytest.raises(exception.FlowError, match="service is stopping"):
        submit(world)


def test_what_does_not_end_in_time_is_cancelled_and_taken_back(make_world):
    arrived = threading.Event()
    pause = threading.Event()

    def behaviour(hook, number, given):
        if hook == "on_main":
            arrived.set()
            live = world.live()
            while live.may_start():
                pause.wait(0.001)

    world = make_world({0: [1], 1: []}, behaviour=behaviour, hooks_of=lambda n: ALL)
    inputs, future = submit(world)
    assert arrived.wait(60)

    drained = world.runner.drain(0.05, revert_time=60)

    assert drained
    assert not future.result(0)
    assert world.trace.starts("on_complete") == []
    assert len(world.trace.starts("on_revert")) == 2
    checkpoint = world.provider.checkpoints.get(inputs.checkpoint_id)
    assert checkpoint.status == "error"
    assert "the service was stopped" in checkpoint.status_reason
    assert world.log_of(inputs)["status"] == "failed"


def test_a_hook_that_does_not_return_is_left(make_world, gate):
    world = make_world({0: []}, behaviour=gate)
    inputs, _ = submit(world)
    gate.wait_for(1)

    assert not world.runner.drain(0, revert_time=0.05)
    assert world.runner.running() == [str(inputs)]
    assert status_of(world, inputs) == "protecting"


def test_an_operation_keeps_its_provider_while_it_waits(make_world, gate):
    world = make_world({0: [], 1: []}, behaviour=gate, operations=1)
    first = submit(world, 0)[1]
    gate.wait_for(1)
    second_inputs, second = submit(world, 1)
    other = make_world({}).provider

    assert world.runner.is_using(world.provider)
    assert not world.runner.is_using(other)
    object.__setattr__(world.house, "providers", other)
    gate.opened.set()
    assert first.result(60)
    assert second.result(60)
    assert status_of(world, second_inputs) == "available"
    world.runner.drain(60)
    assert not world.runner.is_using(world.provider)


def test_progress_is_written_while_an_operation_runs(make_world, monkeypatch):
    monkeypatch.setattr(runner_module, "_REPORT_INTERVAL", 0.01)
    pause = threading.Event()
    seen = []

    def behaviour(hook, number, given):
        if hook != "on_main":
            return
        given["progress"].expect(10)
        for _ in range(500):
            progress = rows[given["operation_log"].id]["extra_info"].get("progress", {})
            if progress.get("bytes_total") == 10:
                seen.append(progress)
                return
            pause.wait(0.01)

    world = make_world({0: []}, behaviour=behaviour)
    rows = world.database.operation_logs.rows
    _, future = submit(world)

    assert future.result(60)
    assert seen[0]["hooks_done"] == 2
    assert seen[0]["hooks_total"] == 4


def test_begin_and_end_are_logged_with_ids_and_counts(make_world, caplog):
    world = make_world({0: [1], 1: []})
    with caplog.at_level(logging.INFO):
        inputs, future = submit(world)
        future.result(60)

    begin, end = (r.getMessage() for r in caplog.records if r.levelname == "INFO")
    assert begin.startswith(f"Begin protect of checkpoint {inputs.checkpoint_id}")
    assert world.provider.id in begin
    assert inputs.operation_log_id in begin
    assert end.startswith(f"End protect of checkpoint {inputs.checkpoint_id}: success")
    assert "2 resources" in end
    assert "hooks_done 8" in end


def test_threads_have_names(make_world):
    names = set()
    world = make_world(
        {0: []},
        behaviour=lambda *_: names.update(t.name for t in threading.enumerate()),
    )
    world.protect()

    assert any(name.startswith("hook_") for name in names)
    assert any(name.startswith("operation_") for name in names)
    assert "operation-progress" in names


def test_hooks_log_under_the_request_of_their_operation(make_world):
    from oslo_context import context

    seen = set()
    world = make_world(
        {0: []}, behaviour=lambda *_: seen.add(context.get_current().request_id)
    )
    world.protect()

    assert seen == {world.context.request_id}


def test_the_bounds_are_options_with_help():
    conf = cfg.ConfigOpts()
    runner_module.register_opts(conf)
    conf([])

    assert conf.max_parallel_hooks == 16
    assert conf.max_concurrent_operations == 8
    assert all(len(option.help) > 80 for option in runner_module.OPTS)


@pytest.fixture
def reports_at_once(monkeypatch):
    monkeypatch.setattr(runner_module, "_REPORT_INTERVAL", 0.01)
    monkeypatch.setattr(records, "WRITE_INTERVAL", 0.0)


def until_forgotten(world, inputs):
    deadline = time.monotonic() + 60
    while world.runner.is_working_on(inputs.operation_log_id):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_the_database_missed_is_written_when_it_is_back(
    make_world, reports_at_once
):
    world = make_world({0: []})
    world.database.operation_logs.error = OSError("the database is away")
    inputs, future = submit(world)
    assert future.result(60)
    assert world.log_of(inputs)["status"] == "in_progress"
    assert world.runner.is_working_on(inputs.operation_log_id)
    world.database.operation_logs.error = None
    until_forgotten(world, inputs)
    assert world.log_of(inputs)["status"] == "success"


def test_a_record_that_was_deleted_meanwhile_is_forgotten(make_world, reports_at_once):
    world = make_world({0: []})
    world.database.operation_logs.error = exception.NotFound("It was deleted.")
    inputs, future = submit(world)
    assert future.result(60)
    until_forgotten(world, inputs)
    assert world.log_of(inputs)["status"] == "in_progress"
