# SPDX-License-Identifier: Apache-2.0
"""A service collects by time, and soon after deletions."""

import datetime

import pytest

from karbor import exception
from karbor.services.protection.collection.collector import SettleTimes
from karbor.services.protection.collection.options import GarbageOptions
from karbor.services.protection.garbage import BackgroundCollection
from karbor.tests.unit.services.protection.collection.house import House

OPTIONS = GarbageOptions(
    interval=datetime.timedelta(hours=6),
    after_deletion=datetime.timedelta(seconds=10),
    settle=SettleTimes(),
    max_names=100,
)


class Provider:
    def __init__(self, options=OPTIONS):
        self.id = "prov"
        self.garbage = options
        self.house = House()
        self.checkpoints = self.house.checkpoints


class Providers:
    def __init__(self, *providers):
        self.present = list(providers)

    def list(self):
        return list(self.present)


class Seconds:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def background(provider, seconds):
    return BackgroundCollection(Providers(provider), seconds, draw=lambda: 0.5)


def _delete_one(provider):
    provider.house.delete(provider.house.protect("ab"))


def test_the_whole_bank_is_collected_by_time(background, provider, seconds):
    _delete_one(provider)
    background.look()
    seconds.now += 3 * 3600 - 1
    background.look()
    assert provider.house.rest()

    seconds.now += 1
    background.look()

    assert not provider.house.rest()
    _delete_one(provider)
    seconds.now += 6 * 3600
    background.look()
    assert not provider.house.rest()


def test_a_project_is_collected_soon_after_a_deletion(background, provider, seconds):
    other = provider.house.protect("ab", "p2")
    provider.house.delete(other)
    _delete_one(provider)

    background.note_deleted("prov", "p1")
    assert background.look() == pytest.approx(10)
    seconds.now += 10
    background.look()

    assert not provider.house.chunks("p1")
    assert provider.house.chunks("p2")


def test_nothing_is_collected_that_was_not_asked_for(seconds):
    provider = Provider(GarbageOptions(None, None, SettleTimes(), max_names=1))
    background = BackgroundCollection(Providers(provider), seconds)
    _delete_one(provider)

    background.note_deleted("prov", "p1")
    background.note_deleted("another", "p1")
    background.look()
    seconds.now += 1_000_000
    background.look()

    assert provider.house.chunks()


def test_what_waits_for_an_operation_is_looked_at_again(background, provider, seconds):
    working = provider.house.begin()
    _delete_one(provider)
    background.note_deleted("prov", "p1")
    seconds.now += 10
    background.look()
    assert provider.house.chunks()
    provider.house.end(working)

    seconds.now += 60
    background.look()

    assert not provider.house.chunks()


def test_a_bank_that_fails_is_tried_again(background, provider, seconds, monkeypatch):
    _delete_one(provider)
    background.note_deleted("prov", "p1")
    seconds.now += 10
    with monkeypatch.context() as patched:

        def fail(*arguments, **more):
            raise exception.BankListObjectsFailed(reason="it is away")

        patched.setattr(provider.house.plugin, "list_objects", fail)
        background.look()
    assert provider.house.chunks()

    seconds.now += 60
    background.look()

    assert not provider.house.chunks()


def test_collecting_takes_a_tenth_of_the_time(background, provider, seconds):
    _delete_one(provider)
    listing = provider.house.plugin.list_objects

    def slow(*arguments, **more):
        seconds.now += 1
        return listing(*arguments, **more)

    provider.house.plugin.list_objects = slow
    background.note_deleted("prov", "p1")
    seconds.now += 10
    begun = seconds.now
    background.look()
    took = seconds.now - begun
    _delete_one(provider)

    ended = seconds.now
    background.note_deleted("prov", "p1")
    del provider.house.plugin.list_objects
    seconds.now = begun + took * 9
    background.look()
    assert provider.house.chunks()
    seconds.now = ended + took * 10
    background.look()
    assert not provider.house.chunks()


def test_a_provider_that_is_gone_is_forgotten(background, provider, seconds):
    background.note_deleted("prov", "p1")
    background._providers.present = []
    seconds.now += 10

    assert background.look() == 60


def test_the_thread_collects_and_stops():
    provider = Provider(
        GarbageOptions(None, datetime.timedelta(0), SettleTimes(), max_names=100)
    )
    background = BackgroundCollection(Providers(provider))
    background.start()
    _delete_one(provider)
    background.note_deleted("prov", "p1")
    for _ in range(1000):
        if not provider.house.rest():
            break
        background._thread.join(0.01)
    background.stop()

    assert not provider.house.rest()
    assert not background._thread.is_alive()
