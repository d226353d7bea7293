# SPDX-License-Identifier: Apache-2.0
"""What a bank did is counted."""

import concurrent.futures
import logging

import pytest

from karbor import exception
from karbor.services.protection.bank_decorators.metrics import (
    MeasuredBank,
    MethodCounts,
)
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.decorated_bank import FakeClock, decorated


class SlowBank(MemoryBankPlugin):
    """Every call takes two seconds of the test's clock."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def update_object(self, key, value, context=None):
        self.clock.sleep(2)
        super().update_object(key, value, context)

    def get_object(self, key, context=None):
        self.clock.sleep(2)
        return super().get_object(key, context)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def bank(clock):
    return decorated(MeasuredBank, SlowBank(clock), clock=clock, log_interval=60)


def test_calls_bytes_seconds_and_errors_are_counted(bank):
    bank.update_object("/a", b"12345")
    bank.update_object("/b", "é")
    bank.update_object("/c", {"a": 1})
    bank.get_object("/a")
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object("/nothing")
    bank.delete_object("/a")
    bank.list_objects()
    bank.acquire_lease()
    assert bank.snapshot() == {
        "update_object": MethodCounts(3, 0, 5 + 2 + len('{"a": 1}'), 6.0, 2.0),
        "get_object": MethodCounts(2, 1, 5, 4.0, 2.0),
        "delete_object": MethodCounts(1),
        "list_objects": MethodCounts(1),
        "acquire_lease": MethodCounts(1),
    }


def test_a_snapshot_does_not_change(bank):
    before = bank.snapshot()
    bank.update_object("/a", 1)
    assert before == {}


def test_counts_are_logged_now_and_then(bank, clock, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(29):
        bank.update_object("/a", b"x" * 1024 * 1024)
    assert caplog.messages == []
    bank.update_object("/a", b"x")
    [line] = caplog.messages
    assert "owner-1 in the last 60 s" in line
    assert "update_object: 30 calls, 0 errors, 29.0 MiB, 60.0 s" in line
    caplog.clear()
    clock.sleep(100)
    bank.get_object("/a")
    [line] = caplog.messages
    assert "get_object: 1 calls" in line
    assert "update_object" not in line
    assert bank.snapshot()["update_object"].calls == 30


def test_an_interval_of_zero_logs_nothing(clock, caplog):
    caplog.set_level(logging.INFO)
    bank = decorated(MeasuredBank, SlowBank(clock), clock=clock, log_interval=0)
    clock.sleep(10_000)
    bank.update_object("/a", 1)
    assert caplog.messages == []


def test_threads_lose_no_count():
    bank = decorated(MeasuredBank, MemoryBankPlugin())
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: bank.update_object(f"/{n}", b"xy"), range(500)))
    counts = bank.snapshot()["update_object"]
    assert (counts.calls, counts.bytes) == (500, 1000)
