# SPDX-License-Identifier: Apache-2.0
"""Processes protect, delete, sweep and collect, and are paused and killed anywhere.

Whatever they do, what is committed reads back, and at the end nothing is left.
"""

import dataclasses
import datetime
import itertools

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.fakes.late_bank import LateBank, Lateness, LateStore
from karbor.tests.unit.services.protection.collection.actors import (
    Actor,
    ActorsBank,
    ActorsLease,
)
from karbor.tests.unit.services.protection.collection.house import (
    OPTIONS,
    Clock,
    House,
    StrongBank,
    data,
)

#: Pages are objects, too.
SMALL = dataclasses.replace(OPTIONS, inline_limit=100)

contents = st.text("abcd", min_size=1, max_size=3)
#: Until it is paused; the last is more than anybody makes.
calls = st.one_of(st.integers(1, 50), st.just(10_000))


@pytest.fixture(autouse=True, scope="module")
def _few_chunks_on_a_page():
    before, manifest.PAGE_CHUNKS = manifest.PAGE_CHUNKS, 2
    yield
    manifest.PAGE_CHUNKS = before


@pytest.fixture(autouse=True)
def _names_in_order(monkeypatch):
    numbers = itertools.count()
    monkeypatch.setattr(names.secrets, "token_hex", lambda n: f"{next(numbers):012x}")


class Providers:
    """What a sweep sweeps."""

    def __init__(self, checkpoints):
        self.id = "prov"
        self.checkpoints = checkpoints

    def list(self):
        return [self]


