# SPDX-License-Identifier: Apache-2.0
"""Lanes share an executor fairly, and bound what each has in it."""

import threading
from concurrent import futures

import pytest

from karbor.services.protection.flows.lanes import Lane


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
