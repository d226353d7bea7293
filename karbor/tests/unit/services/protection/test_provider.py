# SPDX-License-Identifier: Apache-2.0
"""Providers from real files: those that load, and each mistake that one can make."""

import os
import pathlib
import shutil

import pytest
from oslo_config import cfg
from stevedore import extension

from karbor import exception
from karbor.common import constants
from karbor.services.protection.checkpoints.lock_policy import LockPolicy
from karbor.services.protection.provider import ProviderRegistry
from karbor.tests.fakes import distribution
from karbor.tests.fakes.protection import IMAGE, OPTIONS

ID = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"
OTHER_ID = "b766f37c-d011-4026-8228-28730d734a3f"
SAMPLES = pathlib.Path(__file__).parents[5] / "etc/providers.d"

GOOD = """\
[provider]
name = Good
description = a good one
id = {id}
plugin = test-image
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {bank}
"""


@pytest.fixture
def service(tmp_path):
    """The service's configuration, with the providers' folder beside its file."""
    (tmp_path / "providers.d").mkdir()
    (tmp_path / "karbor.conf").write_text("[DEFAULT]\n")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(tmp_path / "karbor.conf")])
    return conf


@pytest.fixture(autouse=True)
def plugins(tmp_path, monkeypatch):
    classes = {
        "test-image": "ImagePlugin",
        "test-other-image": "OtherImagePlugin",
        "test-draft-four": "DraftFourPlugin",
        "test-bad-schema": "BadSchemaPlugin",
        "test-remote-schema": "RemoteSchemaPlugin",
        "test-exploding": "ExplodingPlugin",
        "test-empty": "EmptyPlugin",
        "test-memory-bank": "MemoryBankPlugin",
        "test-exploding-bank": "ExplodingBank",
        "test-leaseless-bank": "LeaselessBank",
        "test-no-class": "IMAGE",
        "test-missing-class": "NoSuchPlugin",
    }
    points = {
        name: f"karbor.tests.fakes.protection:{target}"
        for name, target in classes.items()
    }
    points["test-unimportable"] = "karbor.tests.fakes.no_such_module:Plugin"
    folder = distribution.install(tmp_path / "dist", {"karbor.protections": points})
    monkeypatch.syspath_prepend(str(folder))
    # stevedore remembers for as long as the process lives.
    monkeypatch.setattr(extension.ExtensionManager, "ENTRY_POINT_CACHE", {})


@pytest.fixture
def write(tmp_path):
    """Put a provider's file into the folder, with pieces of it replaced."""

    def write(name="good.conf", replace=None, text=GOOD, provider_id=ID):
        content = text.format(id=provider_id, bank=tmp_path / "bank")
        for old, new in (replace or {}).items():
            assert old in content
            content = content.replace(old, new)
        path = tmp_path / "providers.d" / name
        path.write_text(content)
        return path

    return write


@pytest.fixture
def registry(service):
    registry = ProviderRegistry(service)
    yield registry
    registry.stop()


def test_a_provider_is_as_its_file_says(registry, write):
    write()
    registry.load()
    assert registry.failures == []
    provider = registry.get(ID)
    assert (provider.id, provider.name, provider.description) == (
        ID,
        "Good",
        "a good one",
    )
    assert provider.resource_types == [IMAGE]
    assert provider.plugin_for(IMAGE) is provider.plugin_for(IMAGE)
    with pytest.raises(exception.ProtectionPluginNotFound, match="OS::Nova::Server"):
        provider.plugin_for("OS::Nova::Server")
    assert provider.to_dict() == {
        "id": ID,
        "name": "Good",
        "description": "a good one",
        "extended_info_schema": {
            "options_schema": {IMAGE: OPTIONS},
            "restore_schema": {
                IMAGE: {"properties": {"restore_name": {"type": "string"}}}
            },
            "verify_schema": {IMAGE: {}},
            "saved_info_schema": {
                IMAGE: {"properties": {"image_metadata": {"type": "image"}}}
            },
        },
    }


