# SPDX-License-Identifier: Apache-2.0
"""Processes that can be paused before any call of the bank, killed, and woken up."""

import threading
from collections.abc import Callable
from typing import Any

from karbor import exception
from karbor.services.protection.bank_plugin import BankPlugin, LeasePlugin

#: Seconds after which a test that hangs is failed.
_PATIENCE = 60


class Killed(BaseException):
    """The process is no more."""


class Actor:
    """One process: it does one thing in a thread, as many bank calls as it is let."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: BaseException | None = None
        self._work: Callable[[], Any] | None = None
        self._permits = 0
        self._calling = 0
        self._is_killed = False
        self.is_over = False
        #: Whether it is paused right before it makes its checkpoint available.
        self.pauses_at_commit = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def begin(self, work: Callable[[], Any]) -> None:
        """Have work to do; its first call of the bank waits."""
        self._work = work
        self._thread.start()

    def call(self, function: Callable[[], Any], commits: bool = False) -> Any:
        """Do one call of the bank, when it is let."""
        with self._changed:
            if commits and self.pauses_at_commit:
                self.pauses_at_commit = False
                self._permits = 0
                self._changed.notify_all()
            while not self._permits and not self._is_killed:
                assert self._changed.wait(_PATIENCE)
            if self._is_killed:
                raise Killed
            self._permits -= 1
            self._calling += 1
        try:
            return function()
        finally:
            with self._changed:
                self._calling -= 1
                self._changed.notify_all()

    def advance(self, calls: int) -> None:
        """Let it do so many calls; returns when it has, or is over."""
        with self._changed:
            self._permits += calls
            self._changed.notify_all()
            while not self.is_over and (self._permits or self._calling):
                assert self._changed.wait(_PATIENCE)

    def finish(self) -> None:
        """Let it do all that it wants."""
        while not self.is_over:
            self.advance(100)

    def kill(self) -> None:
        """End it before its next call."""
        with self._changed:
            self._is_killed = True
            self._changed.notify_all()
        self._thread.join(_PATIENCE)
        assert self.is_over

    def _run(self) -> None:
        try:
            assert self._work is not None
            self._work()
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.error = error
        with self._changed:
            self.is_over = True
            self._changed.notify_all()


class ActorsBank(BankPlugin, LeasePlugin):
    """One process's way to a bank; each call waits until the process is let.

    :param dead_owners: whose leases are gone
    """

    def __init__(
        self, wrapped: BankPlugin, actor: Actor, dead_owners: set[str]
    ) -> None:
        super().__init__(None)
        self._wrapped = wrapped
        self._actor = actor
        self._dead_owners = dead_owners

    @property
    def capabilities(self) -> Any:
        return self._wrapped.capabilities

    def update_object(self, key: str, value: Any, context: Any = None) -> None:
        commits = key.endswith("/index.json") and value["status"] == "available"
        self._actor.call(lambda: self._wrapped.update_object(key, value), commits)

    def get_object(self, key: str, context: Any = None) -> Any:
        return self._actor.call(lambda: self._wrapped.get_object(key))

    def list_objects(self, *args: Any, **more: Any) -> Any:
        return self._actor.call(lambda: self._wrapped.list_objects(*args, **more))

    def delete_object(self, key: str, context: Any = None) -> None:
        self._actor.call(lambda: self._wrapped.delete_object(key))

    def get_owner_id(self, context: Any = None) -> str:
        return self._actor.name

    def acquire_lease(self) -> None:
        self._dead_owners.discard(self._actor.name)

    def renew_lease(self) -> None:
        self.acquire_lease()

    def check_lease_validity(self) -> bool:
        return self._actor.name not in self._dead_owners

    def check_lease_existence(self, owner_id: str) -> bool:
        return owner_id not in self._dead_owners


class ActorsLease:
    """What a process knows of its own lease."""

    def __init__(self, plugin: ActorsBank) -> None:
        self._plugin = plugin

    def check(self, held_for: float = 0.0) -> None:
        """:raises LeaseLost: when others count it as dead"""
        if not self._plugin.check_lease_validity():
            raise exception.LeaseLost(
                owner_id=self._plugin.get_owner_id(), reason="it slept"
            )
