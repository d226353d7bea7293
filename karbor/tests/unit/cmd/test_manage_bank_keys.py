# SPDX-License-Identifier: Apache-2.0
"""karbor-manage bank make-key and rotate-key, as an administrator types them."""

import stat
import subprocess
import sys

import pytest

from karbor.services.protection.bank.encryption.bank_keyring import BankKeyring
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.services.protection.bank.sections import Bank
from karbor.tests.fakes.file_system_bank import file_system_bank

PROVIDER = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"


@pytest.fixture
def keys(tmp_path):
    return KeyFile(str(tmp_path / "master.keys"))


@pytest.fixture
def keyring(tmp_path, keys):
    """That of a service which has just started."""
    return lambda: BankKeyring(Bank(file_system_bank(tmp_path / "bank")), keys)


@pytest.fixture
def write_provider(tmp_path):
    (tmp_path / "providers.d").mkdir()

    def write(more="", enabled="true"):
        (tmp_path / "providers.d" / "lab.conf").write_text(
            f"[provider]\nname = lab\ndescription = lab\nenabled = True\n"
            f"id = {PROVIDER}\nplugin = karbor-noop-protection-plugin\n"
            "bank = karbor-fs-bank-plugin\n"
            f"[file_system_bank_plugin]\nfile_system_bank_path = {tmp_path}/bank\n"
            f"[bank_encryption]\nenabled = {enabled}\n"
            f"key_file = {tmp_path}/master.keys\n{more}",
            encoding="utf-8",
        )

    return write


@pytest.fixture
def manage(tmp_path, write_provider):
    write_provider()
    config = tmp_path / "karbor.conf"
    config.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n", encoding="utf-8")

    def run(command, *arguments, provider=PROVIDER):
        return subprocess.run(
            [
                *(sys.executable, "-m", "karbor.cmd.manage"),
                *("--config-file", str(config), "bank", command),
                *("--provider", provider, *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_make_key_makes_the_key_file_of_a_provider_that_cannot_load_yet(
    manage, tmp_path, keys
):
    made = manage("make-key", "--name", "first")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("Made the master key first\n")
    assert "Keep a copy" in made.stdout
    assert stat.S_IMODE((tmp_path / "master.keys").stat().st_mode) == 0o600
    assert keys.active_id() == "first"
    again = manage("make-key", "--name", "first")
    assert again.returncode == 1
    assert "master key first is not available" in again.stderr
    assert manage("make-key").returncode == 0
    assert keys.active_id().startswith("karbor-")


def test_make_key_tells_how_to_use_a_key_that_the_file_does_not_choose(
    manage, write_provider
):
    assert manage("make-key", "--name", "first").returncode == 0
    write_provider("master_key_id = first\n")
    made = manage("make-key", "--name", "second")
    assert made.returncode == 0, made.stderr
    assert "set master_key_id = second in [bank_encryption]" in made.stdout
    assert "lab.conf" in made.stdout


def test_rotate_key_frees_from_the_old_master_key(manage, keys, keyring, tmp_path):
    keys.make("first")
    used = {project: keyring().active(project) for project in ("one", "two")}
    keys.make("second")
    none = manage("rotate-key", "--project", "oen")
    assert none.returncode == 1
    assert "has no keys of project oen" in none.stderr
    one = manage("rotate-key", "--project", "one")
    assert (one.returncode, one.stderr) == (0, "")
    rest = manage("rotate-key")
    assert (rest.returncode, rest.stderr) == (0, "")
    assert rest.stdout.startswith(
        "2 projects: 1 keys rewrapped with the master key second, 1 wrapped with it "
        "already, 0 failed\n"
    )
    assert "Run it again" in rest.stdout
    assert "0 keys rewrapped" in manage("rotate-key").stdout
    path = tmp_path / "master.keys"
    lines = path.read_text().splitlines(True)
    path.write_text("".join(line for line in lines if not line.startswith("first:")))
    for project, key in used.items():
        assert keyring().get(project, key.id) == key


def test_rotate_key_names_what_it_could_not_rewrap(manage, keys, keyring, tmp_path):
    keys.make("first")
    key = keyring().active("one")
    path = tmp_path / "master.keys"
    path.unlink()
    keys.make("second")
    done = manage("rotate-key")
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "Keep every master key" in done.stdout
    assert key.id in done.stderr
    assert "no key of that name, only second" in done.stderr
    assert "Traceback" not in done.stderr


def test_rotate_key_of_a_provider_that_does_not_encrypt_is_refused(
    manage, write_provider, tmp_path
):
    (tmp_path / "bank" / "karbor").mkdir(parents=True)
    write_provider(enabled="false")
    refused = manage("rotate-key")
    assert refused.returncode == 1
    assert "does not encrypt" in refused.stderr
    unknown = manage("make-key", provider="no-such")
    assert unknown.returncode == 1
    assert "No provider file" in unknown.stderr
