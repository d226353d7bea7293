# SPDX-License-Identifier: Apache-2.0
"""A hook runs from one wait to the next."""

from concurrent import futures

import pytest

from karbor.services.protection.waiting.course import (
    Course,
    WaitCancelled,
    complete,
)
from karbor.services.protection.waiting.until import WaitFailed, until_status
from karbor.services.protection.waiting.watcher import Watcher
from karbor.tests.fakes.things import FakeThings


@pytest.fixture
def things():
    things = FakeThings()
    things.states["a"] = "ready"
    return things


@pytest.fixture
def watcher():
    watcher = Watcher(first_interval=0.01)
    yield watcher
    watcher.close()


def wait_for(things, name):
    return until_status(things, name, "ready", timeout=30)


def test_a_hook_without_waits_is_called_once():
    calls = []

    assert Course(lambda: calls.append("called")).advance(None) is None
    assert calls == ["called"]


def test_a_hook_gets_what_it_waited_for(things, watcher):
    got = []

    def hook():
        got.append((yield wait_for(things, "a"))["id"])
        got.append((yield wait_for(things, "a"))["id"])

    complete(hook, watcher)

    assert got == ["a", "a"]


def test_a_failed_wait_is_raised_where_the_hook_waits(things, watcher):
    def hook():
        with pytest.raises(WaitFailed):
            yield wait_for(things, "missing")
        things.states["b"] = "ready"
        yield wait_for(things, "b")

    complete(hook, watcher)

    assert things.asked[-1] == ["b"]


def test_a_cancelled_wait_is_no_failure_of_the_hook(things):
    ended = []

    def hook():
        try:
            yield wait_for(things, "a")
        except Exception:  # noqa: BLE001 - as a plugin may
            ended.append("as a failure")
        finally:
            ended.append("in the end")

    course = Course(hook)
    course.advance(None)
    cancelled = futures.Future()
    cancelled.cancel()

    with pytest.raises(WaitCancelled):
        course.advance(cancelled)
    assert ended == ["in the end"]


def test_a_hook_that_yields_anything_else_is_refused():
    def hook():
        yield "a volume"

    with pytest.raises(TypeError, match="not str"):
        Course(hook).advance(None)
