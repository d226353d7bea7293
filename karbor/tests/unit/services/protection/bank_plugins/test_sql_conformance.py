# SPDX-License-Identifier: Apache-2.0
"""A bank in SQLite keeps the contract; ``karbor/tests/banks`` asks the servers."""

import pytest

from karbor.tests.conformance.bank import BankConformance, LeaseConformance
from karbor.tests.fakes.sql_bank import sql_bank


@pytest.fixture
def make_bank(tmp_path):
    """``make_bank(**options)`` gives an instance on the test's own database."""
    made = []

    def make_bank(**options):
        made.append(sql_bank(f"sqlite:///{tmp_path}/bank.sqlite", **options))
        return made[-1]

    yield make_bank
    for bank in made:
        bank.close()


class TestSqliteBank(BankConformance):
    @pytest.fixture
    def bank_plugin(self, make_bank):
        return make_bank()


class TestSqliteBankOfSmallParts(BankConformance):
    @pytest.fixture
    def bank_plugin(self, make_bank):
        return make_bank(part_size=1024)

    def test_a_big_value_comes_back_whole(self, bank_plugin, folder):
        """Of sixteen thousand rows it would take its time."""
        value = bytes(range(256)) * 2000
        bank_plugin.update_object(f"{folder}/big", value)
        assert bank_plugin.get_object(f"{folder}/big") == value


class TestSqliteLease(LeaseConformance):
    @pytest.fixture
    def bank_plugin(self, make_bank):
        return make_bank()

    @pytest.fixture
    def second_instance(self, make_bank):
        return make_bank()
