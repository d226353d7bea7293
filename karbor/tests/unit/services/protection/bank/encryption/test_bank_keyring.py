# SPDX-License-Identifier: Apache-2.0
"""The keys of a bank's projects."""

import contextlib
import threading

import pytest

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.encryption.bank_keyring import (
    LOOK_SECONDS,
    BankKeyring,
)
from karbor.services.protection.bank.sections import Bank
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.decorated_bank import FakeClock
from karbor.tests.fakes.faulty_bank import faulty_bank
from karbor.tests.fakes.master_keys import MemoryMasterKeys


@pytest.fixture
def plugin():
    return MemoryBankPlugin()


@pytest.fixture
def master():
    return MemoryMasterKeys("m1")


@pytest.fixture
def daemon(plugin, master):
    """A service that has just started; each call is another one."""

    def start(around=plugin, clock=None):
        clock = clock or FakeClock()
        return BankKeyring(Bank(around), master, clock.monotonic)

    return start


def names(plugin, project="p"):
    folder = f"/chunks/{project}/keys/"
    return [key.removeprefix(folder) for key in plugin.list_objects(prefix=folder)]


def test_a_project_gets_one_key_that_every_service_then_has(daemon, plugin):
    first = daemon()
    key = first.active("p")
    assert names(plugin) == [key.id]
    assert first.active("p") is key
    other = daemon()
    assert other.get("p", key.id) == key == other.active("p")
    assert len({key.encryption_key, key.naming_key}) == 2
    assert names(plugin) == [key.id]


def test_projects_have_nothing_in_common(daemon):
    one, two = (daemon().active(project) for project in ("p", "q"))
    assert not {one.id, one.encryption_key, one.naming_key} & {
        two.id,
        two.encryption_key,
        two.naming_key,
    }


def test_a_key_put_into_another_project_does_not_unwrap_there(daemon, plugin):
    key = daemon().active("p")
    value = plugin.get_object(f"/chunks/p/keys/{key.id}")
    plugin.update_object(f"/chunks/q/keys/{key.id}", value)
    with pytest.raises(exception.DataKeyUnavailable, match="another key's"):
        daemon().get("q", key.id)


def test_no_secret_is_in_the_bank(daemon, plugin, master):
    key = daemon().active("p")
    stored = repr(plugin.objects)
    for secret in (key.encryption_key, key.naming_key, master.keys["m1"]):
        assert secret.hex() not in stored
        assert repr(secret) not in stored


def test_services_that_make_the_first_key_at_once_agree_in_the_end(
    daemon, plugin, monkeypatch
):
    barrier = threading.Barrier(4)
    listed = plugin.list_objects

    def list_together(prefix=None, **kwargs):
        found = listed(prefix=prefix, **kwargs)
        if not found:
            barrier.wait(30)
        return found

    monkeypatch.setattr(plugin, "list_objects", list_together)
    clocks = [FakeClock() for _ in range(4)]
    services = [daemon(clock=clock) for clock in clocks]
    used = [None] * 4

    def run(number):
        used[number] = services[number].active("p")

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = names(plugin)
    assert len(made) == 4
    assert {key.id for key in used} <= set(made)
    for clock in clocks:
        clock.sleep(LOOK_SECONDS)
    for service in services:
        assert service.active("p").id == made[0]
        for key in used:
            assert service.get("p", key.id) == key


