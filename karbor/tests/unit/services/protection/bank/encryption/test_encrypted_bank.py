# SPDX-License-Identifier: Apache-2.0
"""A provider that encrypts, from its file to the bytes on the disk."""

import hashlib
import pathlib
import random

import pytest
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank.encryption import loading
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.services.protection.bank.encryption.rotation import KeyRotation
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.provider import ProviderRegistry

ID = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"
CHUNK = 64 * 1024
MARK = b"a sentence that everybody could read in the bank, were it not encrypted. "


def content():
    """Chunks that compress, that do not, that are all zeros, and a short one."""
    text = (MARK * (CHUNK // len(MARK) + 1))[:CHUNK]
    return text + random.Random(5).randbytes(CHUNK) + bytes(CHUNK) + MARK


SMALL = MARK * 3


@pytest.fixture
def keys(tmp_path):
    made = KeyFile(str(tmp_path / "master.keys"))
    made.make("first")
    return made


@pytest.fixture
def site(tmp_path, keys):
    """A machine; each call starts a service anew and gives its provider."""
    started = []
    (tmp_path / "providers.d").mkdir()
    (tmp_path / "karbor.conf").write_text("[DEFAULT]\n")

    def start(encryption=f"enabled = true\nkey_file = {tmp_path}/master.keys\n"):
        (tmp_path / "providers.d" / "one.conf").write_text(
            f"[provider]\nname = lab\nid = {ID}\nenabled = True\n"
            "plugin = karbor-noop-protection-plugin\nbank = karbor-fs-bank-plugin\n"
            f"[file_system_bank_plugin]\nfile_system_bank_path = {tmp_path}/bank\n"
            f"[bank_streams]\nchunk_size = {CHUNK}\n[bank_encryption]\n{encryption}"
        )
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(tmp_path / "karbor.conf")])
        registry = ProviderRegistry(conf)
        registry.load()
        registry.start()
        started.append(registry)
        assert registry.failures == []
        return registry.get(ID)

    yield start
    for registry in started:
        registry.stop()


def protect(provider, project="project", data=None):
    plan = {"id": "plan", "name": "nightly", "resources": []}
    made = provider.checkpoints.create(plan, provider_id=ID, project_id=project)
    made.save_graph(ResourceGraph((), ()))
    section = made.get_resource_bank_section("v1")
    section.write_stream("disk", [content() if data is None else data])
    section.write_stream("small", [SMALL])
    made.transition("available")
    return made.id


def restore(provider, checkpoint_id, stream="disk"):
    section = provider.checkpoints.get(checkpoint_id).get_resource_bank_section("v1")
    with section.open_stream(stream) as source:
        return b"".join(source)


def files(tmp_path, below=""):
    folder = tmp_path / "bank"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and below in str(path) and "leases" not in path.parts
    }


def chunk_names(tmp_path, project):
    found = files(tmp_path, f"/chunks/{project}/data/")
    return {pathlib.Path(path).name.partition(".")[0] for path in found}


def test_what_is_protected_comes_back_after_a_restart(site):
    made = protect(site())
    again = site()
    assert restore(again, made) == content()
    assert restore(again, made, "small") == SMALL


def test_the_bank_has_neither_content_nor_its_digests_nor_a_secret(
    site, tmp_path, keys
):
    protect(site())
    data = content()
    chunks = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]
    found = files(tmp_path)
    assert len(found) > 8
    for path, stored in found.items():
        haystack = path.encode() + b"\n" + stored
        assert MARK[:16] not in haystack, path
        assert chunks[1][:32] not in haystack, path
        for plain in [*chunks, data, SMALL]:
            digest = hashlib.sha256(plain)
            assert digest.hexdigest().encode() not in haystack, path
            assert digest.digest() not in haystack, path
        assert keys.get("first") not in haystack, path


def test_two_projects_with_one_content_have_no_name_in_common(site, tmp_path):
    provider = site()
    protect(provider, "one")
    protect(provider, "two")
    one, two = chunk_names(tmp_path, "one"), chunk_names(tmp_path, "two")
    assert one
    assert len(one) == len(two)
    assert not one & two


def test_a_project_stores_what_it_has_only_once_over_restarts(site, tmp_path):
    first = protect(site())
    before = files(tmp_path, "/data/")
    second = protect(site())
    assert files(tmp_path, "/data/") == before
    assert restore(site(), first) == restore(site(), second) == content()


@pytest.mark.parametrize("encryption", ["enabled = false\n", ""])
def test_a_provider_without_keys_says_that_they_are_missing(site, encryption):
    made = protect(site())
    for stream in ("disk", "small"):
        with pytest.raises(exception.DataKeyUnavailable) as error:
            restore(site(encryption), made, stream)
        assert "project" in str(error.value)
        assert "[bank_encryption]" in str(error.value)


def test_another_master_key_under_the_same_name_says_so(site, tmp_path, keys):
    made = protect(site())
    (tmp_path / "master.keys").unlink()
    keys.make("first")
    with pytest.raises(exception.DataKeyUnavailable, match="does not unwrap it"):
        restore(site(), made)
    with pytest.raises(exception.DataKeyUnavailable, match="does not unwrap it"):
        protect(site())


def test_a_lost_key_object_says_which(site, tmp_path):
    made = protect(site())
    [path] = files(tmp_path, "/keys/")
    (tmp_path / "bank" / path).unlink()
    with pytest.raises(exception.DataKeyUnavailable) as error:
        restore(site(), made)
    assert pathlib.Path(path).name in str(error.value)


def test_a_rotation_leaves_data_as_it_is_and_frees_from_the_old_master_key(
    site, tmp_path, keys
):
    made = [protect(site(), project) for project in ("one", "two")]
    running = site()
    before = files(tmp_path)
    keys.make("second")
    both = (tmp_path / "master.keys").read_text()
    only_second = "".join(
        line for line in both.splitlines(True) if not line.startswith("first:")
    )
    (tmp_path / "master.keys").write_text(only_second)
    for checkpoint_id in made:
        with pytest.raises(exception.DataKeyUnavailable, match="master key first"):
            restore(site(), checkpoint_id)
    (tmp_path / "master.keys").write_text(both)

    provider = site()
    master_keys = loading.load_master_keys(provider.file)
    done = KeyRotation(provider.bank, master_keys).run()
    assert (done.master_key_id, done.rewrapped, done.failed) == ("second", 2, [])

    after = files(tmp_path)
    assert after.keys() == before.keys()
    changed = {path for path in after if after[path] != before[path]}
    assert len([path for path in changed if not path.startswith(".")]) >= 2
    assert all("/keys/" in path for path in changed)

    (tmp_path / "master.keys").write_text(only_second)
    for checkpoint_id in made:
        assert restore(site(), checkpoint_id) == content()
        assert restore(running, checkpoint_id) == content()
    assert restore(running, protect(running, "one")) == content()


def test_data_from_before_encryption_stays_readable(site):
    plain = protect(site("enabled = false\n"))
    provider = site()
    encrypted = protect(provider)
    assert restore(provider, plain) == restore(provider, encrypted) == content()


def test_a_flipped_bit_in_any_object_of_a_project_is_an_error(site, tmp_path):
    made = protect(site())
    for path, stored in files(tmp_path, "/chunks/project/").items():
        if "/keys/" in path and not path.rpartition("/")[2].isalnum():
            continue
        target = tmp_path / "bank" / path
        damaged = bytearray(stored)
        damaged[len(stored) // 2] ^= 4
        target.write_bytes(damaged)
        with pytest.raises(exception.BankException):
            restore(site(), made)
        target.write_bytes(stored)
    assert restore(site(), made) == content()
