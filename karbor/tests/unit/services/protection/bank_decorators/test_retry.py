# SPDX-License-Identifier: Apache-2.0
"""What may pass is tried again, and all else is as without."""

import errno
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_decorators.errors import may_pass
from karbor.services.protection.bank_decorators.fault_injection import (
    FAIL_AFTER,
    FAIL_BEFORE,
    PHASES,
    TIME_OUT,
)
from karbor.services.protection.bank_decorators.retry import RetryingBank
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.decorated_bank import FakeClock, decorated
from karbor.tests.fakes.faulty_bank import faulty_bank


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def memory():
    return MemoryBankPlugin()


@pytest.fixture
def faulty(memory):
    return faulty_bank(memory)


@pytest.fixture
def bank(faulty, clock):
    return decorated(RetryingBank, faulty, clock=clock, attempts=4)


@pytest.mark.parametrize("phase", PHASES)
def test_a_call_that_fails_is_made_again(bank, faulty, memory, phase):
    memory.update_object("/a", 1)
    faulty.inject("update_object", phase, times=3)
    faulty.inject("get_object", phase, times=3)
    faulty.inject("list_objects", phase, times=3)
    bank.update_object("/a", 2)
    assert bank.get_object("/a") == 2
    assert bank.list_objects("/") == ["/a"]


@pytest.mark.parametrize("method", ["acquire_lease", "renew_lease"])
def test_a_lease_is_tried_again(bank, faulty, method):
    faulty.inject(method, FAIL_BEFORE, times=3)
    getattr(bank, method)()


def test_whether_an_owner_lives_is_asked_again(bank, faulty):
    faulty.inject("check_lease_existence", TIME_OUT, times=2)
    assert bank.check_lease_existence("owner-1")


def test_the_last_error_is_raised_as_it_is(bank, faulty, memory):
    faulty.inject("update_object", FAIL_BEFORE, times=4)
    with pytest.raises(exception.BankUpdateObjectFailed, match=r"/a.*injected"):
        bank.update_object("/a", 1)
    assert memory.objects == {}
    bank.update_object("/a", 1)


def test_a_deletion_whose_answer_was_lost_has_succeeded(bank, faulty, memory):
    memory.update_object("/a", 1)
    faulty.inject("delete_object", FAIL_AFTER)
    bank.delete_object("/a")
    assert memory.objects == {}


def test_a_deletion_of_what_was_never_there_fails(bank, clock):
    with pytest.raises(exception.BankDeleteObjectFailed, match="/a"):
        bank.delete_object("/a")
    assert clock.slept == []


def test_a_longer_key_is_not_taken_for_the_deleted_one(bank, faulty, memory):
    memory.update_object("/ab", 1)
    memory.update_object("/a", 1)
    faulty.inject("delete_object", FAIL_AFTER)
    bank.delete_object("/a")
    assert list(memory.objects) == ["/ab"]


def test_a_deletion_that_is_refused_after_a_failure_fails(clock):
    class Undeletable(MemoryBankPlugin):
        def delete_object(self, key, context=None):
            raise exception.BankDeleteObjectFailed(key=key, reason="forbidden")

    memory = Undeletable()
    memory.update_object("/a", 1)
    faulty = faulty_bank(memory)
    faulty.inject("delete_object", FAIL_BEFORE)
    with pytest.raises(exception.BankDeleteObjectFailed, match="forbidden"):
        decorated(RetryingBank, faulty, clock=clock).delete_object("/a")


def test_what_will_not_pass_is_not_tried_again(bank, clock):
    with pytest.raises(exception.BankGetObjectFailed, match="no such object"):
        bank.get_object("/nothing")
    assert clock.slept == []


def test_pauses_grow_and_are_bounded(faulty, clock):
    bank = decorated(
        RetryingBank,
        faulty,
        clock=clock,
        attempts=200,
        first_wait=1,
        max_wait=8,
        give_up_after=0,
    )
    faulty.inject("get_object", FAIL_BEFORE, times=200)
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object("/a")
    assert len(clock.slept) == 199
    assert clock.slept[0] <= 1
    assert clock.slept[1] <= 2
    assert clock.slept[2] <= 4
    assert max(clock.slept) <= 8
    assert len(set(clock.slept)) > 100


def test_no_attempt_begins_after_the_time_to_give_up(faulty, clock):
    bank = decorated(
        RetryingBank,
        faulty,
        clock=clock,
        attempts=1000,
        first_wait=4,
        max_wait=4,
        give_up_after=60,
    )
    faulty.inject("get_object", FAIL_BEFORE, times=1000)
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object("/a")
    assert 60 <= sum(clock.slept) < 64


