# SPDX-License-Identifier: Apache-2.0
"""The Swift bank keeps the contract, on a real Swift."""

import pytest

from karbor.tests.conformance.bank import BankConformance, LeaseConformance
from karbor.tests.fakes.swift_bank import swift_bank


class TestSwiftBank(BankConformance):
    @pytest.fixture
    def bank_plugin(self, swift_server, container):
        return swift_bank(swift_server.url, bank_swift_object_container=container)


class TestSwiftBankWithPrefix(BankConformance):
    @pytest.fixture
    def bank_plugin(self, swift_server, container):
        return swift_bank(
            swift_server.url,
            bank_swift_object_container=container,
            bank_swift_object_prefix="/",
        )


class TestSwiftLease(LeaseConformance):
    @pytest.fixture
    def bank_plugin(self, swift_server, container):
        return swift_bank(swift_server.url, bank_swift_object_container=container)

    @pytest.fixture
    def second_instance(self, swift_server, container):
        return swift_bank(swift_server.url, bank_swift_object_container=container)
