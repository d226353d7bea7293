# SPDX-License-Identifier: Apache-2.0
"""A bank that fails does so as it was told."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank_decorators.errors import may_pass
from karbor.services.protection.bank_decorators.fault_injection import (
    FAIL_AFTER,
    FAIL_BEFORE,
    METHODS,
    TIME_OUT,
)
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.faulty_bank import faulty_bank
from karbor.tests.fakes.file_system_bank import file_system_bank

UNTIL = datetime.datetime(2126, 12, 24, tzinfo=datetime.UTC)
CALLS = {
    "update_object": (("/a", 2), exception.BankUpdateObjectFailed),
    "get_object": (("/a",), exception.BankGetObjectFailed),
    "stored_size": (("/a",), exception.BankGetObjectFailed),
    "list_objects": ((), exception.BankListObjectsFailed),
    "delete_object": (("/a",), exception.BankDeleteObjectFailed),
    "lock_object": (("/a", UNTIL), exception.BankLockObjectFailed),
    "locked_until": (("/a",), exception.BankGetObjectFailed),
    "acquire_lease": ((), exception.AcquireLeaseFailed),
    "renew_lease": ((), exception.AcquireLeaseFailed),
    "release_lease": ((), exception.BankDeleteObjectFailed),
    "check_lease_existence": (("owner",), exception.BankException),
}


@pytest.fixture
def memory():
    return MemoryBankPlugin()


def test_every_method_is_tried_here():
    assert set(CALLS) == set(METHODS)


@pytest.mark.parametrize("phase", [FAIL_BEFORE, FAIL_AFTER, TIME_OUT])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_fails_as_its_contract_says(tmp_path, method, phase):
    wrapped = file_system_bank(tmp_path, file_system_bank_object_lock=True)
    wrapped.update_object("/a", 1)
    bank = faulty_bank(wrapped, **{phase: {method: 1.0}})
    arguments, expected = CALLS[method]
    with pytest.raises(expected, match="injected") as raised:
        getattr(bank, method)(*arguments)
    assert may_pass(raised.value)


def test_before_is_before_and_after_is_after(memory):
    bank = faulty_bank(memory)
    bank.inject("update_object", FAIL_BEFORE)
    with pytest.raises(exception.BankUpdateObjectFailed):
        bank.update_object("/a", 1)
    assert memory.objects == {}
    bank.inject("update_object", FAIL_AFTER)
    with pytest.raises(exception.BankUpdateObjectFailed):
        bank.update_object("/a", 1)
    assert memory.objects == {"/a": 1}


def test_what_timed_out_was_done_or_not(memory):
    bank = faulty_bank(memory, time_out={"update_object": 1.0})
    for number in range(50):
        with pytest.raises(exception.BankUpdateObjectFailed, match="time_out"):
            bank.update_object(f"/{number}", 1)
    assert 0 < len(memory.objects) < 50


def outcomes(seed):
    memory = MemoryBankPlugin()
    bank = faulty_bank(memory, seed=seed, fail_before=0.2, fail_after=0.2)
    found = []
    for number in range(100):
        try:
            bank.update_object(f"/{number}", 1)
        except exception.BankException as error:
            found.append(str(error))
    return found, list(memory.objects)


def test_a_seed_gives_the_same_faults_again():
    assert outcomes(1) == outcomes(1)
    assert outcomes(1) != outcomes(2)


def test_a_method_that_is_named_has_its_own_probability(memory):
    bank = faulty_bank(memory, fail_before={"every": 1.0, "update_object": 0.0})
    bank.update_object("/a", 1)
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object("/a")


def test_an_unknown_method_is_refused(memory):
    with pytest.raises(exception.InvalidInput, match=r"fail_after.*'put_object'"):
        faulty_bank(memory, fail_after={"put_object": 0.5})


def test_an_unknown_phase_is_refused(memory):
    with pytest.raises(ValueError, match="sometimes"):
        faulty_bank(memory).inject("get_object", "sometimes")


def test_an_old_value_was_there_once(memory):
    bank = faulty_bank(memory, old_value=1.0, late_changes=1)
    bank.update_object("/a", 1)
    with pytest.raises(exception.BankGetObjectFailed, match="old"):
        bank.get_object("/a")
    bank.update_object("/a", 2)
    assert bank.get_object("/a") == 1
    bank.delete_object("/a")
    assert bank.get_object("/a") == 2
    bank.update_object("/b", 1)
    with pytest.raises(exception.BankGetObjectFailed, match="no such object"):
        bank.get_object("/a")


def test_a_late_listing_lacks_the_latest_changes(memory):
    bank = faulty_bank(memory, list_late=1.0, late_changes=1)
    memory.update_object("/a", 1)
    memory.update_object("/b", 1)
    bank.update_object("/c", 1)
    assert bank.list_objects() == ["/a", "/b"]
    bank.delete_object("/a")
    assert bank.list_objects() == ["/a", "/b", "/c"]
    assert bank.list_objects(limit=1, marker="/a") == ["/b"]
    assert bank.list_objects(limit=2, sort_dir="desc", marker="/c") == ["/b", "/a"]
    assert bank.list_objects("/b") == ["/b"]


keys = st.sampled_from(["/a", "/b", "/c/a", "/c/b"])
changes = st.lists(st.tuples(keys, st.none() | st.integers()), max_size=20)


@given(changes, st.integers(), st.integers(1, 5))
@settings(deadline=None)
def test_old_answers_are_those_of_some_recent_moment(changes, seed, most):
    memory = MemoryBankPlugin()
    bank = faulty_bank(
        memory, seed=seed, list_late=1.0, old_value=1.0, late_changes=most
    )
    moments = [{}]
    for key, value in changes:
        present = dict(moments[-1])
        if value is not None:
            bank.update_object(key, value)
            present[key] = value
        elif key in present:
            bank.delete_object(key)
            del present[key]
        else:
            continue
        moments.append(present)
    recent = moments[-most - 1 :]
    for _ in range(5):
        assert bank.list_objects() in [sorted(moment) for moment in recent]
        assert bank.list_objects("/c/", sort_dir="desc", limit=1) in [
            sorted((key for key in moment if key.startswith("/c/")), reverse=True)[:1]
            for moment in recent
        ]
        try:
            assert bank.get_object("/a") in [moment.get("/a") for moment in recent]
        except exception.BankGetObjectFailed:
            assert any("/a" not in moment for moment in recent)