def test_releasing_a_lease_is_not_tried_again(clock):
    class Releasing(MemoryBankPlugin):
        def release_lease(self):
            raise exception.BankDeleteObjectFailed(
                key="/lease", reason="away", retryable=True
            )

    bank = decorated(RetryingBank, Releasing(), clock=clock)
    with pytest.raises(exception.BankDeleteObjectFailed, match="away"):
        bank.release_lease()
    assert clock.slept == []


def test_a_deletion_that_cannot_find_out_is_tried_again(bank, faulty, memory):
    memory.update_object("/a", 1)
    faulty.inject("delete_object", FAIL_AFTER)
    faulty.inject("list_objects", FAIL_BEFORE)
    bank.delete_object("/a")


def test_a_deletion_that_never_finds_out_fails_as_a_deletion(bank, faulty, memory):
    memory.update_object("/a", 1)
    faulty.inject("delete_object", FAIL_AFTER)
    faulty.inject("list_objects", FAIL_BEFORE, times=9)
    with pytest.raises(exception.BankDeleteObjectFailed, match="may have deleted"):
        bank.delete_object("/a")


class HttpError(Exception):
    def __init__(self, http_status):
        super().__init__(str(http_status))
        self.http_status = http_status


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(errno.ESTALE, "stale"), True),
        (OSError(errno.EIO, "input/output"), True),
        (OSError(errno.ENOSPC, "full"), False),
        (FileNotFoundError(errno.ENOENT, "none"), False),
        (PermissionError(errno.EACCES, "no"), False),
        (HttpError(503), True),
        (HttpError(429), True),
        (HttpError(404), False),
        (HttpError(403), False),
        (HttpError(501), False),
        (ValueError("a defect"), False),
    ],
)
@pytest.mark.parametrize("is_explicit", [True, False])
def test_an_error_passes_when_what_it_comes_from_does(cause, expected, is_explicit):
    try:
        try:
            raise cause
        except Exception as error:
            failed = exception.BankGetObjectFailed(key="/a", reason="x")
            if is_explicit:
                raise failed from error
            raise failed  # noqa: B904
    except exception.BankException as error:
        raised = error
    assert may_pass(raised) is expected


def test_an_error_passes_when_the_plugin_says_so():
    said = exception.BankGetObjectFailed(key="/a", reason="x", retryable=True)
    assert may_pass(said)
    assert not may_pass(exception.BankGetObjectFailed(key="/a", reason="x"))
    assert not exception.BankGetObjectFailed.retryable


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"first_wait": 5, "max_wait": 1}, r"\[bank_retry\]/max_wait"),
    ],
)
def test_an_option_out_of_order_is_named(memory, options, named):
    with pytest.raises(exception.InvalidInput, match=named):
        decorated(RetryingBank, memory, **options)


def test_a_stream_comes_through_a_bank_that_fails(memory):
    """Chunks, pages and the manifest are written and read by several threads."""
    faulty = faulty_bank(memory, fail_before=0.1, fail_after=0.1, time_out=0.1)
    retrying = decorated(
        RetryingBank, faulty, clock=FakeClock(), attempts=60, give_up_after=0
    )
    section = Bank(retrying, StreamOptions(chunk_size=64 * 1024)).get_sub_section("s")
    data = random.Random(1).randbytes(3_000_000)
    section.write_stream("disk", iter([data]))
    section.verify_stream("disk")
    with section.open_stream("disk") as stream:
        assert stream.read() == data
    section.delete_all()
    assert memory.objects == {}


names = st.sampled_from(["/a", "/b", "/c/d", "/c/e"])
steps = st.lists(
    st.tuples(st.just("update_object"), names, st.integers())
    | st.tuples(
        st.sampled_from(["get_object", "delete_object", "list_objects"]), names
    ),
    max_size=30,
)
chances = st.floats(0, 0.25)


def answers(bank, step):
    method, *arguments = step
    try:
        return getattr(bank, method)(*arguments)
    except exception.BankException as error:
        return type(error)


@given(steps, st.integers(), chances, chances, chances)
@settings(deadline=None)
def test_a_retried_faulty_bank_is_as_the_plain_one(steps, seed, before, after, late):
    plain, behind = MemoryBankPlugin(), MemoryBankPlugin()
    faulty = faulty_bank(
        behind, seed=seed, fail_before=before, fail_after=after, time_out=late
    )
    bank = decorated(
        RetryingBank, faulty, clock=FakeClock(), attempts=500, give_up_after=0
    )
    for step in steps:
        answer, expected = answers(bank, step), answers(plain, step)
        # A deletion that was tried twice cannot know whether it found something.
        assert answer == expected or (
            step[0] == "delete_object"
            and (answer, expected) == (None, exception.BankDeleteObjectFailed)
        )
    assert behind.objects == plain.objects
