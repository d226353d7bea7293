# SPDX-License-Identifier: Apache-2.0
"""The Swift bank between faults of the network and of a real Swift."""

import logging
import threading

import pytest

from karbor import exception
from karbor.tests.conformance.bank_faults import BankFaults
from karbor.tests.fakes.fault_proxy import Fault, FaultProxy
from karbor.tests.fakes.swift_bank import swift_bank


@pytest.fixture
def proxy(swift_server):
    with FaultProxy(swift_server.port).running() as proxy:
        yield proxy


@pytest.fixture
def make(proxy, container):
    """``make(option=value, …)`` gives a plugin that goes through the proxy."""

    def make(**options):
        return swift_bank(
            f"{proxy.url}/auth/v1.0", bank_swift_object_container=container, **options
        )

    return make


@pytest.fixture
def bank_plugin(make):
    return make()


@pytest.fixture
def direct_plugin(swift_server, container):
    return swift_bank(swift_server.url, bank_swift_object_container=container)


class TestSwiftFaults(BankFaults):
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
    plugin = make(read_timeout=5, swift_retry_attempts=0)
    plugin.list_objects()
    proxy.fail(Fault.HELD, method="PUT")

    with pytest.raises(exception.BankUpdateObjectFailed, match="timed out"):
        plugin.update_object("/late", "new")
    assert direct_plugin.get_object("/late") == "old"

    proxy.let_held_through()
    assert direct_plugin.get_object("/late") == "new"


def test_a_put_that_lost_against_a_newer_version_is_put_again(
    swift_server, proxy, bank_plugin, container
):
    """Swift answers 202 to a PUT that is older than what it has."""
    bank_plugin.update_object("/value", "first")
    answers = proxy.answer_next(202, method="PUT", path="/value")

    bank_plugin.update_object("/value", "second")

    assert answers == [202]
    assert bank_plugin.get_object("/value") == "second"


def test_a_put_that_always_loses_is_an_error(proxy, bank_plugin):
    bank_plugin.update_object("/value", "first")
    proxy.answer_always(202, method="PUT", path="/value")

    with pytest.raises(exception.BankUpdateObjectFailed, match="newer version"):
        bank_plugin.update_object("/value", "second")


def test_a_refused_token_is_asked_for_anew(proxy, bank_plugin):
    bank_plugin.update_object("/value", "first")
    proxy.answer_next(401, method="PUT", path="/value")

    bank_plugin.update_object("/value", "second")

    assert bank_plugin.get_object("/value") == "second"
    logins = [found for found in proxy.requests if found.path.startswith("/auth")]
    assert len(logins) == 2


def test_threads_share_one_token(proxy, bank_plugin):
    threads = [
        threading.Thread(target=bank_plugin.update_object, args=(f"/value/{n}", n))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(bank_plugin.list_objects()) == 8
    logins = [found for found in proxy.requests if found.path.startswith("/auth")]
    assert len(logins) == 1


def test_what_changes_is_asked_of_all_replicas(proxy, bank_plugin):
    bank_plugin.update_object("/checkpoints/x/index.json", {})
    bank_plugin.update_object("/checkpoints/x/.streams/data/disk/1/000000/0000", b"")

    bank_plugin.get_object("/checkpoints/x/index.json")
    bank_plugin.get_object("/checkpoints/x/.streams/data/disk/1/000000/0000")

    changing, once = (
        found
        for found in proxy.requests
        if found.method == "GET" and "checkpoints" in found.path
    )
    assert changing.headers.get("x-newest") == "true"
    assert "x-newest" not in once.headers


def test_no_secret_is_in_an_error_or_a_log(proxy, make, caplog):
    caplog.set_level(logging.DEBUG)
    plugin = make(swift_retry_attempts=1)
    errors = []
    plugin.update_object("/value", "x")
    for fault in (Fault.UNAVAILABLE, Fault.DROP_BEFORE, Fault.CUT_ANSWER):
        proxy.always(fault)
        for call in (
            lambda: plugin.update_object("/value", "y"),
            lambda: plugin.get_object("/value"),
            plugin.list_objects,
            plugin.acquire_lease,
            make(swift_retry_attempts=0).list_objects,
        ):
            try:
                call()
            except exception.BankException as error:
                errors.append(str(error))
    proxy.plan = lambda request: None
    with pytest.raises(exception.BankListObjectsFailed, match="credentials") as caught:
        make(swift_key="a wrong secret").list_objects()
    errors.append(str(caught.value))

    text = "\n".join([*errors, caplog.text])
    secrets = {found.headers.get("x-auth-token") for found in proxy.requests} - {None}
    assert secrets
    for secret in (*secrets, "testing", "a wrong secret"):
        assert secret not in text
    for token in secrets:
        assert token.removeprefix("AUTH_tk")[:4] not in text