def test_checkpoints_of_a_provider_are_kept_in_its_bank(registry, write, tmp_path):
    write()
    registry.load()
    registry.start()
    provider = registry.get(ID)
    checkpoint = provider.checkpoints.create(
        {"id": "plan"}, provider_id=ID, project_id="p"
    )
    [found] = tmp_path.glob(f"bank/*/checkpoints/{checkpoint.id}/index.json")
    assert found.is_file()
    assert provider.is_alive(provider.owner_id)
    assert not provider.is_alive("someone-else")


def test_a_checkpoint_is_not_committed_when_the_lease_was_given_back(registry, write):
    write()
    registry.load()
    registry.start()
    provider = registry.get(ID)
    registry.stop()
    with pytest.raises(exception.LeaseLost):
        provider.checkpoints.create({"id": "plan"}, provider_id=ID, project_id="p")


def test_the_samples_load(registry, tmp_path):
    for sample in SAMPLES.glob("*.conf"):
        target = shutil.copy(sample, tmp_path / "providers.d")
        text = pathlib.Path(target).read_text()
        pathlib.Path(target).write_text(
            text.replace("/var/lib/karbor", str(tmp_path / "banks"))
        )
    registry.load()
    assert registry.failures == []
    assert [provider.id for provider in registry.list()] == [ID, OTHER_ID]
    openstack = set(constants.RESOURCE_TYPES) - {constants.PROJECT_RESOURCE_TYPE}
    assert set(registry.get(ID).resource_types) == openstack
    assert IMAGE in registry.get(OTHER_ID).resource_types


SECRET = "hunter2"


def bank_option(line):
    """What puts one more option into the bank's group."""
    group = "[file_system_bank_plugin]"
    return {group: f"{group}\n{line}"}


