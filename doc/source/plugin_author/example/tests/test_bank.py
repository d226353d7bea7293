# SPDX-License-Identifier: Apache-2.0
"""The bank plugin keeps the contract."""

import pytest
from karbor_example_files import bank

from karbor.tests.conformance.bank import BankConformance
from karbor.tests.conformance.configuration import empty_configuration


class TestSqliteBank(BankConformance):
    @pytest.fixture
    def bank_plugin(self, tmp_path):
        conf = empty_configuration()
        conf.register_opts(bank.OPTS, bank.GROUP)
        conf.set_override("path", str(tmp_path / "bank.sqlite"), bank.GROUP)
        return bank.SqliteBankPlugin(conf)
