# SPDX-License-Identifier: Apache-2.0
"""A bank that is kept as it is."""

import pytest

from karbor import exception
from karbor.services.protection.bank.leases import LeaseKeeper
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank_decorators.read_only import ReadOnlyBank
from karbor.services.protection.bank_plugin import LeasePlugin
from karbor.tests.fakes.decorated_bank import decorated
from karbor.tests.fakes.file_system_bank import file_system_bank


@pytest.fixture
def wrapped(tmp_path):
    wrapped = file_system_bank(tmp_path)
    wrapped.update_object("/a/b", b"value")
    return wrapped


@pytest.fixture
def bank(wrapped):
    return decorated(ReadOnlyBank, wrapped)


def test_it_reads(bank):
    assert bank.get_object("/a/b") == b"value"
    assert bank.list_objects() == ["/a/b"]


def test_it_refuses_writes(bank, wrapped):
    with pytest.raises(exception.BankReadonlyViolation, match=r"/a/b.*read_only"):
        bank.update_object("/a/b", b"other")
    with pytest.raises(exception.BankReadonlyViolation, match=r"/a/b.*read_only"):
        bank.delete_object("/a/b")
    section = Bank(bank).get_sub_section("a")
    with pytest.raises(exception.BankUpdateObjectFailed, match="read_only"):
        section.write_stream("disk", iter([b"x"]))
    assert wrapped.get_object("/a/b") == b"value"
    assert wrapped.list_objects() == ["/a/b"]


def test_its_lease_is_not_taken(bank, wrapped):
    assert not isinstance(bank, LeasePlugin)
    keeper = LeaseKeeper(bank)
    keeper.start()
    assert keeper.is_valid()
    keeper.stop()
    assert wrapped.list_objects("/leases/") == []