class Processes(RuleBasedStateMachine):
    """Up to five of them, each of which does one thing."""

    actors = Bundle("actors")
    settle = datetime.timedelta(0)

    def __init__(self):
        super().__init__()
        self.make_bank()
        self.dead_owners = set()
        #: A checkpoint's id to what its stream has.
        self.expected = {}
        self.promised = set()
        self.doomed = set()
        self.living = []
        self.protects = {}
        self.count = 0
        self.reader = House(self.plugin, self.clock, SMALL)
        self.plugin.dead_owners = self.dead_owners

    def make_bank(self):
        """Set the bank as it really is, and the clock."""
        self.plugin = StrongBank("reader")
        self.clock = Clock()

    def bank_of(self, owner_id):
        """The bank as a process sees it."""
        return self.plugin

    def _house(self):
        self.count += 1
        actor = Actor(f"owner-{self.count}")
        plugin = ActorsBank(self.bank_of(actor.name), actor, self.dead_owners)
        house = House(plugin, self.clock, SMALL)
        house.checkpoints = CheckpointCollection(
            house.bank, ActorsLease(plugin), self.clock
        )
        house.store = house.checkpoints.store
        self.living.append(actor)
        return house, actor

    def _begin(self, house, actor, work, calls):
        actor.begin(work)
        actor.advance(calls)
        return self._after(actor)

    def _after(self, actor):
        """What became of a process that was let do something."""
        if not actor.is_over:
            return actor
        if actor in self.living:
            self.living.remove(actor)
        checkpoint_id = self.protects.pop(actor, None)
        if actor.error is not None:
            self.dead_owners.add(actor.name)
        if actor.error is None and checkpoint_id not in (None, *self.doomed):
            self.promised.add(checkpoint_id)
        if isinstance(actor.error, AssertionError | TypeError | AttributeError):
            raise actor.error
        return multiple()

    def _can_begin(self):
        return len(self.living) < 5

    @precondition(_can_begin)
    @rule(
        target=actors,
        contents=contents,
        again=contents,
        calls=calls,
        pauses_at_commit=st.booleans(),
    )
    def protect(self, contents, again, calls, pauses_at_commit):
        """Make a checkpoint; its stream is written twice, as after a failure."""
        house, actor = self._house()
        actor.pauses_at_commit = pauses_at_commit
        checkpoint_id = f"c{self.count}"
        self.expected[checkpoint_id] = data(again)
        self.protects[actor] = checkpoint_id

        def work():
            checkpoint = house.begin("p1", checkpoint_id)
            house.write(checkpoint, contents)
            house.write(checkpoint, again)
            house.end(checkpoint)

        return self._begin(house, actor, work, calls)

    @rule(contents=contents, steps=st.integers(0, 3))
    def make_garbage(self, contents, steps):
        """And begin to collect it."""
        self.count += 1
        self.reader.delete(self.reader.protect(contents, "p1", f"c{self.count}"))
        self.collect_at_once(steps)

    @precondition(lambda self: self._can_begin() and self._available())
    @rule(target=actors, choice=st.randoms(use_true_random=False), calls=calls)
    def delete(self, choice, calls):
        house, actor = self._house()
        checkpoint = choice.choice(sorted(self._available()))
        self.promised.discard(checkpoint)
        self.doomed.add(checkpoint)

        def work():
            house.delete(house.checkpoints.get(checkpoint))

        return self._begin(house, actor, work, calls)

    @precondition(_can_begin)
    @rule(target=actors, calls=calls, most=st.integers(2, 20))
    def collect(self, calls, most):
        house, actor = self._house()
        collector = house.collector(settle=self.settle, max_names=most)
        return self._begin(house, actor, collector.run, calls)

    @rule(steps=st.integers(1, 3))
    def collect_at_once(self, steps):
        """A few steps of a collection that nobody disturbs."""
        for _ in range(steps):
            self.reader.collector(settle=self.settle).step()

    @precondition(_can_begin)
    @rule(target=actors, calls=calls)
    def sweep(self, calls):
        house, actor = self._house()
        sweeper = ZombieSweeper(Providers(house.checkpoints))
        return self._begin(house, actor, sweeper.sweep, calls)

    @rule(target=actors, actor=consumes(actors), calls=calls)
    def go_on(self, actor, calls):
        """One that was paused does something more."""
        actor.advance(calls)
        return self._after(actor)

    @rule(target=actors, actor=consumes(actors))
    def sleep(self, actor):
        """It sleeps for so long that the others count it as dead."""
        self.dead_owners.add(actor.name)
        self.clock.advance(minutes=20)
        return actor

    @precondition(lambda self: self.dead_owners & {one.name for one in self.living})
    @rule(target=actors, actor=consumes(actors), calls=calls)
    def wake_up(self, actor, calls):
        """It renews its lease, and goes on as if nothing had been."""
        self.dead_owners.discard(actor.name)
        actor.advance(calls)
        return self._after(actor)

    @rule(actor=consumes(actors))
    def kill(self, actor):
        actor.kill()
        self.dead_owners.add(actor.name)
        self._after(actor)

    @rule(target=actors, actor=consumes(actors), calls=calls)
    def sleep_through_a_sweep(self, actor, calls):
        """The same, when others have given up what it does."""
        self.dead_owners.add(actor.name)
        self.clock.advance(minutes=70)
        ZombieSweeper(Providers(self.reader.checkpoints)).sweep()
        return self.wake_up(actor, calls)

    def _available(self):
        found = set()
        for key in self.reader.rest():
            if key.endswith("/index.json"):
                checkpoint_id = key.split("/")[2]
                if self.reader.checkpoints.get(checkpoint_id).status == "available":
                    found.add(checkpoint_id)
        return found

    @invariant()
    def what_is_committed_reads_back(self):
        available = self._available()
        for checkpoint_id in available:
            checkpoint = self.reader.checkpoints.get(checkpoint_id)
            assert self.reader.read(checkpoint) == self.expected[checkpoint_id]
        assert self.promised <= available

    def teardown(self):
        for actor in self.living:
            actor.kill()
            self.dead_owners.add(actor.name)
        self.clear()
        assert not self.reader.rest()

    def clear(self):
        """Sweep, delete everything, and collect."""
        house = House(self.plugin, self.clock, SMALL)
        self.dead_owners |= {f"owner-{n}" for n in range(1, self.count + 1)}
        for _ in range(12):
            self.clock.advance(hours=2)
            ZombieSweeper(Providers(house.checkpoints)).sweep()
            for key in house.bank.list_objects("/checkpoints/"):
                if key.endswith("/index.json"):
                    checkpoint = house.checkpoints.get(key.split("/")[2])
                    if checkpoint.status not in ("protecting", "deleting"):
                        house.delete(checkpoint)
            report = house.collector(settle=self.settle).run()
        assert report.is_done, report


class SecondsClock:
    """The moments of a late store's clock."""

    begin = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)

    def __init__(self, seconds):
        self._seconds = seconds

    def __call__(self):
        return self.begin + datetime.timedelta(seconds=self._seconds())

    def advance(self, **how_long):
        self._seconds.advance(datetime.timedelta(**how_long).total_seconds())


class _ExactBank(LateBank):
    """The bank as it really is; with the leases of the machine."""

    dead_owners = frozenset()

    def check_lease_existence(self, owner_id):
        return owner_id not in self.dead_owners


class LateProcesses(Processes):
    """The same with a bank that lists late, gives old values, fails and times out."""

    settle = datetime.timedelta(seconds=15)

    def make_bank(self):
        self.late = LateStore(Lateness(), seed=1)
        self.clock = SecondsClock(self.late.clock)
        self.plugin = _ExactBank(
            self.late.exact(), "reader", capabilities=BankCapabilities(strong_read=True)
        )

    def bank_of(self, owner_id):
        return LateBank(self.late, owner_id)

    @rule(seconds=st.integers(1, 40))
    def pass_time(self, seconds):
        """Some of what is late is seen."""
        self.clock.advance(seconds=seconds)


SETTINGS = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TestProcesses = Processes.TestCase
TestProcesses.settings = SETTINGS
TestLateProcesses = LateProcesses.TestCase
TestLateProcesses.settings = SETTINGS
