# SPDX-License-Identifier: Apache-2.0
"""One place looks at everything that is waited for, with few questions."""

import threading
import time
from concurrent import futures

import pytest

from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.waiting.until import (
    WaitFailed,
    until_gone,
    until_status,
)
from karbor.services.protection.waiting.watcher import Watcher
from karbor.tests.fakes.things import FakeThings

LONG = 60.0


@pytest.fixture
def watcher():
    watcher = Watcher(first_interval=0.01)
    yield watcher
    watcher.close()


def ready(things, name, **kwargs):
    kwargs.setdefault("timeout", LONG)
    return until_status(things, name, "ready", pending=("making",), **kwargs)


def test_a_thing_that_becomes_ready_is_given(watcher):
    things = FakeThings()
    things.states["a"] = "making"
    future = watcher.watch(ready(things, "a"))
    with pytest.raises(futures.TimeoutError):
        future.result(0.05)

    things.states["a"] = "ready"

    assert future.result(30) == {"id": "a", "status": "READY"}


def test_a_thousand_waits_are_one_question_at_a_time(watcher):
    things = FakeThings()
    names = [f"thing-{n:04}" for n in range(1000)]
    things.states.update(dict.fromkeys(names, "making"))
    threads = threading.active_count()
    waits = [watcher.watch(ready(things, name)) for name in names]
    until = time.monotonic() + 30
    while not any(len(ids) == 1000 for ids in things.asked):
        assert time.monotonic() < until, "they were never asked for together"
        time.sleep(0.005)
    before = len(things.asked)
    things.states.update(dict.fromkeys(names, "ready"))

    done, _ = futures.wait(waits, 30)

    assert len(done) == 1000
    assert len(things.asked) - before <= 2
    assert threading.active_count() - threads <= 1 + 4


def test_things_of_two_callers_are_asked_for_apart(watcher):
    mine, yours = FakeThings("mine"), FakeThings("yours")
    mine.states["a"] = yours.states["b"] = "ready"

    futures.wait([watcher.watch(ready(mine, "a")), watcher.watch(ready(yours, "b"))], 9)

    assert {tuple(ids) for ids in mine.asked} == {("a",)}
    assert {tuple(ids) for ids in yours.asked} == {("b",)}


def test_looks_come_less_and_less_often(watcher):
    things = FakeThings()
    things.states["a"] = "making"

    future = watcher.watch(ready(things, "a", timeout=0.6))

    assert isinstance(future.exception(30), WaitFailed)
    assert 4 <= len(things.asked) <= 12, "0.01, 0.015, 0.0225 … seconds apart"


def test_looks_are_never_further_apart_than_the_interval(watcher):
    things = FakeThings()
    things.states["a"] = "making"

    watcher.watch(ready(things, "a", timeout=0.6, interval=0.02)).exception(30)

    assert len(things.asked) > 12


def test_a_thing_that_fails_is_told_with_the_services_own_words(watcher):
    things = FakeThings()
    things.states["a"], things.fault = "error", "No valid host was found."

    with pytest.raises(WaitFailed) as raised:
        watcher.watch(ready(things, "a")).result(30)

    assert str(raised.value) == (
        "thing a is 'error', and was to be 'ready': No valid host was found."
    )


def test_a_fault_that_cannot_be_asked_does_not_hide_the_failure(watcher):
    class Silent(FakeThings):
        def fault_of(self, thing):
            raise ServiceFailed(service="Fake", action="say why", reason="it is away")

    things = Silent()
    things.states["a"] = "error"

    with pytest.raises(WaitFailed, match=r"is 'error'.*it is away"):
        watcher.watch(ready(things, "a")).result(30)


def test_a_thing_that_vanishes_is_told(watcher):
    with pytest.raises(WaitFailed, match="thing a does not exist any more"):
        watcher.watch(ready(FakeThings(), "a")).result(30)


def test_a_thing_may_be_waited_for_to_vanish(watcher):
    things = FakeThings()
    things.states["a"] = "deleting"
    future = watcher.watch(until_gone(things, "a", timeout=LONG))
    del things.states["a"]

    assert future.result(30) is None