def test_many_threads_of_one_service_make_one_key(daemon, plugin):
    service = daemon()
    barrier = threading.Barrier(8)
    found = []

    def run():
        barrier.wait(30)
        found.append(service.active("p"))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert {key.id for key in found} == set(names(plugin))
    assert len(names(plugin)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_bank_that_lists_late_costs_keys_and_loses_none(daemon, plugin, seed):
    late = faulty_bank(plugin, seed=seed, list_late=0.7, late_changes=5)
    clocks = [FakeClock() for _ in range(3)]
    services = [daemon(late, clock) for clock in clocks]
    used = {}
    for _ in range(4):
        for service, clock in zip(services, clocks, strict=True):
            key = service.active("p")
            used[key.id] = key
            clock.sleep(LOOK_SECONDS)
    fresh = daemon()
    for key_id, key in used.items():
        assert fresh.get("p", key_id) == key


@pytest.mark.parametrize("seed", range(20))
def test_a_bank_that_fails_anywhere_loses_no_key_that_was_given_out(
    daemon, plugin, seed
):
    failing = faulty_bank(plugin, seed=seed, fail_before=0.2, fail_after=0.2)
    used = {}
    for _ in range(30):
        with contextlib.suppress(exception.DataKeyUnavailable):
            key = daemon(failing).active("p")
            used[key.id] = key
    assert used
    for key_id, key in used.items():
        assert daemon().get("p", key_id) == key


def test_a_key_in_use_whose_object_is_gone_is_written_again(daemon, plugin):
    clock = FakeClock()
    service = daemon(clock=clock)
    key = service.active("p")
    plugin.objects.clear()
    clock.sleep(LOOK_SECONDS)
    assert service.active("p") == key
    assert daemon().get("p", key.id) == key


def test_a_key_that_is_only_not_listed_is_not_written_again(
    daemon, plugin, master, monkeypatch
):
    clock = FakeClock()
    service = daemon(clock=clock)
    key = service.active("p")
    before = plugin.get_object(f"/chunks/p/keys/{key.id}")
    monkeypatch.setattr(plugin, "list_objects", lambda **kwargs: [])
    clock.sleep(LOOK_SECONDS)
    assert service.active("p") == key
    assert plugin.get_object(f"/chunks/p/keys/{key.id}") == before


def test_the_bank_and_the_key_manager_are_not_asked_for_each_chunk(
    daemon, plugin, master, monkeypatch
):
    service = daemon()
    key = service.active("p")
    master.fetched.clear()
    monkeypatch.setattr(plugin, "list_objects", None)
    monkeypatch.setattr(plugin, "get_object", None)
    for _ in range(100):
        assert service.active("p") is key
        assert service.get("p", key.id) is key
    assert master.fetched == []


def test_without_the_master_key_the_error_says_what_is_missing(daemon, plugin, master):
    key = daemon().active("p")
    secret = master.keys.pop("m1")
    for ask in (lambda: daemon().get("p", key.id), lambda: daemon().active("p")):
        with pytest.raises(exception.DataKeyUnavailable) as error:
            ask()
        text = str(error.value)
        assert key.id in text
        assert "project p" in text
        assert "master key m1" in text
        assert "put it back" in text
        assert not error.value.retryable
    assert names(plugin) == [key.id], "a new key would hide that the old one is lost"
    master.keys["m1"] = bytes(32)
    with pytest.raises(exception.DataKeyUnavailable, match="does not unwrap it") as e:
        daemon().get("p", key.id)
    assert secret.hex() not in str(e.value)
    master.keys["m1"] = secret
    assert daemon().get("p", key.id) == key


def test_a_key_manager_that_is_away_may_be_asked_again(daemon, master):
    service = daemon()
    master.away = True
    with pytest.raises(exception.DataKeyUnavailable, match="is away") as error:
        service.active("p")
    assert error.value.retryable
    master.away = False
    key = service.active("p")
    master.away = True
    assert service.active("p") == key
    with pytest.raises(exception.DataKeyUnavailable) as error:
        daemon().get("p", key.id)
    assert error.value.retryable


def test_a_key_that_cannot_be_unwrapped_gives_way_to_one_that_can(
    daemon, plugin, master
):
    key = daemon().active("p")
    plugin.update_object("/chunks/p/keys/" + "0" * 32, {"rubbish": 1})
    plugin.update_object("/chunks/p/keys/not-a-key", "left by hand")
    assert daemon().active("p") == key
    with pytest.raises(exception.DataKeyUnavailable, match="is damaged"):
        daemon().get("p", "0" * 32)


def test_a_lost_and_a_damaged_key_are_named(daemon, plugin):
    key = daemon().active("p")
    name = f"/chunks/p/keys/{key.id}"
    value = plugin.get_object(name)
    plugin.update_object(name, {**value, "nonce": "00"})
    with pytest.raises(exception.DataKeyUnavailable, match=f"{name} is damaged"):
        daemon().get("p", key.id)
    plugin.delete_object(name)
    with pytest.raises(exception.DataKeyUnavailable, match="does not give " + name):
        daemon().get("p", key.id)
    for nonsense in ("", "x" * 32, "../../p/keys/" + key.id, "A" * 32):
        with pytest.raises(exception.DataKeyUnavailable, match="no key's id"):
            daemon().get("p", nonsense)


def test_the_object_is_sealed_and_names_its_master_key(daemon, plugin):
    key = daemon().active("p")
    said = sealing.unseal(plugin.get_object(f"/chunks/p/keys/{key.id}"))
    assert said["master_key_id"] == "m1"
    assert said["cipher"] == "AES-256-GCM"
    assert (said["project_id"], said["key_id"]) == ("p", key.id)
