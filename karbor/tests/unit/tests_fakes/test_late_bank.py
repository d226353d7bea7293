# SPDX-License-Identifier: Apache-2.0
"""The late bank keeps to the contract, and is late and fails as it is told."""

import dataclasses

import pytest

from karbor import exception
from karbor.tests.conformance.bank import BankConformance, LeaseConformance
from karbor.tests.fakes.late_bank import (
    PROMPT,
    LateBank,
    Lateness,
    LateStore,
    VirtualClock,
)

NEVER_FAILS = dataclasses.replace(Lateness(), fail_before=0, fail_after=0, time_out=0)
ALWAYS_LATE = dataclasses.replace(NEVER_FAILS, list_late=1.0, old_answer=1.0, step=0.0)


class TestPrompt(BankConformance):
    @pytest.fixture
    def bank_plugin(self):
        return LateBank(LateStore(PROMPT))


class TestPromptLease(LeaseConformance):
    @pytest.fixture
    def store(self):
        return LateStore(PROMPT)

    @pytest.fixture
    def bank_plugin(self, store):
        return LateBank(store)

    @pytest.fixture
    def second_instance(self, store):
        return LateBank(store)


def late_answers(seed):
    """What a bank answers to many calls."""
    store = LateStore(Lateness(time_out=0.1), seed)
    bank, answers = LateBank(store, "owner"), []
    for number in range(300):
        try:
            bank.update_object(f"/a/{number % 7}", number)
            if number % 3 == 0:
                bank.delete_object(f"/a/{number % 5}")
            answers.append(bank.list_objects("/a/"))
            answers.append(bank.get_object("/a/6"))
        except exception.BankException as error:
            answers.append(str(error))
    return answers


def test_the_same_seed_meets_the_same_faults():
    assert late_answers(1) == late_answers(1)
    assert late_answers(1) != late_answers(2)


def test_listings_are_late_for_a_while_and_then_true():
    store = LateStore(ALWAYS_LATE)
    bank = LateBank(store)
    bank.update_object("/old", 1)
    store.settle()
    bank.update_object("/new", 1)
    bank.delete_object("/old")
    seen = {tuple(bank.list_objects()) for _ in range(50)}
    assert seen == {("/old",)}
    store.settle()
    assert bank.list_objects() == ["/new"]


def test_what_was_replaced_or_deleted_is_still_read_for_a_while():
    store = LateStore(ALWAYS_LATE)
    bank = LateBank(store)
    bank.update_object("/a", "old")
    assert bank.get_object("/a") == "old"
    store.settle()
    bank.update_object("/a", "new")
    assert bank.get_object("/a") == "old"
    store.settle()
    assert bank.get_object("/a") == "new"
    bank.delete_object("/a")
    assert bank.get_object("/a") == "new"
    assert bank.stored_size("/a") is None
    store.settle()
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object("/a")


def timed_out(seed, key="/a"):
    """What stands in a store after a put that timed out, at once and later."""
    times_out = dataclasses.replace(PROMPT, bound=5.0, time_out=1.0)
    store = LateStore(times_out, seed)
    with pytest.raises(exception.BankUpdateObjectFailed, match="timed out"):
        LateBank(store).update_object(key, "late")
    at_once = store.truth()
    LateBank(store.exact()).update_object(key, "newer")
    store.settle()
    return bool(at_once), store.truth()[key]


def test_what_timed_out_is_done_or_not_or_done_later_but_undoes_nothing_newer():
    assert {timed_out(seed) for seed in range(20)} == {
        (True, "newer"),
        (False, "newer"),
    }


def test_where_the_store_orders_by_arrival_a_late_put_undoes_a_newer_one():
    assert (False, "late") in {timed_out(seed, "/chunks/p/x") for seed in range(20)}


def test_a_deletion_that_timed_out_may_be_done_later():
    times_out = dataclasses.replace(PROMPT, bound=5.0, time_out=1.0)
    ends = set()
    for seed in range(20):
        store = LateStore(times_out, seed)
        LateBank(store.exact()).update_object("/a", 1)
        with pytest.raises(exception.BankDeleteObjectFailed, match="timed out"):
            LateBank(store).delete_object("/a")
        at_once = "/a" in store.truth()
        store.settle()
        ends.add((at_once, "/a" in store.truth()))
    assert ends == {(True, True), (True, False), (False, False)}


def test_any_call_may_fail():
    store = LateStore(dataclasses.replace(PROMPT, fail_before=1.0))
    bank = LateBank(store)
    for error, call in (
        (exception.BankUpdateObjectFailed, lambda: bank.update_object("/a", 1)),
        (exception.BankGetObjectFailed, lambda: bank.get_object("/a")),
        (exception.BankListObjectsFailed, bank.list_objects),
        (exception.AcquireLeaseFailed, bank.acquire_lease),
        (exception.BankException, lambda: bank.check_lease_existence("owner")),
    ):
        with pytest.raises(error) as caught:
            call()
        assert caught.value.retryable


def test_nothing_is_kept_of_what_nobody_can_see_any_more():
    store = LateStore(NEVER_FAILS)
    bank = LateBank(store)
    for _ in range(100):
        bank.update_object("/a", 1)
        bank.delete_object("/a")
    store.settle()
    assert bank.list_objects() == []
    assert store._changes == {}
    assert store._keys == []


def test_a_clock_that_is_ahead_takes_living_owners_for_dead():
    store = LateStore(PROMPT, clock=VirtualClock())
    bank = LateBank(store, "one", lease_seconds=60)
    bank.acquire_lease()
    assert LateBank(store, "two").check_lease_existence("one")
    assert not LateBank(store, "two", skew=61).check_lease_existence("one")
