# SPDX-License-Identifier: Apache-2.0
"""Master keys in a real Barbican, by castellan, from the command line to the data."""

import subprocess
import sys

import pytest
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank.encryption import loading
from karbor.services.protection.provider import ProviderRegistry
from karbor.tests.servers.barbican import Barbican

PROVIDER = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"
DATA = b"what is protected " * 10_000


@pytest.fixture(scope="module")
def barbican():
    with Barbican() as server:
        yield server


@pytest.fixture
def own_barbican():
    """A Barbican that the test may stop."""
    with Barbican() as server:
        yield server


class Site:
    """A machine with one provider; it may be started any number of times."""

    def __init__(self, folder, barbican):
        self._folder = folder
        self._barbican = barbican
        (folder / "providers.d").mkdir()
        (folder / "karbor.conf").write_text(f"[DEFAULT]\nstate_path = {folder}\n")

    def write(self, master_key_id=None, project="karbor-service"):
        named = "" if master_key_id is None else f"master_key_id = {master_key_id}\n"
        url = self._barbican.url
        (self._folder / "providers.d" / "lab.conf").write_text(
            f"[provider]\nname = lab\nenabled = True\nid = {PROVIDER}\n"
            "plugin = karbor-noop-protection-plugin\nbank = karbor-fs-bank-plugin\n"
            f"[file_system_bank_plugin]\nfile_system_bank_path = {self._folder}/bank\n"
            f"[bank_encryption]\nenabled = true\nkey_manager = castellan\n{named}"
            "[key_manager]\nbackend = barbican\n"
            f"[barbican]\nbarbican_endpoint = {url}\n"
            f"[service_auth]\nauth_type = admin_token\nendpoint = {url}\n"
            f"token = karbor:{project}\n"
        )

    def registry(self):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(self._folder / "karbor.conf")])
        registry = ProviderRegistry(conf)
        registry.load()
        return registry

    def bank(self):
        registry = self.registry()
        assert registry.failures == []
        return registry.get(PROVIDER).bank

    def manage(self, *arguments):
        command = [sys.executable, "-m", "karbor.cmd.manage", "--config-file"]
        command += [str(self._folder / "karbor.conf"), "bank", *arguments]
        done = subprocess.run(
            [*command, "--provider", PROVIDER],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_key(self):
        return (
            self.manage("make-key").splitlines()[0].removeprefix("Made the master key ")
        )


@pytest.fixture
def site(tmp_path, barbican):
    return Site(tmp_path, barbican)


def write(bank, project="project"):
    section = bank.get_sub_section("checkpoints/c1/resource-data/v1", True, project)
    section.write_stream("disk", [DATA])


def read(bank, project="project"):
    section = bank.get_sub_section("checkpoints/c1/resource-data/v1", False, project)
    with section.open_stream("disk") as source:
        return b"".join(source)


def test_data_is_encrypted_by_a_key_that_barbican_keeps(site):
    site.write()
    [failure] = site.registry().failures
    assert failure.option == "[bank_encryption] master_key_id"
    made = site.make_key()
    site.write(made)
    write(site.bank())
    assert read(site.bank()) == DATA


def test_a_rotation_frees_from_a_secret_that_barbican_then_deletes(site):
    site.write()
    first = site.make_key()
    site.write(first)
    write(site.bank())
    second = site.make_key()
    site.write(second)
    assert "1 keys rewrapped" in site.manage("rotate-key")
    assert "0 keys rewrapped" in site.manage("rotate-key")
    keys = loading.load_master_keys(site.registry().get(PROVIDER).file)
    keys._manager.delete(keys._context, first)
    with pytest.raises(exception.MasterKeyUnavailable, match="no such key"):
        keys.get(first)
    assert read(site.bank()) == DATA


def test_another_projects_secret_is_not_shown(site):
    site.write()
    made = site.make_key()
    site.write(made)
    write(site.bank())
    site.write(made, project="strangers")
    [failure] = site.registry().failures
    assert failure.option == "[bank_encryption] master_key_id"
    assert made in failure.reason


def test_nonsense_for_an_id_is_told_when_the_provider_loads(site):
    site.write("no-uuid")
    [failure] = site.registry().failures
    assert failure.option == "[bank_encryption] master_key_id"
    assert "UUID" in failure.reason
    site.write("5d3fa3a6-2d0c-4b2a-9f25-5e6b3c0c5e0e")
    [failure] = site.registry().failures
    assert "no such key" in failure.reason


def test_a_barbican_that_is_down_is_waited_for(tmp_path, own_barbican):
    site = Site(tmp_path, own_barbican)
    site.write()
    made = site.make_key()
    site.write(made)
    running = site.bank()
    write(running)
    own_barbican.kill()
    assert read(running) == DATA, "the key is in memory"
    started = site.bank()
    with pytest.raises(exception.DataKeyUnavailable) as error:
        read(started)
    assert error.value.retryable
    own_barbican.start()
    assert read(started) == DATA
