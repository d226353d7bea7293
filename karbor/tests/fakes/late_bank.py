# SPDX-License-Identifier: Apache-2.0
"""A bank that promises nothing beyond the contract, and keeps to it as badly as it may.

:class:`LateStore` is the store. For a bounded time after a change

- listings may lack what was put, and show what was deleted;
- reading an object that was replaced or deleted may answer what was there before
  (what was put under a new name is read at once, as in every object store of today);
- a call that timed out may still take effect.

Any call may fail before it does anything, or after it did what was asked, and may time
out having done it, not done it, or doing it later. A late put or deletion of an object
never overtakes a newer one that the store knows: Swift orders by the time at which a
request came in. Under the names that :attr:`Lateness.overtaken` begins with it does, as
in a store that orders by the time at which it is done with a request.

Everything is drawn from one seeded generator, and time passes only by calls when the
clock is a :class:`VirtualClock`: one thread that makes the same calls meets the same
faults.
"""

import bisect
import copy
import dataclasses
import math
import random
import threading
import uuid
from collections.abc import Callable
from typing import Any

from karbor import exception
from karbor.services.protection.bank_plugin import (
    BankCapabilities,
    BankPlugin,
    LeasePlugin,
)

_GONE = object()


class VirtualClock:
    """Time that passes when somebody says so; in seconds."""

    def __init__(self) -> None:
        self._now = 1000.0

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class StoreFailed(Exception):
    """The store did not answer, or refused; the text says which.

    :ivar retryable: whether trying again may help
    """

    def __init__(self, reason: str, retryable: bool = True) -> None:
        super().__init__(reason, retryable)
        self.reason = reason
        self.retryable = retryable


@dataclasses.dataclass(frozen=True)
class Lateness:
    """How badly a store behaves; chances are from 0 to 1.

    :param bound: seconds after which a change is seen by everyone, and after which
        nothing that timed out takes effect any more
    :param list_late: how often a listing, for each object that changed lately, shows
        it as it was before
    :param old_answer: how often a read of an object that changed lately answers what
        was there before
    :param fail_before: how often a call fails without doing anything
    :param fail_after: how often it fails, having done it
    :param time_out: how often it times out: done, not done or done later
    :param step: with a virtual clock, the most seconds that pass with each call
    :param overtaken: beginnings of names; a late change of theirs undoes newer ones
    """

    bound: float = 5.0
    list_late: float = 0.5
    old_answer: float = 0.3
    fail_before: float = 0.002
    fail_after: float = 0.002
    time_out: float = 0.003
    step: float = 0.2
    overtaken: tuple[str, ...] = ("/chunks/",)


