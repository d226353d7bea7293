# SPDX-License-Identifier: Apache-2.0
"""The S3 bank between faults of the network and of real servers."""

import logging

import pytest

from karbor import exception
from karbor.tests.conformance.bank_faults import BankFaults
from karbor.tests.fakes.fault_proxy import Fault, FaultProxy
from karbor.tests.fakes.s3_bank import s3_bank
from karbor.tests.servers.s3 import Moto


@pytest.fixture
def proxy(s3_server):
    with FaultProxy(s3_server.port).running() as proxy:
        yield proxy


@pytest.fixture
def make(proxy, container):
    """``make(option=value, …)`` gives a plugin that goes through the proxy."""

    def make(**options):
        return s3_bank(proxy.url, bank_s3_object_bucket=container, **options)

    return make


@pytest.fixture
def bank_plugin(make):
    return make()


@pytest.fixture
def direct_plugin(s3_server, container):
    return s3_bank(s3_server.endpoint, bank_s3_object_bucket=container)


class TestS3Faults(BankFaults):
    @pytest.fixture(autouse=True)
    def kind_of_store(self, s3_server):
        self.store_checks_uploads = not isinstance(s3_server, Moto)

    @pytest.fixture
    def proxy(self, proxy):
        return proxy

    @pytest.fixture
    def bank_plugin(self, bank_plugin):
        return bank_plugin

    @pytest.fixture
    def direct_plugin(self, direct_plugin):
        return direct_plugin


def test_an_update_whose_client_has_left_may_come_late_and_is_whole(
    proxy, make, direct_plugin
):
    direct_plugin.update_object("/late", "old")
    plugin = make(read_timeout=5, s3_retry_attempts=0)
    plugin.list_objects()
    proxy.fail(Fault.HELD, method="PUT")

    with pytest.raises(exception.BankUpdateObjectFailed, match=r"(?i)time"):
        plugin.update_object("/late", "new")
    assert direct_plugin.get_object("/late") == "old"

    proxy.let_held_through()
    assert direct_plugin.get_object("/late") == "new"


def test_no_secret_is_in_an_error_or_a_log(proxy, make, caplog):
    caplog.set_level(logging.DEBUG)
    plugin = make(s3_retry_attempts=1)
    errors = []
    plugin.update_object("/value", "x")
    for fault in (Fault.UNAVAILABLE, Fault.DROP_BEFORE, Fault.CUT_ANSWER):
        proxy.always(fault)
        for call in (
            lambda: plugin.update_object("/value", "y"),
            lambda: plugin.get_object("/value"),
            plugin.list_objects,
            plugin.acquire_lease,
        ):
            try:
                call()
            except exception.BankException as error:
                errors.append(str(error))

    assert errors
    assert "testing" not in "\n".join([*errors, caplog.text])
