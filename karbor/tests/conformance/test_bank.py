# SPDX-License-Identifier: Apache-2.0
"""The bank plugins that Karbor brings, and the fake of its tests, keep the contract."""

import pytest

from karbor.tests.conformance.bank import (
    BankConformance,
    LeaseConformance,
    ObjectLockConformance,
)
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.file_system_bank import file_system_bank


class TestFileSystemBank(BankConformance):
    @pytest.fixture
    def bank_plugin(self, tmp_path):
        return file_system_bank(tmp_path / "bank")


class TestFileSystemLease(LeaseConformance):
    @pytest.fixture
    def bank_plugin(self, tmp_path):
        return file_system_bank(tmp_path / "bank")

    @pytest.fixture
    def second_instance(self, tmp_path):
        return file_system_bank(tmp_path / "bank")


class TestFileSystemLocks(ObjectLockConformance):
    @pytest.fixture
    def bank_plugin(self, tmp_path):
        return file_system_bank(tmp_path / "bank", file_system_bank_object_lock=True)

    @pytest.fixture
    def second_instance(self, tmp_path, bank_plugin):
        """One that may lock nothing keeps what others have locked."""
        return file_system_bank(tmp_path / "bank")


class TestMemoryBank(BankConformance):
    @pytest.fixture
    def bank_plugin(self):
        return MemoryBankPlugin()
