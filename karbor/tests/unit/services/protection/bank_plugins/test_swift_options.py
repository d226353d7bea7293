# SPDX-License-Identifier: Apache-2.0
"""What a Swift bank's options mean, and how it logs in to Keystone."""

import pathlib
import shutil
import socket

import keystoneauth1.exceptions
import pytest
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank_plugins.swift.account import SwiftErrors
from karbor.services.protection.bank_plugins.swift_bank_plugin import SwiftBankPlugin
from karbor.services.protection.clients import sessions
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


def own_credentials(tmp_path, auth_url):
    """The configuration of a bank that logs in as Karbor itself."""
    path = tmp_path / "bank.conf"
    path.write_text(
        f"""[service_auth]
auth_type = password
auth_url = {auth_url}
username = karbor
password = pass
project_name = service
user_domain_name = Default
project_domain_name = Default
[swift_client]
swift_retry_attempts = 0
"""
    )
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    return conf


def test_it_is_loaded_while_the_keystone_of_karbors_own_credentials_is_away(tmp_path):
    with WebServer(lambda request: Answer(200, b"[]")).running() as swift:
        catalog = [catalog_entry("object-store", "swift", f"{swift.url}/v1/AUTH_k")]
        identity = IdentityServer(
            [User("karbor", "pass", project_name="service")], catalog
        )
        identity.fail_with = 400
        with identity.running():
            plugin = SwiftBankPlugin(own_credentials(tmp_path, identity.url))
            with pytest.raises(exception.BankListObjectsFailed):
                plugin.list_objects()
            identity.fail_with = None

            assert plugin.list_objects() == []


def test_a_keystone_that_cannot_be_reached_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "KEYSTONE_RETRIES", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v3"
        plugin = SwiftBankPlugin(own_credentials(tmp_path, url))
        with pytest.raises(exception.BankListObjectsFailed, match=url) as caught:
            plugin.list_objects()

    assert caught.value.__cause__.retryable


def test_an_endpoint_missing_from_the_catalogue_is_told(tmp_path):
    identity = IdentityServer([User("karbor", "pass", project_name="service")], [])
    with identity.running():
        plugin = SwiftBankPlugin(own_credentials(tmp_path, identity.url))
        with pytest.raises(exception.BankListObjectsFailed, match="swift_endpoint"):
            plugin.list_objects()


@pytest.mark.parametrize(
    ("error", "is_transient"),
    [
        (keystoneauth1.exceptions.ConnectFailure("refused"), True),
        (keystoneauth1.exceptions.ConnectTimeout("no answer"), True),
        (keystoneauth1.exceptions.ServiceUnavailable(), True),
        (keystoneauth1.exceptions.SSLError("no trust"), False),
        (keystoneauth1.exceptions.EndpointNotFound("none"), False),
    ],
)
def test_another_try_is_made_where_keystone_may_answer_it(error, is_transient):
    assert SwiftErrors().is_transient(error) is is_transient


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
