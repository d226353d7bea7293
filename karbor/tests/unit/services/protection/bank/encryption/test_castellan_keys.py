# SPDX-License-Identifier: Apache-2.0
"""Master keys in a key manager, by castellan: its own mock, and Vault's interface."""

import socket

import pytest
from castellan.common.objects import opaque_data, symmetric_key
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank.encryption import castellan_keys
from karbor.services.protection.bank.encryption.castellan_keys import (
    CastellanMasterKeys,
)
from karbor.tests.fakes import castellan_manager, vault
from karbor.tests.fakes.castellan_manager import SharedKeyManager


def configuration(tmp_path, text):
    path = tmp_path / "provider.conf"
    path.write_text(text)
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)], default_config_dirs=[])
    return conf


@pytest.fixture(autouse=True)
def shared():
    SharedKeyManager.shared.clear()
    yield SharedKeyManager.shared
    SharedKeyManager.shared.clear()


@pytest.fixture
def mock_conf(tmp_path):
    return configuration(
        tmp_path, f"[key_manager]\nbackend = {castellan_manager.BACKEND}\n"
    )


@pytest.fixture
def server():
    with vault.FakeVault() as running:
        yield running


@pytest.fixture
def vault_conf(tmp_path, server):
    return configuration(
        tmp_path,
        f"[key_manager]\nbackend = vault\n[vault]\nvault_url = {server.url}\n"
        f"approle_role_id = {vault.ROLE}\napprole_secret_id = {vault.SECRET}\n"
        "kv_path = karbor\n",
    )


@pytest.fixture(params=["mock", "vault"])
def conf(request):
    return request.getfixturevalue(f"{request.param}_conf")


def test_a_key_that_was_made_is_found_by_its_id_by_others(conf):
    made = CastellanMasterKeys(conf, "none yet").make("karbor-lab")
    others = CastellanMasterKeys(conf, made)
    assert others.active_id() == made
    assert len(others.get(made)) == 32
    assert others.get(made) == CastellanMasterKeys(conf, made).get(made)
    second = others.make("karbor-lab")
    assert second != made
    assert others.get(second) != others.get(made)
    assert others.active_id() == made, "the provider's file says which one is active"


def test_a_key_that_is_not_there_is_no_matter_of_time(conf):
    keys = CastellanMasterKeys(conf, "lost")
    with pytest.raises(exception.MasterKeyUnavailable, match="no such key") as error:
        keys.get("lost")
    assert "lost" in str(error.value)
    assert "master_key_id" in str(error.value)
    assert not error.value.retryable


@pytest.mark.parametrize("size", [16, 31, 33, 64])
def test_what_is_no_256_bit_key_is_refused(mock_conf, shared, size):
    key = symmetric_key.SymmetricKey("AES", size * 8, b"s" * size)
    shared["short"] = key
    with pytest.raises(exception.MasterKeyUnavailable, match=f"has {size} bytes") as e:
        CastellanMasterKeys(mock_conf, "short").get("short")
    assert "sss" not in str(e.value)


def test_opaque_data_of_the_right_size_is_a_key_too(mock_conf, shared):
    shared["opaque"] = opaque_data.OpaqueData(b"o" * 32)
    assert CastellanMasterKeys(mock_conf, "opaque").get("opaque") == b"o" * 32


def test_a_name_that_cannot_be_an_id_is_refused(mock_conf, shared):
    with pytest.raises(exception.MasterKeyUnavailable, match="no name for a key"):
        CastellanMasterKeys(mock_conf, "x").make("two words")
    assert not shared


def test_a_key_manager_that_castellan_does_not_have_is_named(tmp_path):
    conf = configuration(tmp_path, "[key_manager]\nbackend = no.such.Manager\n")
    with pytest.raises(exception.MasterKeyUnavailable, match="cannot be set up") as e:
        CastellanMasterKeys(conf, "x")
    assert e.value.kwargs["option"] == "[key_manager]"


