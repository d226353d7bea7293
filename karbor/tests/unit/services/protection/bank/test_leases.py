# SPDX-License-Identifier: Apache-2.0
"""Leases: their windows, and the thread that keeps one."""

import threading
import time
import types

import pytest

from karbor import exception
from karbor.services.protection.bank.leases import LeaseKeeper, LeaseWindows
from karbor.services.protection.bank_plugin import BankPlugin
from karbor.tests.fakes.bank import MemoryBankPlugin


class RenewedBank(MemoryBankPlugin):
    """Renews every hundredth of a second, and tells when it did."""

    lease_renew_window = 0.01

    def __init__(self):
        super().__init__()
        self.renewals = threading.Semaphore(0)
        self.failing = False
        self.released = False

    def renew_lease(self):
        self.renewals.release()
        if self.failing:
            raise exception.AcquireLeaseFailed(reason="no store")
        super().renew_lease()

    def release_lease(self):
        self.released = True


class OldBank(BankPlugin):
    """A plugin that keeps no lease."""

    def update_object(self, key, value, context=None): ...

    def get_object(self, key, context=None): ...

    def list_objects(self, *arguments, **options):
        return []

    def delete_object(self, key, context=None): ...

    def get_owner_id(self, context=None):
        return "old"


def options(expire=600, renew=120, validity=100):
    return types.SimpleNamespace(
        lease_expire_window=expire,
        lease_renew_window=renew,
        lease_validity_window=validity,
    )


@pytest.mark.parametrize("values", [(600, 120, 100), (3, 2, 2), (2, 1, 1)])
def test_windows_in_order_are_taken(values):
    assert LeaseWindows.from_options(options(*values), "g") == LeaseWindows(*values)


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ((600, 600, 100), "lease_renew_window"),
        ((600, 700, 100), "lease_renew_window"),
        ((600, 120, 121), "lease_validity_window"),
        ((0, 120, 100), "lease_expire_window"),
        ((600, 0, 100), "lease_renew_window"),
        ((600, 120, -1), "lease_validity_window"),
    ],
)
def test_windows_out_of_order_are_refused_by_name(values, option):
    with pytest.raises(exception.InvalidInput) as caught:
        LeaseWindows.from_options(options(*values), "some_plugin")
    assert f"[some_plugin]/{option}" in str(caught.value)
    assert caught.value.kwargs["option"] == f"[some_plugin]/{option}"


def test_a_keeper_renews_until_it_is_stopped():
    plugin = RenewedBank()
    keeper = LeaseKeeper(plugin)
    assert not keeper.is_valid()

    keeper.start()
    for _ in range(3):
        assert plugin.renewals.acquire(timeout=30)
    assert keeper.is_valid()
    keeper.check()
    keeper.stop()

    assert plugin.released
    assert not keeper.is_valid()
    with pytest.raises(exception.LeaseLost, match="stopping"):
        keeper.check()
    assert "bank-lease" not in {thread.name for thread in threading.enumerate()}


def test_a_keeper_goes_on_after_renewals_that_fail():
    plugin = RenewedBank()
    keeper = LeaseKeeper(plugin)
    keeper.start()
    plugin.failing = True
    for _ in range(4):
        assert plugin.renewals.acquire(timeout=30)
    assert keeper.is_valid()

    # The lease runs out, as the plugin's clock would say.
    plugin.dead_owners.add(plugin.get_owner_id())
    with pytest.raises(exception.LeaseLost, match="no store"):
        keeper.check()

    plugin.failing = False
    while not keeper.is_valid():
        assert plugin.renewals.acquire(timeout=30)
    keeper.stop()


def test_a_bank_that_is_away_does_not_fill_the_log(caplog):
    caplog.set_level("INFO")
    plugin = RenewedBank()
    keeper = LeaseKeeper(plugin)
    keeper.start()
    plugin.failing = True
    for _ in range(16):
        assert plugin.renewals.acquire(timeout=30)
    plugin.failing = False
    for _ in range(4):
        assert plugin.renewals.acquire(timeout=30)
    keeper.stop()

    lines = [line for line in caplog.messages if "Renewing the lease" in line]
    assert 1 <= len(lines) <= 3
    assert any("renewed again" in line for line in caplog.messages)


def test_a_lease_that_cannot_be_acquired_stops_the_start():
    class Refusing(RenewedBank):
        def acquire_lease(self):
            raise exception.AcquireLeaseFailed(reason="no store")

    keeper = LeaseKeeper(Refusing())
    with pytest.raises(exception.AcquireLeaseFailed):
        keeper.start()
    assert not keeper.is_valid()
    keeper.stop()


def test_stopping_survives_a_release_that_fails():
    class Refusing(RenewedBank):
        def release_lease(self):
            raise exception.BankDeleteObjectFailed(key="/leases/x", reason="no store")

    keeper = LeaseKeeper(Refusing())
    keeper.start()
    keeper.stop()
    assert not keeper.is_valid()


def test_a_keeper_can_be_started_again():
    plugin = RenewedBank()
    keeper = LeaseKeeper(plugin)
    keeper.start()
    keeper.stop()
    keeper.start()
    assert keeper.is_valid()
    keeper.stop()


def test_a_plugin_without_leases_is_always_valid():
    keeper = LeaseKeeper(OldBank())
    keeper.start()
    assert keeper.is_valid()
    keeper.check()
    keeper.stop()
    assert keeper.is_valid()


class SlowBank(RenewedBank):
    """Renews when a test lets it, and answers as a store does whose lease lasts."""

    lease_renew_window = 0.01
    lease_expire_window = 0.4
    lease_validity_window = 0.1

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.renewed = threading.Semaphore(0)

    def renew_lease(self):
        self.gate.wait()
        self.renewed.release()


def test_a_lease_that_was_renewed_too_late_is_lost_for_what_began_before():
    bank = SlowBank()
    keeper = LeaseKeeper(bank)
    keeper.start()
    began = time.monotonic()
    bank.renewed.acquire()
    keeper.check(held_for=0.0)
    bank.gate.clear()
    time.sleep(bank.lease_expire_window)
    with pytest.raises(exception.LeaseLost, match="expired"):
        keeper.check(held_for=0.0)
    bank.gate.set()
    # The second of these begins when all is known of the late one.
    for _ in range(3):
        bank.renewed.acquire()
    keeper.check()
    keeper.check(held_for=0.0)
    with pytest.raises(exception.LeaseLost, match="since the work began"):
        keeper.check(held_for=time.monotonic() - began)
    keeper.stop()