def test_a_thing_that_does_not_vanish_is_told(watcher):
    things = FakeThings()
    things.states["a"] = "error_deleting"

    with pytest.raises(WaitFailed, match="is 'error_deleting', and was to be gone"):
        watcher.watch(until_gone(things, "a", timeout=LONG)).result(30)


def test_the_time_is_limited_and_the_next_step_told(watcher):
    things = FakeThings()
    things.states["a"] = "making"

    with pytest.raises(WaitFailed) as raised:
        watcher.watch(
            ready(things, "a", timeout=0.05, hint="Raise [x] y where it takes longer")
        ).result(30)

    assert str(raised.value) == (
        "thing a was not 'ready' within 0.05 seconds; it is 'making'. "
        "Raise [x] y where it takes longer"
    )


def test_a_service_that_is_away_for_a_while_is_asked_again(watcher):
    things = FakeThings()
    things.states["a"] = "ready"
    things.error = ServiceFailed(
        service="Fake", action="list", reason="503", status=503, retryable=True
    )
    future = watcher.watch(ready(things, "a"))
    with pytest.raises(futures.TimeoutError):
        future.result(0.1)
    things.error = None

    assert future.result(30)["id"] == "a"


def test_a_service_that_stays_away_is_named_when_the_time_is_over(watcher):
    things = FakeThings()
    things.error = ServiceFailed(
        service="Fake", action="list things", reason="503", status=503, retryable=True
    )

    with pytest.raises(WaitFailed, match="Fake could not list things: 503"):
        watcher.watch(ready(things, "a", timeout=0.1)).result(30)


def test_a_refusal_ends_the_wait_at_once(watcher):
    things = FakeThings()
    things.error = ServiceFailed(
        service="Fake", action="list things", reason="401 who are you", status=401
    )

    with pytest.raises(WaitFailed, match="401 who are you"):
        watcher.watch(ready(things, "a")).result(10)


def test_a_listing_that_is_broken_ends_the_wait_and_no_other(watcher):
    broken, sound = FakeThings("broken"), FakeThings("sound")
    broken.error = ValueError("no JSON")
    sound.states["b"] = "ready"
    failing = watcher.watch(ready(broken, "a"))

    assert watcher.watch(ready(sound, "b")).result(30)
    with pytest.raises(WaitFailed, match="ValueError: no JSON"):
        failing.result(30)


def test_a_cancelled_wait_is_asked_for_no_more(watcher):
    things = FakeThings()
    things.states.update(a="making", b="making")
    cancelled = watcher.watch(ready(things, "a"))
    other = watcher.watch(ready(things, "b"))
    assert cancelled.cancel()
    things.asked.clear()
    things.states["b"] = "ready"
    other.result(30)

    assert things.asked[-1] == ["b"]


def test_closing_ends_all_waits(watcher):
    things = FakeThings()
    things.states["a"] = "making"
    future = watcher.watch(ready(things, "a"))

    watcher.close()

    assert future.cancelled()
    assert watcher.watch(ready(things, "a")).cancelled()


def test_who_may_not_look_any_more_ends_no_wait_of_others(watcher):
    """An operation's credentials end with it; others wait for things of that kind."""
    gone, lasting = FakeThings(), FakeThings()
    lasting.states["a"] = "making"
    gone.error = ServiceFailed(
        service="Cinder", action="list volumes", reason="401", status=401
    )
    one = watcher.watch(ready(lasting, "a"), "an operation that goes on")
    other = watcher.watch(ready(gone, "b"), "an operation that has just ended")

    with pytest.raises(WaitFailed, match="401"):
        other.result(30)
    lasting.states["a"] = "ready"

    assert one.result(30)["id"] == "a"


def test_the_credentials_are_those_of_somebody_who_still_waits(watcher):
    ended, lasting = FakeThings(), FakeThings()
    lasting.states["a"] = ended.states["b"] = "making"
    one = watcher.watch(ready(lasting, "a"), "an operation that goes on")
    watcher.watch(ready(ended, "b"), "an operation that ends").cancel()
    asked, until = len(ended.asked), time.monotonic() + 30
    while len(lasting.asked) < 3:
        assert time.monotonic() < until
        time.sleep(0.005)
    lasting.states["a"] = "ready"

    assert one.result(30)["id"] == "a"
    assert len(ended.asked) <= asked + 1, "more than the look that was under way"


