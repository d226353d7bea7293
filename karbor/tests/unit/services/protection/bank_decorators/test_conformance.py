# SPDX-License-Identifier: Apache-2.0
"""A bank with a decorator around it keeps the contract of a bank."""

import datetime
import inspect

import pytest

from karbor import exception
from karbor.services.protection.bank_decorators.cache import CachingBank
from karbor.services.protection.bank_decorators.decorator import BankDecorator, _Leasing
from karbor.services.protection.bank_decorators.metrics import MeasuredBank
from karbor.services.protection.bank_decorators.rate_limit import RateLimitedBank
from karbor.services.protection.bank_decorators.read_only import ReadOnlyBank
from karbor.services.protection.bank_decorators.retry import RetryingBank
from karbor.services.protection.bank_plugin import BankPlugin, LeasePlugin
from karbor.tests.conformance.bank import (
    BankConformance,
    LeaseConformance,
    ObjectLockConformance,
)
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.decorated_bank import FakeClock, decorated
from karbor.tests.fakes.faulty_bank import faulty_bank
from karbor.tests.fakes.file_system_bank import file_system_bank


def retrying(plugin):
    """Around a bank that fails a third of the time."""
    faulty = faulty_bank(plugin, fail_before=0.1, fail_after=0.1, time_out=0.1)
    return decorated(
        RetryingBank, faulty, clock=FakeClock(), attempts=60, give_up_after=0
    )


def rate_limited(plugin):
    return decorated(
        RateLimitedBank,
        plugin,
        clock=FakeClock(),
        write_bytes_per_second=1000,
        read_bytes_per_second=1000,
        requests_per_second=5,
    )


def measured(plugin):
    return decorated(MeasuredBank, plugin, clock=FakeClock())


def caching(plugin):
    return decorated(CachingBank, plugin, prefixes=["/"])


def all_of_them(plugin):
    return caching(measured(retrying(rate_limited(plugin))))


BANKS = {
    "memory": lambda _path: MemoryBankPlugin(),
    "file_system": lambda path: file_system_bank(path / "bank"),
}
DECORATORS = {
    "plain": lambda plugin: decorated(BankDecorator, plugin),
    "retry": retrying,
    "rate_limit": rate_limited,
    "metrics": measured,
    "cache": caching,
    "fault_injection": faulty_bank,
    "all": all_of_them,
}


@pytest.fixture(params=DECORATORS)
def decorate(request):
    return DECORATORS[request.param]


class TestDecoratedBank(BankConformance):
    @pytest.fixture(params=BANKS)
    def bank_plugin(self, request, tmp_path, decorate):
        return decorate(BANKS[request.param](tmp_path))


class TestDecoratedLease(LeaseConformance):
    @pytest.fixture
    def bank_plugin(self, tmp_path, decorate):
        return decorate(file_system_bank(tmp_path / "bank"))

    @pytest.fixture
    def second_instance(self, tmp_path, decorate):
        return decorate(file_system_bank(tmp_path / "bank"))


class TestDecoratedLocks(ObjectLockConformance):
    @pytest.fixture
    def bank_plugin(self, tmp_path, decorate):
        return decorate(
            file_system_bank(tmp_path / "bank", file_system_bank_object_lock=True)
        )

    @pytest.fixture
    def second_instance(self, tmp_path, decorate):
        return decorate(file_system_bank(tmp_path / "bank"))


class PlainBank(BankPlugin):
    def update_object(self, key, value, context=None): ...

    def get_object(self, key, context=None): ...

    def list_objects(
        self, prefix=None, limit=None, marker=None, sort_dir=None, context=None
    ): ...

    def delete_object(self, key, context=None): ...

    def get_owner_id(self, context=None):
        return "plain"


def test_a_bank_without_leases_has_none_when_decorated(decorate):
    assert not isinstance(decorate(PlainBank()), LeasePlugin)


def test_leases_are_those_of_the_wrapped_bank(decorate, tmp_path):
    bank = file_system_bank(
        tmp_path,
        lease_expire_window=60,
        lease_renew_window=10,
        lease_validity_window=5,
    )
    plugin = decorate(bank)
    assert isinstance(plugin, LeasePlugin)
    assert plugin.get_owner_id() == bank.get_owner_id()
    assert plugin.lease_expire_window == 60
    assert plugin.lease_renew_window == 10
    assert plugin.lease_validity_window == 5


def test_sizes_are_those_of_the_wrapped_bank(decorate, tmp_path):
    bank = file_system_bank(tmp_path)
    bank.update_object("/a", b"12345")
    assert decorate(bank).stored_size("/a") == 5
    with pytest.raises(exception.BankGetObjectFailed):
        decorate(bank).stored_size("/b")


def test_what_a_bank_lacks_of_the_optional_a_decorated_one_lacks(decorate):
    plugin = decorate(MemoryBankPlugin())
    assert not hasattr(plugin, "release_lease")
    assert getattr(plugin, "lease_renew_window", None) is None


@pytest.mark.parametrize(
    ("contract", "decorator"),
    [(BankPlugin, BankDecorator), (LeasePlugin, _Leasing)],
)
def test_a_decorator_passes_on_all_of_the_contract(contract, decorator):
    """A method that the contract gains is not passed by at the decorators."""
    names = {
        name
        for name, _member in inspect.getmembers(contract)
        if not name.startswith("_")
    }
    assert names <= set(vars(decorator))


class Bank1:
    """Of Karbor 1.x: without what the contract has gained."""

    def get_owner_id(self, context=None):
        return "plain"


def test_a_bank_that_knows_no_locks_has_none_when_decorated():
    plugin = decorated(BankDecorator, Bank1())
    until = datetime.datetime(2126, 12, 24, tzinfo=datetime.UTC)
    with pytest.raises(exception.BankLockNotSupported):
        plugin.lock_object("/a", until)
    assert plugin.locked_until("/a") is None


def test_nothing_is_locked_through_a_read_only_bank(tmp_path):
    bank = file_system_bank(tmp_path, file_system_bank_object_lock=True)
    bank.update_object("/a", 1)
    until = datetime.datetime(2126, 12, 24, tzinfo=datetime.UTC)
    with pytest.raises(exception.BankReadonlyViolation):
        decorated(ReadOnlyBank, bank).lock_object("/a", until)
    assert bank.locked_until("/a") is None


def test_a_read_only_bank_reads_as_the_wrapped_one(tmp_path):
    bank = file_system_bank(tmp_path)
    for name in "abd":
        bank.update_object(f"/x/{name}", {"name": name})
    plugin = decorated(ReadOnlyBank, bank)
    assert plugin.list_objects("/x/", limit=1, marker="/x/a", sort_dir="asc") == (
        bank.list_objects("/x/", limit=1, marker="/x/a", sort_dir="asc")
    )
    assert plugin.get_object("/x/b") == {"name": "b"}
    assert plugin.get_owner_id() == bank.get_owner_id()
