# SPDX-License-Identifier: Apache-2.0
"""A service that dies at any write or lock leaves no checkpoint that says it is locked
and is not, and nothing that cannot go after its date."""

import datetime
import itertools
import random

import pytest

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints.store import INDEX
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.unit.services.protection.checkpoints.conftest import Clock

PLAN = {"id": "plan-1", "name": "nightly", "resources": [{"id": "i", "type": "T"}]}
OPTIONS = StreamOptions(
    chunk_size=4096, max_bytes_in_flight=16384, worker_threads=1, inline_limit=200
)
DATA = random.Random(1).randbytes(2 * 4096)
LOCK = datetime.timedelta(days=30)
#: Enough for the life below, which ends before; see the last assertion there.
MOST_ACTS = 40


class Killed(BaseException):
    """The process is gone: nothing catches this, nothing cleans up."""


class LockingBank(MemoryBankPlugin):
    """A store in memory that locks objects, of several processes."""

    def __init__(self, clock, owner_id, shared=None):
        super().__init__(owner_id=owner_id)
        self._clock = clock
        self.dates = {} if shared is None else shared.dates
        if shared is not None:
            self.objects, self._lock = shared.objects, shared._lock
            self.dead_owners = shared.dead_owners

    @property
    def capabilities(self):
        return BankCapabilities(strong_read=True, object_lock=True)

    def check_lease_existence(self, owner_id):
        return owner_id not in self.dead_owners

    def update_object(self, key, value, context=None):
        self._refuse(key)
        super().update_object(key, value)

    def delete_object(self, key, context=None):
        self._refuse(key)
        super().delete_object(key)
        self.dates.pop(key, None)

    def lock_object(self, key, until):
        if key not in self.objects:
            raise exception.BankLockObjectFailed(key=key, reason="no such object")
        self.dates[key] = max(until, self.dates.get(key, until))

    def locked_until(self, key):
        self.get_object(key)
        return self.dates.get(key)

    def _refuse(self, key):
        until = self.dates.get(key)
        if until is not None and until > self._clock():
            raise exception.BankObjectLocked(key=key, until=until)


class Providers:
    def __init__(self, checkpoints):
        self.id = "provider-1"
        self.checkpoints = checkpoints

    def list(self):
        return [self]


def mortal(plugin, acts, dies_after):
    """Make a plugin's process die at its so-manieth write or lock."""
    left = itertools.count(acts, -1)

    def dying(act):
        def wrapper(*args, **kwargs):
            number = next(left)
            if number < 0 or (number == 0 and not dies_after):
                raise Killed
            act(*args, **kwargs)
            if number == 0:
                raise Killed

        return wrapper

    for name in ("update_object", "delete_object", "lock_object"):
        setattr(plugin, name, dying(getattr(plugin, name)))
    return left


def live(collection, until, *, later):
    """Protect, locked from the beginning or afterwards, and extend the lock."""
    checkpoint = collection.create(
        PLAN,
        provider_id="provider-1",
        project_id="p",
        locked_until=None if later else until,
    )
    checkpoint.save_graph(ResourceGraph((Resource("T", "i", None),), ((),)))
    section = checkpoint.get_resource_bank_section("i")
    section.update_object("metadata", {"a": 1})
    section.write_stream("disk", [DATA])
    checkpoint.transition("available")
    if later:
        checkpoint.lock(until)
    checkpoint.lock(until + LOCK)


def needed(plugin, checkpoint_id):
    """All that a checkpoint keeps, but for its index and the listings."""
    prefixes = (f"/checkpoints/{checkpoint_id}/", "/chunks/p/data/")
    return [
        key
        for key in plugin.objects
        if key.startswith(prefixes) and not key.endswith(f"/{INDEX}")
    ]


@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("dies_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("acts", range(MOST_ACTS))
def test_after_a_death_at_any_write_a_lock_is_what_it_says(acts, dies_after, later):
    clock = Clock()
    store = LockingBank(clock, "owner-1")
    mine = LockingBank(clock, "owner-1", store)
    others = CheckpointCollection(
        Bank(LockingBank(clock, "owner-2", store), OPTIONS), None, clock
    )
    until = clock() + LOCK
    left = mortal(mine, acts, dies_after)
    try:
        live(CheckpointCollection(Bank(mine, OPTIONS), None, clock), until, later=later)
    except Killed:
        pass
    else:
        assert next(left) >= 0
    store.dead_owners.add("owner-1")
    clock.advance(hours=2)
    assert ZombieSweeper(Providers(others)).sweep().failed == ()

    for checkpoint in others.list("p", provider_id="provider-1"):
        shown = others.get(checkpoint.id)
        date = shown.locked_until
        if shown.status == "available" and not later:
            assert date >= until
            assert all(
                store.dates.get(key, clock()) >= until
                for key in needed(store, shown.id)
            )
        if date is not None:
            with pytest.raises(exception.CheckpointLocked):
                shown.transition("deleting")
            assert others.get(shown.id).status == shown.status
        if shown.status == "available":
            with shown.get_resource_bank_section("i").open_stream("disk") as stream:
                assert stream.read() == DATA
            shown.lock(until + 3 * LOCK)
            kept = needed(store, shown.id)
            assert {store.dates.get(key) for key in kept} == {until + 3 * LOCK}
    clock.advance(days=365)
    for checkpoint in others.list("p", provider_id="provider-1"):
        checkpoint.transition("deleting")
        checkpoint.purge()
    assert not [key for key in store.objects if not key.startswith("/chunks/")]


def test_the_whole_life_is_shorter_than_the_crash_points():
    clock = Clock()
    plugin = LockingBank(clock, "owner-1")
    left = mortal(plugin, MOST_ACTS, False)
    live(
        CheckpointCollection(Bank(plugin, OPTIONS), None, clock),
        clock() + LOCK,
        later=True,
    )
    assert next(left) > 0