class Hanging(FakeThings):
    """Answers when it is let."""

    def __init__(self, key="hanging"):
        super().__init__(key)
        self.answers = threading.Event()

    @property
    def service(self):
        return "hanging"

    def find(self, ids):
        found = super().find(ids)
        self.answers.wait(LONG)
        return found


@pytest.fixture
def hanging():
    """One service that hangs, as many callers see it."""
    made = [Hanging(f"hanging-{number}") for number in range(20)]
    yield made
    for things in made:
        things.answers.set()


@pytest.fixture
def strict():
    watcher = Watcher(first_interval=0.01, last_look=0.05)
    yield watcher
    watcher.close()


def test_a_service_that_hangs_stops_no_wait_for_things_of_another(watcher, hanging):
    for things in hanging:
        watcher.watch(ready(things, "a"))
    time.sleep(0.1)
    sound = FakeThings()
    sound.states["a"] = "ready"

    assert watcher.watch(ready(sound, "a")).result(10)
    assert sum(len(things.asked) for things in hanging) == 4


def test_a_look_that_has_come_back_makes_room_for_another_at_that_service(hanging):
    watcher = Watcher(first_interval=0.01, parallel_lists=1)
    for things in hanging[:2]:
        things.states["a"] = "ready"
    first, second = (watcher.watch(ready(things, "a")) for things in hanging[:2])
    time.sleep(0.05)
    for things in hanging[:2]:
        things.answers.set()

    assert first.result(10)
    assert second.result(10)
    watcher.close()


def test_the_time_is_limited_also_when_the_service_does_not_answer(strict, hanging):
    limited = [
        strict.watch(ready(things, "a", timeout=0.1, hint="Raise [x] y"))
        for things in hanging
    ]

    for wait in limited:
        with pytest.raises(WaitFailed) as raised:
            wait.result(10)
        assert str(raised.value) == (
            "thing a was not 'ready' within 0.1 seconds; the service has not answered "
            "yet. Raise [x] y"
        )


def test_a_look_that_comes_back_late_ends_the_waits_that_are_left(strict, hanging):
    things = hanging[0]
    things.states.update(a="ready", b="ready")
    late = strict.watch(ready(things, "a", timeout=0.05))
    lasting = strict.watch(ready(things, "b"))
    assert isinstance(late.exception(10), WaitFailed)

    things.answers.set()

    assert lasting.result(10)["id"] == "b"


def test_waits_that_come_put_off_no_look():
    watcher = Watcher(first_interval=0.1)
    things = FakeThings()
    things.states["first"] = "ready"
    first = watcher.watch(ready(things, "first"))

    for number in range(25):
        time.sleep(0.02)
        watcher.watch(ready(things, f"{number}"))
        things.states[f"{number}"] = "making"

    assert first.done(), "after five times the interval"
    watcher.close()


def test_waits_that_come_let_no_other_be_looked_at_more_often(watcher):
    """A look for what has just been begun is one look, not the first of many."""
    things = FakeThings()
    things.states.update(a="making", b="making")
    watcher.watch(ready(things, "a"))
    time.sleep(0.6)
    things.asked.clear()

    watcher.watch(ready(things, "b"))
    time.sleep(0.1)

    assert 1 <= len(things.asked) <= 2


def test_what_is_waited_for_during_a_look_is_looked_at_soon_after(hanging):
    watcher = Watcher(first_interval=0.02)
    things = hanging[0]
    things.states.update(a="making", b="ready")
    watcher.watch(ready(things, "a"))
    while not things.asked:
        time.sleep(0.005)
    later = watcher.watch(ready(things, "b"))
    things.answers.set()

    assert later.result(10)
    watcher.close()


def test_a_thing_of_which_the_service_cannot_tell_is_asked_for_again(watcher):
    class Silent(FakeThings):
        def is_told(self, thing):
            return thing["status"] != "UNKNOWN"

    things = Silent()
    things.states.update(a="unknown", b="ready")
    future = watcher.watch(ready(things, "a"))
    assert watcher.watch(ready(things, "b")).result(10)
    assert not future.done()
    things.states["a"] = "ready"
    assert future.result(10)["id"] == "a"