def test_barbican_without_credentials_says_where_to_give_them(tmp_path):
    conf = configuration(
        tmp_path, "[barbican]\nbarbican_endpoint = http://127.0.0.1:9\n"
    )
    with pytest.raises(exception.MasterKeyUnavailable) as error:
        CastellanMasterKeys(conf, "x").get("x")
    assert "[service_auth]" in str(error.value)
    assert "[key_manager]" in str(error.value)
    assert not error.value.retryable


def test_a_barbican_that_does_not_answer_may_be_asked_again(tmp_path):
    conf = configuration(
        tmp_path,
        "[barbican]\nbarbican_endpoint = http://127.0.0.1:9\n"
        "[service_auth]\nauth_type = admin_token\nendpoint = http://127.0.0.1:9\n"
        "token = very-secret-token\n",
    )
    key_id = "5d3fa3a6-2d0c-4b2a-9f25-5e6b3c0c5e0e"
    with pytest.raises(exception.MasterKeyUnavailable) as error:
        CastellanMasterKeys(conf, key_id).get(key_id)
    assert error.value.retryable
    assert "very-secret-token" not in str(error.value)


def test_a_barbican_that_hangs_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(castellan_keys, "_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        conf = configuration(
            tmp_path,
            f"[barbican]\nbarbican_endpoint = {url}\nbarbican_api_version = v1\n"
            f"[service_auth]\nauth_type = admin_token\nendpoint = {url}\n"
            "token = karbor:service\n",
        )
        key_id = "5d3fa3a6-2d0c-4b2a-9f25-5e6b3c0c5e0e"
        with pytest.raises(exception.MasterKeyUnavailable, match="timed out") as error:
            CastellanMasterKeys(conf, key_id).get(key_id)
    assert error.value.retryable


def test_castellans_own_credentials_are_used_when_they_are_given(tmp_path):
    conf = configuration(
        tmp_path,
        "[key_manager]\nauth_type = keystone_password\npassword = very-secret\n"
        "username = karbor\nauth_url = http://127.0.0.1:9/v3\nproject_name = service\n"
        "[barbican]\nbarbican_endpoint = http://127.0.0.1:9\n",
    )
    key_id = "5d3fa3a6-2d0c-4b2a-9f25-5e6b3c0c5e0e"
    with pytest.raises(
        exception.MasterKeyUnavailable, match=r"127\.0\.0\.1:9/v3"
    ) as error:
        CastellanMasterKeys(conf, key_id).get(key_id)
    assert error.value.retryable
    assert "very-secret" not in str(error.value)


def test_a_sealed_or_stopped_vault_may_be_asked_again(vault_conf, server):
    made = CastellanMasterKeys(vault_conf, "x").make("one")
    server.sealed = True
    keys = CastellanMasterKeys(vault_conf, made)
    with pytest.raises(exception.MasterKeyUnavailable, match="Unavailable") as error:
        keys.get(made)
    assert error.value.retryable
    server.sealed = False
    assert len(keys.get(made)) == 32
    server.sealed = True
    assert len(keys.get(made)) == 32, "it was fetched before"


def test_wrong_credentials_of_vault_are_no_matter_of_time(vault_conf):
    # castellan registers the group.
    CastellanMasterKeys(vault_conf, "x")
    vault_conf.set_override("approle_secret_id", "wrong-secret", "vault")
    with pytest.raises(exception.MasterKeyUnavailable, match="invalid role") as error:
        CastellanMasterKeys(vault_conf, "x").get("x")
    assert not error.value.retryable
    assert "wrong-secret" not in str(error.value)


def test_a_store_that_vault_did_not_take_is_not_believed(vault_conf):
    CastellanMasterKeys(vault_conf, "x")
    vault_conf.set_override("kv_mountpoint", "nowhere", "vault")
    with pytest.raises(exception.MasterKeyUnavailable, match="no such key"):
        CastellanMasterKeys(vault_conf, "x").make("one")
