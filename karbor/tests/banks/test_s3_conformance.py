# SPDX-License-Identifier: Apache-2.0
"""The S3 bank keeps the contract, on Swift's S3 interface and on moto."""

import pytest

from karbor.tests.conformance.bank import BankConformance, LeaseConformance
from karbor.tests.fakes.s3_bank import s3_bank


@pytest.fixture
def plugin(s3_server, container):
    return s3_bank(s3_server.endpoint, bank_s3_object_bucket=container)


class TestS3Bank(BankConformance):
    @pytest.fixture
    def bank_plugin(self, plugin):
        return plugin


class TestS3Lease(LeaseConformance):
    @pytest.fixture
    def bank_plugin(self, plugin):
        return plugin

    @pytest.fixture
    def second_instance(self, s3_server, container):
        return s3_bank(s3_server.endpoint, bank_s3_object_bucket=container)