#: The store of a bank that is never late and never fails.
PROMPT = Lateness(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclasses.dataclass(slots=True)
class _Change:
    order: float
    effective: float
    value: Any


class LateStore:
    """Objects and leases that several banks share; thread-safe.

    :param lateness: how badly it behaves
    :param seed: where the random numbers begin
    :param clock: seconds; a :class:`VirtualClock` is moved by each call
    """

    def __init__(
        self,
        lateness: Lateness = Lateness(),
        seed: int = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.lateness = lateness
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        # By key, in the order in which they win; the last that is effective stands.
        self._changes: dict[str, list[_Change]] = {}
        self._keys: list[str] = []
        self._leases: dict[str, float] = {}

    def put(self, key: str, value: Any) -> None:
        """Create or replace an object."""
        with self._lock:
            self._change(key, value)

    def delete(self, key: str) -> None:
        """Delete an object."""
        with self._lock:
            if self._at(key, self.clock()) is _GONE:
                self._begin(key)
                raise StoreFailed("no such object", retryable=False)
            self._change(key, _GONE)

    def get(self, key: str) -> Any:
        """The value of an object."""
        with self._lock:
            self._begin(key)
            now = self.clock()
            if self._happens(self.lateness.old_answer):
                old = self._at(key, now - self._random.random() * self.lateness.bound)
                if old is not _GONE:
                    return copy.deepcopy(old)
            value = self._at(key, now)
            if value is _GONE:
                raise StoreFailed("no such object", retryable=False)
            return copy.deepcopy(value)

    def names(
        self,
        prefix: str = "",
        limit: int | None = None,
        marker: str | None = None,
        descending: bool = False,
    ) -> list[str]:
        """Keys in order."""
        with self._lock:
            self._begin(prefix)
            return self._listed(prefix, limit, marker, descending, late=True)

    def acquire(self, owner_id: str, seconds: float) -> None:
        """Write a lease that is good from now on."""
        with self._lock:
            self._begin(owner_id)
            self._leases[owner_id] = self.clock() + seconds

    def release(self, owner_id: str) -> None:
        """Give a lease up."""
        with self._lock:
            self._leases.pop(owner_id, None)

    def is_alive(self, owner_id: str, skew: float = 0.0) -> bool:
        """Whether an owner's lease is good, by a clock that is ahead by ``skew``."""
        with self._lock:
            self._begin(owner_id)
            return self._leases.get(owner_id, -math.inf) > self.clock() + skew

    def truth(self) -> dict[str, Any]:
        """All objects as they really are now."""
        with self._lock:
            keys = self._listed("", None, None, False, late=False)
            return {key: copy.deepcopy(self._at(key, self.clock())) for key in keys}

    def exact(self) -> "LateStore":
        """The same objects, with true answers at once."""
        view = copy.copy(self)
        view.lateness = dataclasses.replace(
            PROMPT, bound=self.lateness.bound, overtaken=self.lateness.overtaken
        )
        return view

    def settle(self) -> None:
        """Let so much time pass that everything is seen by everyone."""
        assert isinstance(self.clock, VirtualClock)
        self.clock.advance(2 * self.lateness.bound + 1.0)

    def _begin(self, key: str) -> None:
        """A call has come in; it may fail before it does anything."""
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(self._random.random() * self.lateness.step)
        chances = self.lateness
        if self._happens(chances.fail_before):
            raise StoreFailed("injected fault: it failed, not done")
        if self._happens((chances.fail_after + chances.time_out) / 2):
            raise StoreFailed("injected fault: the answer was lost")

    def _change(self, key: str, value: Any) -> None:
        chances = self.lateness
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(self._random.random() * chances.step)
        now = self.clock()
        if self._happens(chances.fail_before):
            raise StoreFailed("injected fault: it failed, not done")
        if self._happens(chances.time_out):
            fate = self._random.choice(("done", "not done", "done later"))
            if fate != "not done":
                late = self._random.random() * chances.bound
                self._add(key, value, now, now + late * (fate == "done later"))
            raise StoreFailed(f"injected fault: it timed out, {fate}")
        self._add(key, value, now, now)
        if self._happens(chances.fail_after):
            raise StoreFailed("injected fault: it failed, done")

    def _add(self, key: str, value: Any, issued: float, effective: float) -> None:
        changes = self._changes.get(key)
        if changes is None:
            changes = self._changes[key] = []
            bisect.insort(self._keys, key)
        order = effective if key.startswith(self.lateness.overtaken) else issued
        kept = value if value is _GONE else copy.deepcopy(value)
        # Stable: of two at one moment the later call stands.
        bisect.insort_right(
            changes, _Change(order, effective, kept), key=lambda change: change.order
        )
        self._forget(key, changes)

    def _forget(self, key: str, changes: list[_Change]) -> None:
        """Drop what nobody can see any more."""
        horizon = self.clock() - self.lateness.bound
        if len(changes) < 2 and changes[0].value is not _GONE:
            return
        standing = max(
            (n for n, change in enumerate(changes) if change.effective <= horizon),
            default=0,
        )
        del changes[:standing]
        if (
            len(changes) == 1
            and changes[0].value is _GONE
            and changes[0].effective <= horizon
        ):
            del self._changes[key]
            self._keys.pop(bisect.bisect_left(self._keys, key))

    def _at(self, key: str, moment: float) -> Any:
        """What an object was at a moment."""
        for change in reversed(self._changes.get(key, ())):
            if change.effective <= moment:
                return change.value
        return _GONE

    def _listed(
        self,
        prefix: str,
        limit: int | None,
        marker: str | None,
        descending: bool,
        *,
        late: bool,
    ) -> list[str]:
        first = bisect.bisect_left(self._keys, prefix)
        last = first
        while last < len(self._keys) and self._keys[last].startswith(prefix):
            last += 1
        keys = self._keys[first:last]
        now, bound = self.clock(), self.lateness.bound
        found = []
        for key in reversed(keys) if descending else keys:
            if marker is not None and (key >= marker if descending else key <= marker):
                continue
            moment = now
            changes = self._changes[key]
            if (
                late
                and now - changes[-1].effective < bound
                and self._happens(self.lateness.list_late)
            ):
                moment = now - self._random.random() * bound
            if self._at(key, moment) is not _GONE:
                found.append(key)
            elif changes[-1].effective <= now - bound:
                self._forget(key, changes)
        return found if limit is None else found[:limit]

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance


class LateBank(BankPlugin, LeasePlugin):
    """A bank on such a store. It has no capabilities, unless a test gives it some.

    :param store: a :class:`LateStore`, or what speaks to one in another process
    :param lease_seconds: how long a lease is good
    :param clock: seconds, as the store's
    :param skew: seconds by which the clock of this owner is ahead
    """

    def __init__(
        self,
        store: Any,
        owner_id: str | None = None,
        *,
        lease_seconds: float = 60.0,
        clock: Callable[[], float] | None = None,
        skew: float = 0.0,
        capabilities: BankCapabilities | None = None,
    ) -> None:
        super().__init__()
        self.store = store
        self._owner_id = owner_id or str(uuid.uuid4())
        self._clock = clock or store.clock
        self._skew = skew
        self._capabilities = capabilities or BankCapabilities()
        self._lease_written = -math.inf
        self.lease_expire_window = lease_seconds
        self.lease_renew_window = lease_seconds / 4
        self.lease_validity_window = lease_seconds / 4

    @property
    def capabilities(self) -> BankCapabilities:
        return self._capabilities

    def update_object(self, key: str, value: Any, context: Any = None) -> None:
        if isinstance(value, bytearray | memoryview):
            value = bytes(value)
        try:
            self.store.put(key, value)
        except StoreFailed as error:
            raise exception.BankUpdateObjectFailed(
                key=key, reason=error.reason, retryable=error.retryable
            ) from None

    def get_object(self, key: str, context: Any = None) -> Any:
        try:
            return self.store.get(key)
        except StoreFailed as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=error.reason, retryable=error.retryable
            ) from None

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: Any = None,
    ) -> list[str]:
        try:
            return self.store.names(prefix or "", limit, marker, sort_dir == "desc")
        except StoreFailed as error:
            raise exception.BankListObjectsFailed(
                reason=error.reason, retryable=error.retryable
            ) from None

    def delete_object(self, key: str, context: Any = None) -> None:
        try:
            self.store.delete(key)
        except StoreFailed as error:
            raise exception.BankDeleteObjectFailed(
                key=key, reason=error.reason, retryable=error.retryable
            ) from None

    def stored_size(self, key: str) -> int | None:
        value = self.get_object(key)
        return len(value) if isinstance(value, bytes) else None

    def get_owner_id(self, context: Any = None) -> str:
        return self._owner_id

    def acquire_lease(self) -> None:
        written = self._clock()
        try:
            self.store.acquire(self._owner_id, self.lease_expire_window + self._skew)
        except StoreFailed as error:
            raise exception.AcquireLeaseFailed(
                reason=error.reason, retryable=error.retryable
            ) from None
        self._lease_written = written

    def renew_lease(self) -> None:
        self.acquire_lease()

    def release_lease(self) -> None:
        """Give the lease up, so that others know at once that the owner is gone."""
        self._lease_written = -math.inf
        self.store.release(self._owner_id)

    def check_lease_validity(self) -> bool:
        left = self._lease_written + self.lease_expire_window - self._clock()
        return left > self.lease_validity_window

    def check_lease_existence(self, owner_id: str) -> bool:
        try:
            return self.store.is_alive(owner_id, self._skew)
        except StoreFailed as error:
            raise exception.BankException(
                reason=error.reason, retryable=error.retryable
            ) from None
