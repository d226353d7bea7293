# SPDX-License-Identifier: Apache-2.0
"""A cache answers as the bank does, and never what may have changed."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank_decorators.cache import CachingBank
from karbor.services.protection.bank_decorators.metrics import MeasuredBank
from karbor.services.protection.bank_decorators.retry import RetryingBank
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.decorated_bank import decorated
from karbor.tests.fakes.faulty_bank import faulty_bank


@pytest.fixture
def memory():
    return MemoryBankPlugin()


@pytest.fixture
def counted(memory):
    return decorated(MeasuredBank, memory)


@pytest.fixture
def bank(counted):
    return decorated(CachingBank, counted)


def reads(counted):
    counts = counted.snapshot().get("get_object")
    return counts.calls if counts else 0


@pytest.mark.parametrize("value", [b"bytes", "text", {"json": [1]}, None, b"", 0])
def test_what_is_written_once_is_read_once(bank, counted, memory, value):
    memory.update_object("/chunks/p/1", value)
    assert [bank.get_object("/chunks/p/1") for _ in range(3)] == [value] * 3
    assert reads(counted) == 1


@pytest.mark.parametrize(
    "key",
    [
        "/leases/owner",
        "/indices/by-plan/x",
        "/checkpoints/1/index.json",
        "/chunks/index.json",
        "/checkpoints/1/resource-data/2/metadata",
    ],
)
def test_what_changes_is_always_read(bank, counted, memory, key):
    for number in range(3):
        memory.update_object(key, number)
        assert bank.get_object(key) == number


def test_an_index_and_a_lease_are_read_even_when_all_is_to_be_kept(memory):
    bank = decorated(CachingBank, memory, prefixes=["/"])
    for key in ("/leases/owner", "/indices/x", "/checkpoints/1/index.json"):
        for number in range(3):
            memory.update_object(key, number)
            assert bank.get_object(key) == number


def test_big_objects_are_not_kept(counted, memory):
    bank = decorated(CachingBank, counted, max_object_bytes=10)
    memory.update_object("/chunks/big", b"x" * 11)
    memory.update_object("/chunks/small", b"x" * 10)
    for _ in range(2):
        bank.get_object("/chunks/big")
        bank.get_object("/chunks/small")
    assert reads(counted) == 3


def test_what_was_not_used_for_longest_goes_first(counted, memory):
    bank = decorated(CachingBank, counted, max_bytes=3 * 1000, max_object_bytes=1000)
    for name in "abc":
        memory.update_object(f"/chunks/{name}", b"x" * 500)
    for name in "abacab":
        bank.get_object(f"/chunks/{name}")
    # Room for three with what an entry itself takes; now 'a' is used, 'c' is oldest.
    assert reads(counted) == 3
    memory.update_object("/chunks/d", b"x" * 500)
    for name in "dab":
        bank.get_object(f"/chunks/{name}")
    assert reads(counted) == 4
    bank.get_object("/chunks/c")
    assert reads(counted) == 5


def test_many_tiny_objects_stay_within_the_bound(memory):
    bank = decorated(CachingBank, memory, max_bytes=10_000, max_object_bytes=100)
    for number in range(1000):
        memory.update_object(f"/chunks/{number}", b"")
        bank.get_object(f"/chunks/{number}")
    assert len(bank._kept._values) <= 10_000 // 400
    assert bank._kept._bytes == sum(size for _, size in bank._kept._values.values())


def test_a_value_that_its_reader_changes_stays_as_it_is(bank, memory):
    memory.update_object("/chunks/a", {"list": [1]})
    bank.get_object("/chunks/a")["list"].append(2)
    bank.get_object("/chunks/a")["list"].append(3)
    assert bank.get_object("/chunks/a") == {"list": [1]}


def test_what_is_missing_is_asked_for_again(bank, memory):
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object("/chunks/a")
    memory.update_object("/chunks/a", 1)
    assert bank.get_object("/chunks/a") == 1


def test_own_deletion_is_seen(bank, memory):
    memory.update_object("/chunks/a", 1)
    bank.get_object("/chunks/a")
    bank.delete_object("/chunks/a")
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object("/chunks/a")


@pytest.mark.parametrize("phase", ["fail_before", "fail_after"])
def test_a_write_that_fails_leaves_nothing_old(memory, phase):
    faulty = faulty_bank(memory)
    bank = decorated(CachingBank, faulty)
    memory.update_object("/chunks/a", "old")
    bank.get_object("/chunks/a")
    faulty.inject("update_object", phase)
    with pytest.raises(exception.BankUpdateObjectFailed):
        bank.update_object("/chunks/a", "new")
    assert bank.get_object("/chunks/a") == memory.get_object("/chunks/a")


def test_a_value_read_before_a_write_is_not_kept_after_it():
    """The reader has the old value in its hands while the writer comes and goes."""
    has_read, has_written = threading.Event(), threading.Event()

    class Waiting(MemoryBankPlugin):
        def get_object(self, key, context=None):
            value = super().get_object(key, context)
            has_read.set()
            assert has_written.wait(30)
            return value

    memory = Waiting()
    memory.update_object("/chunks/a", "old")
    bank = decorated(CachingBank, memory)
    reader = threading.Thread(target=bank.get_object, args=["/chunks/a"])
    reader.start()
    assert has_read.wait(30)
    bank.update_object("/chunks/a", "new")
    has_written.set()
    reader.join(30)
    assert bank.get_object("/chunks/a") == "new"


def test_uncached_reads_come_from_the_bank_through_every_layer(bank, counted, memory):
    outer = decorated(RetryingBank, bank)
    memory.update_object("/chunks/a", 1)
    outer.get_object("/chunks/a")
    memory.delete_object("/chunks/a")
    assert outer.get_object("/chunks/a") == 1
    with pytest.raises(exception.BankGetObjectFailed):
        outer.uncached.get_object("/chunks/a")
    assert counted.uncached is counted


def test_a_write_through_uncached_is_seen_by_the_cache(bank, memory):
    outer = decorated(RetryingBank, bank)
    memory.update_object("/chunks/a", 1)
    outer.get_object("/chunks/a")
    outer.uncached.update_object("/chunks/a", 2)
    assert outer.get_object("/chunks/a") == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_bytes": 10, "max_object_bytes": 11}, "max_object_bytes"),
        ({"prefixes": ["chunks/"]}, "prefixes"),
        ({"prefixes": ["/../"]}, "prefixes"),
    ],
)
def test_a_wrong_option_is_named(memory, options, named):
    with pytest.raises(exception.InvalidInput, match=named) as raised:
        decorated(CachingBank, memory, **options)
    assert raised.value.kwargs["option"] == f"[bank_cache]/{named}"


names = st.sampled_from(
    ["/chunks/a", "/chunks/b", "/chunks/c/d", "/leases/x", "/indices/y", "/other"]
)
values = st.binary(max_size=60) | st.text(max_size=20) | st.lists(st.integers())
steps = st.lists(
    st.tuples(st.just("update_object"), names, values)
    | st.tuples(
        st.sampled_from(["get_object", "delete_object", "list_objects"]), names
    ),
    max_size=40,
)


def answers(bank, step):
    method, *arguments = step
    try:
        return getattr(bank, method)(*arguments)
    except exception.BankException as error:
        return type(error)


@given(steps, st.sampled_from([["/chunks/"], ["/"], ["/chunks/b", "/o"]]))
@settings(deadline=None)
def test_a_cached_bank_is_as_the_plain_one(steps, prefixes):
    plain, behind = MemoryBankPlugin(), MemoryBankPlugin()
    bank = decorated(
        CachingBank, behind, prefixes=prefixes, max_bytes=1200, max_object_bytes=40
    )
    for step in steps:
        assert answers(bank, step) == answers(plain, step)
    assert behind.objects == plain.objects
    assert bank._kept._bytes <= 1200
