# SPDX-License-Identifier: Apache-2.0
"""A new master key for keys that are there."""

import json

import pytest

from karbor import exception
from karbor.services.protection.bank.encryption.bank_keyring import BankKeyring
from karbor.services.protection.bank.encryption.rotation import KeyRotation
from karbor.services.protection.bank.sections import Bank
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.faulty_bank import faulty_bank
from karbor.tests.fakes.master_keys import MemoryMasterKeys

PROJECTS = [f"project-{n}" for n in range(5)]


@pytest.fixture
def plugin():
    return MemoryBankPlugin()


@pytest.fixture
def master():
    return MemoryMasterKeys("old")


@pytest.fixture
def used(plugin, master):
    """The keys that services have encrypted with, by project."""
    made = {name: BankKeyring(Bank(plugin), master).active(name) for name in PROJECTS}
    for name in PROJECTS:
        for n in range(30):
            plugin.update_object(f"/chunks/{name}/data/{n:02x}/chunk-{n}", b"bytes")
    return made


def all_readable(plugin, master, used):
    fresh = BankKeyring(Bank(plugin), master)
    for project, key in used.items():
        assert fresh.get(project, key.id) == key
    return True


def test_keys_read_without_the_old_master_key_after_a_rotation_and_not_before(
    plugin, master, used
):
    master.make("new")
    old = master.keys.pop("old")
    with pytest.raises(exception.DataKeyUnavailable, match="master key old"):
        all_readable(plugin, master, used)
    master.keys["old"] = old
    done = KeyRotation(Bank(plugin), master).run()
    assert (done.master_key_id, done.projects) == ("new", 5)
    assert (done.kept, done.rewrapped, done.failed) == (0, 5, [])
    del master.keys["old"]
    assert all_readable(plugin, master, used)
    with pytest.raises(exception.MasterKeyUnavailable):
        master.get("old")


def test_a_rotation_writes_the_keys_alone(plugin, master, used, monkeypatch):
    before = dict(plugin.objects)
    written = []
    update = plugin.update_object

    def record(key, value, **kwargs):
        written.append(key)
        update(key, value, **kwargs)

    monkeypatch.setattr(plugin, "update_object", record)
    monkeypatch.setattr(plugin, "delete_object", None)
    master.make("new")
    KeyRotation(Bank(plugin), master).run()
    assert sorted(written) == sorted(
        f"/chunks/{project}/keys/{key.id}" for project, key in used.items()
    )
    assert plugin.objects.keys() == before.keys()
    for key, value in before.items():
        assert (plugin.objects[key] == value) == ("/keys/" not in key)


def test_a_second_rotation_changes_nothing(plugin, master, used):
    master.make("new")
    KeyRotation(Bank(plugin), master).run()
    before = json.dumps(plugin.objects, default=repr)
    done = KeyRotation(Bank(plugin), master).run()
    assert (done.kept, done.rewrapped) == (5, 0)
    assert json.dumps(plugin.objects, default=repr) == before


def test_one_project_alone_can_be_rotated(plugin, master, used):
    master.make("new")
    done = KeyRotation(Bank(plugin), master).run(PROJECTS[2])
    assert (done.projects, done.rewrapped) == (1, 1)
    done = KeyRotation(Bank(plugin), master).run()
    assert (done.kept, done.rewrapped) == (1, 4)


@pytest.mark.parametrize("seed", range(15))
def test_interrupted_anywhere_it_goes_on_and_every_key_reads_meanwhile(
    plugin, master, used, seed
):
    master.make("new")
    failing = faulty_bank(
        plugin, seed=seed, fail_before=0.04, fail_after=0.04, time_out=0.04
    )
    for _ in range(100):
        try:
            done = KeyRotation(Bank(failing), master).run()
        except exception.BankListObjectsFailed:
            continue
        finally:
            assert all_readable(plugin, master, used)
        if not done.failed:
            break
    else:
        pytest.fail("it never came through")
    assert KeyRotation(Bank(plugin), master).run().kept == 5


def test_a_key_that_cannot_be_rewrapped_is_named_and_stops_no_other(
    plugin, master, used
):
    master.make("new")
    name = f"/chunks/{PROJECTS[1]}/keys/{used[PROJECTS[1]].id}"
    plugin.update_object(name, {**plugin.get_object(name), "version": 7})
    done = KeyRotation(Bank(plugin), master).run()
    assert (done.projects, done.rewrapped) == (5, 4)
    [reason] = done.failed
    assert name in reason
    assert "damaged" in reason


def test_without_the_active_master_key_nothing_is_touched(plugin, master, used):
    master.active = "lost"
    with pytest.raises(exception.MasterKeyUnavailable, match="lost"):
        KeyRotation(Bank(plugin), master).run()
    master.active = "old"
    assert all_readable(plugin, master, used)


def test_a_service_that_runs_goes_on_with_the_keys_that_it_has(plugin, master, used):
    service = BankKeyring(Bank(plugin), master)
    before = service.active(PROJECTS[0])
    master.make("new")
    KeyRotation(Bank(plugin), master).run()
    del master.keys["old"]
    assert service.active(PROJECTS[0]) == before
    assert service.active("a new project").id
    assert service.get(PROJECTS[1], used[PROJECTS[1]].id) == used[PROJECTS[1]]


def test_progress_is_told_after_each_project(plugin, master, used):
    told = []
    KeyRotation(Bank(plugin), master, lambda done: told.append(done.projects)).run()
    assert told == [1, 2, 3, 4, 5]
