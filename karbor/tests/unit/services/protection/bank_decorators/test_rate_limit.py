# SPDX-License-Identifier: Apache-2.0
"""No more than so much a second goes through, in simulated time."""

import concurrent.futures
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karbor.services.protection.bank_decorators.rate_limit import RateLimitedBank
from karbor.services.protection.bank_decorators.token_bucket import TokenBucket
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.decorated_bank import FakeClock, decorated

arrivals = st.lists(
    st.tuples(st.floats(0, 10), st.floats(0, 50)), min_size=1, max_size=30
)


def granted(rate, burst, arrivals):
    """``(when, units)`` of requests that arrive at these intervals, not waiting."""
    clock = FakeClock()
    bucket = TokenBucket(rate, burst, clock)
    found = []
    for pause, units in arrivals:
        clock.sleep(pause)
        found.append((clock.monotonic() + bucket.reserve(units), units))
    return found


@given(st.floats(0.5, 100), st.floats(0, 100), arrivals)
@settings(deadline=None)
def test_no_stretch_of_time_has_more_than_its_share(rate, burst, arrivals):
    grants = granted(rate, burst, arrivals)
    most = max(burst, *(units for _when, units in grants))
    for first, last in itertools.combinations_with_replacement(range(len(grants)), 2):
        seconds = grants[last][0] - grants[first][0]
        through = sum(units for _when, units in grants[first : last + 1])
        assert through <= rate * seconds + most + 1e-6


@given(st.floats(0.5, 100), st.floats(0, 100), arrivals)
@settings(deadline=None)
def test_who_asks_first_goes_first(rate, burst, arrivals):
    times = [when for when, _units in granted(rate, burst, arrivals)]
    assert all(one <= next_one + 1e-6 for one, next_one in itertools.pairwise(times))


@given(st.floats(0.5, 100), st.floats(0, 100), st.lists(st.floats(0, 50), min_size=1))
@settings(deadline=None)
def test_no_time_is_wasted_while_there_is_demand(rate, burst, requests):
    """All at once: the last one goes when all before it and itself are paid for."""
    grants = granted(rate, burst, [(0, units) for units in requests])
    took = grants[-1][0] - FakeClock().monotonic()
    assert took == pytest.approx(max(0, (sum(requests) - burst) / rate))


def test_a_pause_saves_up_no_more_than_the_burst():
    clock = FakeClock()
    bucket = TokenBucket(10, 5, clock)
    clock.sleep(1000)
    assert bucket.reserve(5) == 0
    assert bucket.reserve(1) == pytest.approx(0.1)


def test_bytes_written_take_their_time():
    clock, memory = FakeClock(), MemoryBankPlugin()
    bank = decorated(
        RateLimitedBank,
        memory,
        clock=clock,
        write_bytes_per_second=100,
        burst_seconds=0,
    )
    for number in range(10):
        bank.update_object(f"/{number}", b"x" * 50)
    assert clock.slept == [pytest.approx(0.5)] * 10
    assert bank.get_object("/3") == b"x" * 50
    assert len(clock.slept) == 10


def test_bytes_read_take_their_time():
    clock, memory = FakeClock(), MemoryBankPlugin()
    memory.update_object("/a", "é" * 50)
    bank = decorated(
        RateLimitedBank, memory, clock=clock, read_bytes_per_second=100, burst_seconds=0
    )
    for _ in range(3):
        bank.get_object("/a")
    bank.update_object("/b", b"x" * 1000)
    assert clock.slept == [pytest.approx(1)] * 3


def test_each_request_takes_its_time_and_a_lease_none():
    clock, memory = FakeClock(), MemoryBankPlugin()
    bank = decorated(
        RateLimitedBank, memory, clock=clock, requests_per_second=4, burst_seconds=0
    )
    bank.update_object("/a", 1)
    bank.get_object("/a")
    bank.list_objects()
    bank.delete_object("/a")
    assert clock.slept == [pytest.approx(0.25)] * 4
    bank.acquire_lease()
    bank.renew_lease()
    assert bank.check_lease_existence("owner-1")
    assert len(clock.slept) == 4


def test_threads_share_the_limit():
    """Whoever sleeps moves the time of all, so nobody can be late: the sum counts."""
    clock, memory = FakeClock(), MemoryBankPlugin()
    bucket = TokenBucket(100, 0, clock)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: bucket.take(10), range(200)))
    # 2,000 units at 100 a second.
    assert clock.monotonic() - 1000 >= 20 - 1e-6
    bank = decorated(RateLimitedBank, memory, clock=clock)
    bank.update_object("/a", b"x")


def test_without_a_limit_nothing_waits():
    clock = FakeClock()
    bank = decorated(RateLimitedBank, MemoryBankPlugin(), clock=clock)
    for number in range(100):
        bank.update_object("/a", b"x" * number)
        bank.get_object("/a")
    assert clock.slept == []
