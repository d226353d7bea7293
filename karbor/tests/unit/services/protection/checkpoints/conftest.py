# SPDX-License-Identifier: Apache-2.0
"""A bank in memory, and a clock that tests set."""

import datetime

import pytest

from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.tests.fakes.bank import MemoryBankPlugin

PLAN = {"id": "plan-1", "name": "nightly", "resources": [{"id": "i", "type": "T"}]}


class Clock:
    """Time that goes on only when a test says so."""

    def __init__(self) -> None:
        self.now = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += datetime.timedelta(**amount)


class SharedBank(MemoryBankPlugin):
    """The same store as another plugin's, seen by another owner."""

    def __init__(self, other: MemoryBankPlugin, owner_id: str) -> None:
        super().__init__(owner_id=owner_id)
        self.objects = other.objects
        self.dead_owners = other.dead_owners
        self._lock = other._lock

    def check_lease_existence(self, owner_id: str) -> bool:
        return owner_id not in self.dead_owners


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def plugin():
    return MemoryBankPlugin()


@pytest.fixture
def collection(plugin, clock):
    return CheckpointCollection(Bank(plugin), None, clock)


@pytest.fixture
def other_service(plugin, clock):
    """Another service's view of the same bank."""
    return CheckpointCollection(Bank(SharedBank(plugin, "owner-2")), None, clock)


@pytest.fixture
def make(collection, clock):
    """Make a checkpoint a second after the one before."""

    def make(**changes):
        clock.advance(seconds=1)
        values = {"provider_id": "provider-1", "project_id": "project-1", **changes}
        return collection.create(values.pop("plan", PLAN), **values)

    return make
