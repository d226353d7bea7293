# SPDX-License-Identifier: Apache-2.0
"""Providers that encrypt, as their files say it."""

import base64

import pytest
from oslo_config import cfg

from karbor.services.protection.bank.encryption import loading
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.services.protection.bank.encryption.rotation import KeyRotation
from karbor.services.protection.provider import ProviderRegistry
from karbor.tests.fakes import castellan_manager, vault
from karbor.tests.fakes.castellan_manager import SharedKeyManager

ID = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "master.keys"
    KeyFile(str(path)).make("one")
    return path


@pytest.fixture
def load(tmp_path):
    """The provider whose file has these groups besides, or why it has not loaded."""
    folder = tmp_path / "providers.d"
    folder.mkdir()
    (tmp_path / "karbor.conf").write_text("[DEFAULT]\n")

    def load(text):
        (folder / "one.conf").write_text(
            f"[provider]\nname = lab\nid = {ID}\nenabled = True\n"
            "plugin = karbor-noop-protection-plugin\nbank = karbor-fs-bank-plugin\n"
            f"[file_system_bank_plugin]\nfile_system_bank_path = {tmp_path}/bank\n"
            + text
        )
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(tmp_path / "karbor.conf")])
        registry = ProviderRegistry(conf)
        registry.load()
        found = registry.find(ID)
        return found or registry.failures[0]

    return load


def test_without_the_group_nothing_is_encrypted(load):
    provider = load("")
    assert provider.bank.chunk_space("p").active_key() is None
    assert load("[bank_encryption]\nenabled = false\n").id == ID


def test_a_key_file_makes_a_keyring(load, keys, tmp_path):
    provider = load(f"[bank_encryption]\nenabled = true\nkey_file = {keys}\n")
    key = provider.bank.chunk_space("p").active_key()
    assert key is not None
    assert provider.bank.list_objects("/chunks/") == [f"/chunks/p/keys/{key.id}"]


@pytest.mark.parametrize(
    ("text", "option", "reason"),
    [
        ("", "key_file", "absolute path"),
        ("key_file = relative/path\n", "key_file", "absolute path"),
        ("key_file = {tmp}/none\n", "key_file", "make-key"),
        ("key_file = {keys}\nmaster_key_id = two\n", "master_key_id", "only one"),
        ("key_file = {keys}\nmaster_key_id = t w o\n", "master_key_id", "no key's id"),
        ("key_manager = vault\n", "key_manager", "vault"),
        ("key_manager = castellan\n", "master_key_id", "make-key"),
        ("key_fil = {keys}\n", "key_fil", "did you mean 'key_file'?"),
    ],
)
def test_a_mistake_is_told_with_its_option_when_the_provider_loads(
    load, keys, tmp_path, text, option, reason
):
    text = text.format(keys=keys, tmp=tmp_path)
    failure = load(f"[bank_encryption]\nenabled = true\n{text}")
    assert failure.option == f"[bank_encryption] {option}"
    assert reason in failure.reason


def test_a_switch_that_is_misspelt_does_not_leave_data_unencrypted(load, keys):
    failure = load(f"[bank_encryption]\nenabeld = true\nkey_file = {keys}\n")
    assert failure.option == "[bank_encryption] enabeld"
    assert "did you mean 'enabled'?" in failure.reason
    failure = load(f"[bank_encryption]\nenabled = perhaps\nkey_file = {keys}\n")
    assert failure.option == "[bank_encryption] enabled"


def test_a_key_file_that_others_may_read_is_told(load, keys):
    keys.chmod(0o644)
    failure = load(f"[bank_encryption]\nenabled = true\nkey_file = {keys}\n")
    assert failure.option == "[bank_encryption] key_file"
    assert "chmod 600" in failure.reason


CASTELLAN = "[bank_encryption]\nenabled = true\nkey_manager = castellan\n"


def test_a_key_manager_makes_a_keyring(load):
    SharedKeyManager.shared.clear()
    group = f"[key_manager]\nbackend = {castellan_manager.BACKEND}\n"
    failure = load(f"{CASTELLAN}master_key_id = not-there\n{group}")
    assert failure.option == "[bank_encryption] master_key_id"
    assert "no such key" in failure.reason
    text = CASTELLAN.replace("enabled = true", "enabled = false") + group
    made = loading.load_master_keys(load(text).file, making=True).make("lab")
    provider = load(f"{CASTELLAN}master_key_id = {made}\n{group}")
    assert provider.bank.chunk_space("p").active_key() is not None


def test_one_can_move_from_a_key_file_to_a_key_manager_and_back(load, keys):
    SharedKeyManager.shared.clear()
    before = load(f"[bank_encryption]\nenabled = true\nkey_file = {keys}\n")
    key = before.bank.chunk_space("p").active_key()

    def rotated(provider):
        master_keys = loading.load_master_keys(provider.file)
        return KeyRotation(provider.bank, master_keys).run().rewrapped

    group = f"[key_manager]\nbackend = {castellan_manager.BACKEND}\n"
    disabled = CASTELLAN.replace("enabled = true", "enabled = false") + group
    made = loading.load_master_keys(load(disabled).file, making=True).make("lab")
    moving = load(f"{CASTELLAN}master_key_id = {made}\nkey_file = {keys}\n{group}")
    assert moving.bank.chunk_space("p").find_key(key.id) == key
    assert rotated(moving) == 1
    keys.unlink()
    moved = load(f"{CASTELLAN}master_key_id = {made}\n{group}")
    assert moved.bank.chunk_space("p").find_key(key.id) == key

    encoded = base64.b64encode(SharedKeyManager.shared[made].get_encoded()).decode()
    keys.write_text(f"{made}:{encoded}\n")
    keys.chmod(0o600)
    back = load(f"[bank_encryption]\nenabled = true\nkey_file = {keys}\n")
    assert back.bank.chunk_space("p").find_key(key.id) == key


def test_credentials_that_castellan_cannot_use_are_told(load):
    failure = load(
        f"{CASTELLAN}master_key_id = x\n[key_manager]\nauth_type = nonsense\n"
    )
    assert failure.option == "[key_manager]"


def test_a_key_manager_that_is_down_keeps_no_provider_from_loading(load, caplog):
    with vault.FakeVault() as server:
        server.sealed = True
        provider = load(
            f"{CASTELLAN}master_key_id = master\n[key_manager]\nbackend = vault\n"
            f"[vault]\nvault_url = {server.url}\napprole_role_id = {vault.ROLE}\n"
            f"approle_secret_id = {vault.SECRET}\n"
        )
        assert provider.id == ID
        assert "Nothing can be protected or restored until it is" in caplog.text
        server.sealed = False
        made = provider.file.conf  # castellan's groups are the provider's own
        assert made.vault.vault_url == server.url
        keys = loading.load_master_keys(provider.file)
        server.kept["master"] = {
            "type": "symmetric",
            "value": "00" * 32,
            "algorithm": "AES",
            "bit_length": 256,
            "name": "master",
            "created": 0,
        }
        assert keys.get("master") == bytes(32)
        assert provider.bank.chunk_space("p").active_key() is not None
