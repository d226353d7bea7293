# SPDX-License-Identifier: Apache-2.0
"""What a Swift bank's options mean, and how it logs in to Keystone."""

import pathlib
import shutil

import pytest

from karbor import exception
from karbor.services.protection.provider import ProviderRegistry
from karbor.services.protection.provider import register_opts as register_provider_opts
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.identity import IdentityServer, User, catalog_entry
from karbor.tests.fakes.swift_bank import swift_bank
from karbor.tests.fakes.web import Answer, WebServer

SAMPLES = pathlib.Path(__file__).resolve().parents[6] / "etc" / "providers.d"
OWN_AUTH = "http://127.0.0.1:1/auth/v1.0"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({}, "[swift_client]/swift_auth_url"),
        ({"swift_auth_url": OWN_AUTH}, "[swift_client]/swift_user"),
        (
            {"swift_auth_url": OWN_AUTH, "swift_user": "karbor", "swift_key": "secret"},
            "[swift_client]/swift_tenant_name",
        ),
    ],
)
def test_a_missing_option_is_named(options, option):
    with pytest.raises(exception.InvalidInput) as caught:
        swift_bank(**options)

    assert caught.value.kwargs["option"] == option
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a/b", "x" * 257])
def test_a_name_that_no_container_can_have_is_refused(name):
    with pytest.raises(exception.InvalidInput, match="bank_swift_object_container"):
        swift_bank(OWN_AUTH, bank_swift_object_container=name)


def test_lease_windows_out_of_order_are_refused():
    with pytest.raises(exception.InvalidInput, match="lease_renew_window"):
        swift_bank(OWN_AUTH, lease_expire_window=100, lease_renew_window=100)


def test_nothing_is_asked_before_first_use():
    plugin = swift_bank(OWN_AUTH, swift_retry_attempts=0)

    assert plugin.get_owner_id()
    with pytest.raises(exception.BankListObjectsFailed):
        plugin.list_objects()


def test_it_logs_in_to_keystone_and_again_when_the_token_is_refused():
    refused = {None}

    def answer(request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("x-auth-token") in refused:
            return Answer(401, b"")
        return Answer(200, b"[]")

    with WebServer(answer).running() as swift:
        url = f"{swift.url}/v1/AUTH_service"
        catalog = [catalog_entry("object-store", "swift", url)]
        identity = IdentityServer(
            [User("karbor", "pass", project_name="service")], catalog
        )
        with identity.running():
            plugin = swift_bank(
                swift_auth_url=identity.url,
                swift_user="karbor",
                swift_key="pass",
                swift_tenant_name="service",
                swift_retry_backoff=0,
            )
            assert plugin.list_objects() == []
            refused.update(identity.tokens)
            assert plugin.list_objects() == []

            assert len(identity.logins) == 2
        assert all(
            found.path.startswith("/v1/AUTH_service/karbor") for found in swift.requests
        )


def test_a_keystone_that_refuses_is_told():
    identity = IdentityServer([User("karbor", "pass")], [])
    with identity.running():
        plugin = swift_bank(
            swift_auth_url=identity.url,
            swift_user="karbor",
            swift_key="a wrong secret",
            swift_tenant_name="demo",
            swift_retry_backoff=0,
        )
        with pytest.raises(exception.BankListObjectsFailed) as caught:
            plugin.list_objects()

    assert "401" in str(caught.value)
    assert "a wrong secret" not in str(caught.value)


@pytest.mark.parametrize("sample", ["openstack-swift-bank.conf"])
def test_the_sample_loads_when_it_is_enabled(tmp_path, sample):
    target = pathlib.Path(shutil.copy(SAMPLES / sample, tmp_path))
    target.write_text(target.read_text().replace("enabled = False", "enabled = True"))
    conf = empty_configuration()
    register_provider_opts(conf)
    conf.set_override("provider_config_dir", str(tmp_path))
    registry = ProviderRegistry(conf)

    registry.load()

    assert registry.failures == []
    assert len(registry.list()) == 1