# What is replaced in the good file, the option that is named, and what is said.
MISTAKES = {
    "no id": ({f"id = {ID}": ""}, "[provider] id", "missing"),
    "an id that is no UUID": ({ID: "infra"}, "[provider] id", "'infra' is no UUID"),
    "an id that is a path": ({ID: "../../x"}, "[provider] id", "no UUID"),
    "an id in braces": ({ID: f"{{{ID}}}"}, "[provider] id", "no UUID"),
    "no name": ({"name = Good": ""}, "[provider] name", "missing"),
    "no bank": ({"bank = karbor-fs-bank-plugin": ""}, "[provider] bank", "missing"),
    "a misspelt option": ({"bank =": "banks ="}, "[provider] bank", "has 'banks'"),
    "no plugin": ({"plugin = test-image": ""}, "[provider] plugin", "missing"),
    "an empty plugin": (
        {"plugin = test-image": "plugin = test-image\nplugin ="},
        "[provider] plugin",
        "empty",
    ),
    "an unknown plugin": (
        {"= test-image": "= test-imag"},
        "[provider] plugin",
        "Did you mean 'test-image'?",
    ),
    "an unknown bank": (
        {"karbor-fs-bank-plugin": "karbor-fs-bank"},
        "[provider] bank",
        "Did you mean 'karbor-fs-bank-plugin'?",
    ),
    "a name that is like none": (
        {"= test-image": "= qqqq"},
        "[provider] plugin",
        "karbor-noop-protection-plugin",
    ),
    "a plugin that cannot be imported": (
        {"= test-image": "= test-unimportable"},
        "[provider] plugin",
        "no_such_module",
    ),
    "a plugin whose class is missing": (
        {"= test-image": "= test-missing-class"},
        "[provider] plugin",
        "NoSuchPlugin",
    ),
    "a plugin that is no class": (
        {"= test-image": "= test-no-class"},
        "[provider] plugin",
        "no class",
    ),
    "a plugin that cannot be made": (
        {"= test-image": "= test-exploding"},
        "[provider] plugin",
        "no such server",
    ),
    "a bank that cannot be made": (
        {"karbor-fs-bank-plugin": "test-exploding-bank"},
        "[provider] bank",
        "store.example.org does not answer",
    ),
    "a bank for a plugin": (
        {"= test-image": "= test-memory-bank"},
        "[provider] plugin",
        "is a bank plugin",
    ),
    "a plugin for a bank": (
        {"karbor-fs-bank-plugin": "test-image"},
        "[provider] bank",
        "is no bank plugin",
    ),
    "two plugins for one type": (
        {"= test-image": "= test-image\nplugin = test-other-image"},
        "[provider] plugin",
        f"'test-image' and 'test-other-image' both protect {IMAGE}",
    ),
    "a plugin twice": (
        {"= test-image": "= test-image\nplugin = test-image"},
        "[provider] plugin",
        f"both protect {IMAGE}",
    ),
    "a plugin that protects nothing": (
        {"= test-image": "= test-empty"},
        "[provider] plugin",
        "protects no resource types",
    ),
    "a schema that is none": (
        {"= test-image": "= test-bad-schema"},
        "[provider] plugin",
        f"'test-bad-schema': its options_schema of {IMAGE} is no JSON schema",
    ),
    "a schema on the network": (
        {"= test-image": "= test-remote-schema"},
        "[provider] plugin",
        "http://127.0.0.1:9/schema.json",
    ),
    "a renewal later than the expiry": (
        bank_option("lease_renew_window = 700"),
        "[file_system_bank_plugin]/lease_renew_window",
        "must be less than lease_expire_window",
    ),
    "a validity longer than the renewal": (
        bank_option("lease_validity_window = 300"),
        "[file_system_bank_plugin]/lease_validity_window",
        "must not be more than lease_renew_window",
    ),
    "a window that is no number": (
        bank_option("lease_renew_window = soon"),
        "[provider] bank",
        "lease_renew_window",
    ),
    "a chunk size that cannot be": (
        {"[file_system": "[bank_streams]\nchunk_size = 0\n[file_system"},
        "[bank_streams]",
        "chunk_size",
    ),
    "a lock that is misspelt": (
        {"[file_system": "[bank_lock]\nday = 30\n[file_system"},
        "[bank_lock] day",
        "there is no such option; did you mean 'days'? The group has days, max_days",
    ),
    "a lock of no number of days": (
        {"[file_system": "[bank_lock]\ndays = many\n[file_system"},
        "[bank_lock]",
        "many",
    ),
    "a bank without a path": (
        {"file_system_bank_path": "file_system_bank_pth"},
        "[file_system_bank_plugin]/file_system_bank_path",
        "file_system_bank_path",
    ),
    "a bank path that is a file": (
        {"bank_path = ": "bank_path = /dev/null"},
        "[file_system_bank_plugin]/file_system_bank_path",
        "/dev/null",
    ),
    "enabled that is neither": (
        {"enabled = True": "enabled = perhaps"},
        "[provider]",
        "perhaps",
    ),
    "no such group": (
        {"[provider]": "[providers]"},
        "[provider]",
        "no such group, but [providers], [file_system_bank_plugin]",
    ),
    "a broken line": (
        {"name = Good": f"name = Good\nswift_key {SECRET}"},
        "(the file itself)",
        ":3",
    ),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_mistake_is_told_and_takes_no_other_provider_with_it(
    registry, write, caplog, mistake
):
    replaced, option, said = MISTAKES[mistake]
    path = write("a-bad.conf", replaced)
    write("b-good.conf", provider_id=OTHER_ID)
    registry.load()
    assert [provider.id for provider in registry.list()] == [OTHER_ID]
    [failure] = registry.failures
    assert (failure.path, failure.option) == (str(path), option)
    assert said in failure.reason
    assert str(path) in caplog.text
    assert option in caplog.text
    assert SECRET not in str(failure)


def test_a_duplicate_id_names_both_files(registry, write):
    first, second = write("a.conf"), write("b.conf")
    registry.load()
    assert [provider.file.path for provider in registry.list()] == [str(first)]
    [failure] = registry.failures
    assert failure.path == str(second)
    assert failure.option == "[provider] id"
    assert str(first) in failure.reason


def test_a_file_that_is_no_text_is_told(registry, write, tmp_path):
    write("good.conf")
    (tmp_path / "providers.d/bad.conf").write_bytes(b"[provider]\nname = \xff\xfe\n")
    (tmp_path / "providers.d/gone.conf").symlink_to(tmp_path / "nowhere")
    registry.load()
    assert len(registry.list()) == 1
    reasons = {os.path.basename(f.path): f.reason for f in registry.failures}
    assert "no configuration file" in reasons["bad.conf"]
    assert "cannot be read" in reasons["gone.conf"]


def test_a_bank_path_that_cannot_be_written_is_told(registry, write, tmp_path):
    # Nobody, not even root, makes a folder there.
    write(replace={str(tmp_path / "bank"): "/proc/karbor-bank"})
    registry.load()
    [failure] = registry.failures
    assert failure.option == "[file_system_bank_plugin]/file_system_bank_path"
    assert "/proc/karbor-bank" in failure.reason


def test_a_folder_that_is_not_there_is_told(service, tmp_path):
    (tmp_path / "providers.d").rmdir()
    registry = ProviderRegistry(service)
    registry.load()
    [failure] = registry.failures
    assert failure.option == "[DEFAULT] provider_config_dir"
    assert failure.path == str(tmp_path / "providers.d")
    assert registry.list() == []


def test_what_is_not_enabled_is_passed_over(registry, write):
    write("a.conf", {"enabled = True": "enabled = False", f"id = {ID}": ""})
    write("c.txt", {"[provider]": "no provider's file"})
    registry.load()
    assert registry.list() == []
    assert registry.failures == []


def test_an_option_that_means_nothing_is_told(registry, write, caplog):
    write(replace={"enabled": "enable"})
    registry.load()
    assert registry.list() == []
    assert "enable means nothing; did you mean 'enabled'?" in caplog.text


def test_a_lease_that_cannot_be_taken_is_told(registry, write):
    write("a.conf", {"karbor-fs-bank-plugin": "test-leaseless-bank"})
    write("b.conf", provider_id=OTHER_ID)
    registry.load()
    registry.start()
    assert [provider.id for provider in registry.list()] == [OTHER_ID]
    [failure] = registry.failures
    assert "the store is read-only" in failure.reason


def test_a_provider_whose_bank_was_away_is_there_when_the_bank_is_back(
    registry, write, monkeypatch
):
    write()
    registry.load()
    lease = type(registry.get(ID).lease)
    away = exception.AcquireLeaseFailed(reason="the store is away")

    def fail(self):
        raise away

    with monkeypatch.context() as during:
        during.setattr(lease, "start", fail)
        registry.start()
        registry.start_waiting()
        assert registry.find(ID) is None
        assert len(registry.failures) == 1
    registry.start_waiting()

    assert registry.get(ID).lease.is_valid()
    assert registry.failures == []
    registry.stop()


def test_a_draft_four_schema_of_a_1_x_plugin_loads(registry, write):
    write(replace={"= test-image": "= test-draft-four"})
    registry.load()
    assert registry.failures == []


def test_a_password_in_a_plugins_error_is_masked(registry, write, caplog):
    write(replace={"= test-image": "= test-exploding"})
    with caplog.at_level("DEBUG"):
        registry.load()
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


def test_plugins_read_their_group_of_the_file_and_else_the_service_has_its_say(
    service, write, tmp_path
):
    (tmp_path / "karbor.conf").write_text(
        "[image_plugin]\ngreeting = from the service\nsize = 7\n"
    )
    service.reload_config_files()
    write("a.conf", {"[file": "[image_plugin]\ngreeting = from a file\n[file"})
    write("b.conf", provider_id=OTHER_ID)
    registry = ProviderRegistry(service)
    registry.load()
    first = registry.get(ID).plugin_for(IMAGE)
    second = registry.get(OTHER_ID).plugin_for(IMAGE)
    assert (first.greeting, first.size) == ("from a file", 7)
    assert (second.greeting, second.size) == ("from the service", 7)


def test_an_override_of_the_service_counts_where_the_file_says_nothing(service, write):
    from karbor.tests.fakes.protection import ImagePlugin

    service.register_opts(ImagePlugin.OPTS, "image_plugin")
    service.set_override("size", 9, "image_plugin")
    write()
    registry = ProviderRegistry(service)
    registry.load()
    assert registry.get(ID).plugin_for(IMAGE).size == 9


def test_the_folder_may_be_absolute(service, write, tmp_path):
    write()
    (tmp_path / "elsewhere").mkdir()
    registry = ProviderRegistry(service)
    service.set_override("provider_config_dir", str(tmp_path / "elsewhere"))
    registry.load()
    assert registry.list() == []
    assert registry.failures == []


def test_an_unknown_provider_is_not_found(registry):
    registry.load()
    with pytest.raises(exception.ProviderNotFound, match=ID):
        registry.get(ID)
    assert registry.find(ID) is None


@pytest.fixture
def three(registry, write):
    """Providers whose ids and names are in opposite orders."""
    made = []
    for number in range(3):
        provider_id = f"{number}0000000-0000-4000-8000-000000000000"
        write(
            f"{number}.conf",
            {"name = Good": f"name = {'cba'[number]}"},
            provider_id=provider_id,
        )
        made.append(provider_id)
    registry.load()
    return made


def test_providers_are_listed_in_pages(registry, three):
    def listed(**options):
        return [provider.id for provider in registry.list(**options)]

    assert listed() == three
    assert listed(limit=2) == three[:2]
    assert listed(marker=three[1], limit=2) == three[2:]
    assert listed(sort_keys=["created_at"], sort_dirs=["desc"]) == three
    assert listed(sort_keys=["name"]) == three[::-1]
    assert listed(sort_keys=["name"], sort_dirs=["desc"]) == three
    assert listed(sort_keys=["description", "name"]) == three[::-1]
    assert listed(filters={"name": "b"}) == [three[1]]
    assert listed(filters={"id": three[0], "description": "a good one"}) == [three[0]]
    for wrong in (
        {"marker": "no-such"},
        {"sort_keys": ["colour"]},
        {"sort_keys": ["name"], "sort_dirs": ["up"]},
        {"filters": {"colour": "red"}},
    ):
        with pytest.raises(exception.InvalidInput):
            listed(**wrong)


def test_reloading_keeps_what_has_not_changed_and_swaps_the_rest(registry, write):
    write("same.conf")
    changed = write("changed.conf", provider_id=OTHER_ID)
    registry.load()
    registry.start()
    same, before = registry.get(ID), registry.get(OTHER_ID)
    changed.write_text(changed.read_text().replace("Good", "Better"))
    registry.reload()
    assert registry.get(ID) is same
    assert registry.get(OTHER_ID).name == "Better"
    # What runs with the provider of before may still commit.
    running = before.checkpoints.create(
        {"id": "plan"}, provider_id=OTHER_ID, project_id="p"
    )
    assert registry.get(OTHER_ID).is_alive(before.owner_id)
    registry.release_retired(lambda provider: False)
    running.transition("error")
    registry.release_retired(lambda provider: provider is before)
    assert before.lease.is_valid()
    registry.release_retired(lambda provider: False)
    assert not before.lease.is_valid()
    assert registry.get(OTHER_ID).lease.is_valid()


def test_reloading_a_file_that_now_has_a_mistake_keeps_the_provider(registry, write):
    path = write()
    registry.load()
    registry.start()
    before = registry.get(ID)
    path.write_text(path.read_text().replace("test-image", "test-imag"))
    registry.reload()
    assert registry.get(ID) is before
    assert before.lease.is_valid()
    assert "Did you mean" in registry.failures[0].reason
    path.unlink()
    registry.reload()
    assert registry.find(ID) is None
    assert registry.failures == []


def test_reloading_takes_the_lease_of_what_is_new(registry, write):
    registry.load()
    registry.start()
    write()
    registry.reload()
    assert registry.get(ID).lease.is_valid()


def test_a_provider_locks_what_its_file_says(registry, write):
    write(replace={"[file_system": "[bank_lock]\ndays = 30\n[file_system"})
    write("b.conf", provider_id=OTHER_ID)
    registry.load()
    assert registry.get(ID).checkpoints.lock_policy == LockPolicy(30, 366)
    assert registry.get(OTHER_ID).checkpoints.lock_policy == LockPolicy(0, 366)
