# SPDX-License-Identifier: Apache-2.0
"""Lanes share an executor fairly, and bound what each has in it."""

import threading
import time
from concurrent import futures

import pytest

from karbor.services.protection.flows.lanes import Lane
from karbor.services.protection.waiting.course import Suspended


@pytest.fixture
def one_thread():
    with futures.ThreadPoolExecutor(1) as pool:
        yield pool


def test_results_and_errors_come_back(one_thread):
    lane = Lane(one_thread, 2)

    assert lane.submit(divmod, 7, 2).result(30) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        lane.submit(divmod, 7, 0).result(30)
    assert list(lane.map(str, range(20))) == [str(n) for n in range(20)]


def test_a_small_lane_does_not_wait_for_a_large_one(one_thread):
    done = []
    go = threading.Event()
    one_thread.submit(go.wait, 30)
    large, small = Lane(one_thread, 2), Lane(one_thread, 2)
    submitted = [large.submit(done.append, "large") for _ in range(100)]
    submitted += [small.submit(done.append, "small") for _ in range(3)]

    go.set()
    futures.wait(submitted, 30)

    assert len(done) == 103
    assert max(place for place, lane in enumerate(done) if lane == "small") < 10


def test_what_is_cancelled_while_it_waits_does_not_run(one_thread):
    go = threading.Event()
    lane = Lane(one_thread, 1)
    lane.submit(go.wait, 30)
    done = []
    waits = lane.submit(done.append, 1)

    assert waits.cancel()
    go.set()
    assert lane.submit(len, done).result(30) == 0


def test_work_for_an_executor_that_was_shut_down_fails():
    pool = futures.ThreadPoolExecutor(1)
    pool.shutdown()
    lane = Lane(pool, 1)

    with pytest.raises(RuntimeError):
        lane.submit(len, "").result(30)


def test_all_work_for_an_executor_that_was_shut_down_meanwhile_fails():
    pool = futures.ThreadPoolExecutor(1)
    lane = Lane(pool, 1)
    go = threading.Event()
    lane.submit(go.wait, 30)
    waiting = [lane.submit(len, "") for _ in range(3)]
    assert waiting[1].cancel()
    pool.shutdown(wait=False)
    go.set()

    for future in (waiting[0], waiting[2]):
        with pytest.raises(RuntimeError):
            future.result(30)


class Waiting:
    """Work that waits until it is let go on."""

    def __init__(self):
        self.waits = futures.Future()
        self.begun = threading.Event()

    def __call__(self):
        self.begun.set()
        return Suspended(self.waits, lambda: "done")


def test_what_waits_holds_no_thread(one_thread):
    lane, waiting = Lane(one_thread, 1), Waiting()
    future = lane.submit(waiting)
    assert lane.submit(len, "four").result(30) == 4
    assert not future.done()

    waiting.waits.set_result(None)

    assert future.result(30) == "done"


def test_no_more_waits_than_the_depth(one_thread):
    lane = Lane(one_thread, 1, depth=2)
    work = [Waiting() for _ in range(3)]
    submitted = [lane.submit(one) for one in work]
    for one in work[:2]:
        assert one.begun.wait(30)
    assert not work[2].begun.wait(0.1)

    work[0].waits.set_result(None)

    assert work[2].begun.wait(30)
    for one in work[1:]:
        one.waits.set_result(None)
    assert [future.result(30) for future in submitted] == ["done"] * 3


def test_what_is_free_is_used_while_what_was_resumed_goes_on():
    """One wait that is over makes room for two: its own thread, and its place."""
    with futures.ThreadPoolExecutor(2) as pool:
        lane, waits = Lane(pool, 2, depth=1), futures.Future()
        going_on, go = threading.Event(), threading.Event()

        def resume():
            going_on.set()
            return go.wait(30)

        first = lane.submit(lambda: Suspended(waits, resume))
        while lane._suspended == 0:
            time.sleep(0.001)
        next_one = Waiting()
        second = lane.submit(next_one)
        assert not next_one.begun.wait(0.05), "the depth is used up"

        waits.set_result(None)

        assert going_on.wait(30)
        assert next_one.begun.wait(10), "while the first goes on"
        go.set()
        next_one.waits.set_result(None)
        assert first.result(30) is True
        assert second.result(30) == "done"
