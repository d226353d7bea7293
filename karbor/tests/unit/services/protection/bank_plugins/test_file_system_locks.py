# SPDX-License-Identifier: Apache-2.0
"""What is the filesystem bank's own about locked objects."""

import datetime
import fcntl
import os
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from karbor import exception
from karbor.services.protection.bank_decorators.errors import is_missing
from karbor.services.protection.bank_plugins import file_system_bank_plugin
from karbor.services.protection.bank_plugins.file_system import locks
from karbor.services.protection.bank_plugins.file_system.locks import (
    ObjectIsLocked,
    ObjectLocks,
)
from karbor.tests.fakes.file_system_bank import file_system_bank

UNTIL = datetime.datetime(2126, 12, 24, 18, 30, tzinfo=datetime.UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bank"


@pytest.fixture
def bank(path):
    return file_system_bank(path, file_system_bank_object_lock=True)


def dates(path):
    """The files with the dates, which is all but the guards."""
    folder = path / file_system_bank_plugin.LOCKS
    return [file for file in (folder / "karbor").rglob("*") if file.is_file()]


class Clock:
    def __init__(self):
        self.now = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lone_locks(tmp_path, clock):
    """The dates of a bank with one object, ``/a``, by a clock that the test moves."""
    for name in ("root", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "root" / "a").write_bytes(b"kept")
    root = os.fsencode(tmp_path / "root")
    made = ObjectLocks(
        root,
        os.fsencode(tmp_path / "locks" / "root"),
        os.fsencode(tmp_path / "temporary"),
        clock,
    )
    made.prepare()
    return made, os.path.join(root, b"a")


def test_this_machines_clock_ends_a_lock(lone_locks, clock):
    made, path = lone_locks
    until = clock.now + datetime.timedelta(days=1)
    made.lock(path, until)
    clock.now = until - datetime.timedelta(microseconds=1)
    with pytest.raises(ObjectIsLocked) as refused, made.changing(path):
        pytest.fail("it was changed")
    assert refused.value.until == until

    clock.now = until
    with made.changing(path):
        os.unlink(path)

    assert made.until(path) is None


def test_a_bank_that_locks_nothing_has_nothing_for_it(path):
    bank = file_system_bank(path)
    bank.update_object("/a", b"1")
    bank.delete_object("/a")

    assert not bank.capabilities.object_lock
    assert not (path / file_system_bank_plugin.LOCKS).exists()


def test_a_lock_that_is_not_on_says_which_option_is_meant(path):
    bank = file_system_bank(path)
    bank.update_object("/a", b"1")

    with pytest.raises(
        exception.BankLockNotSupported, match="file_system_bank_object_lock"
    ):
        bank.lock_object("/a", UNTIL)


def test_a_service_that_began_before_the_first_lock_keeps_it(path):
    early = file_system_bank(path)
    early.update_object("/a", b"kept")
    late = file_system_bank(path, file_system_bank_object_lock=True)

    late.lock_object("/a", UNTIL)

    with pytest.raises(exception.BankObjectLocked, match="2126-12-24T18:30:00"):
        early.delete_object("/a")
    assert early.locked_until("/a") == UNTIL


def test_a_date_goes_with_its_object(bank, path, monkeypatch):
    bank.update_object("/a/b", b"1")
    bank.lock_object("/a/b", UNTIL)
    assert len(dates(path)) == 1
    monkeypatch.setattr(bank._locks, "_clock", lambda: UNTIL)

    bank.delete_object("/a/b")

    assert dates(path) == []
    bank.update_object("/a", b"in its place")
    assert bank.locked_until("/a") is None


def test_a_copy_of_the_tree_is_locked_as_the_bank_was(bank, path, tmp_path):
    bank.update_object("/a", b"kept")
    bank.lock_object("/a", UNTIL)

    shutil.copytree(path, tmp_path / "copy", copy_function=shutil.copyfile)

    with pytest.raises(exception.BankObjectLocked):
        file_system_bank(tmp_path / "copy").delete_object("/a")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[:20] + b"\x00" + content[21:],
        lambda content: b"{}",
        lambda content: b"null",
    ],
    ids=["empty", "cut", "changed", "of nothing", "null"],
)
def test_an_object_whose_date_is_damaged_stays(bank, path, damage):
    bank.update_object("/a", b"kept")
    bank.lock_object("/a", UNTIL)
    (file,) = dates(path)
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(exception.BankDeleteObjectFailed, match=file.name) as refused:
        bank.delete_object("/a")
    assert not is_missing(refused.value)
    with pytest.raises(exception.BankUpdateObjectFailed, match=file.name):
        bank.update_object("/a", b"other")
    with pytest.raises(exception.BankLockObjectFailed, match=file.name):
        bank.lock_object("/a", UNTIL)
    with pytest.raises(exception.BankGetObjectFailed, match=file.name):
        bank.locked_until("/a")
    assert bank.get_object("/a") == b"kept"


def test_the_date_of_another_object_is_no_date(bank, path):
    for key in ("/a", "/b"):
        bank.update_object(key, b"kept")
    bank.lock_object("/a", UNTIL)
    (first,) = dates(path)
    bank.lock_object("/b", UNTIL)
    (second,) = set(dates(path)) - {first}
    shutil.copyfile(first, second)

    with pytest.raises(exception.BankDeleteObjectFailed, match="'/a'"):
        bank.delete_object("/b")


def test_without_the_folder_of_dates_nothing_is_changed(bank, path):
    bank.update_object("/a", b"kept")
    bank.lock_object("/a", UNTIL)
    shutil.rmtree(path / file_system_bank_plugin.LOCKS)

    with pytest.raises(exception.BankDeleteObjectFailed, match=r"\.karbor-locks"):
        bank.delete_object("/a")
    assert bank.get_object("/a") == b"kept"


def test_what_is_missing_is_missing_in_a_bank_that_locks(bank):
    with pytest.raises(exception.BankDeleteObjectFailed) as missing:
        bank.delete_object("/a")
    assert is_missing(missing.value)
    with pytest.raises(exception.BankLockObjectFailed):
        bank.lock_object("/a", UNTIL)


def test_what_cannot_be_deleted_is_not_taken_for_missing(path, monkeypatch):
    """Without a folder of dates, of which the error might tell instead."""
    bank = file_system_bank(path)
    bank.update_object("/a", b"kept")

    def refuse(_path):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(exception.BankDeleteObjectFailed) as refused:
        bank.delete_object("/a")
    assert not is_missing(refused.value)


def test_leases_wait_for_nobody(bank, path, monkeypatch):
    monkeypatch.setattr(locks, "_LONGEST_WAIT", 0.0)
    folder = path / file_system_bank_plugin.LOCKS
    kept = []
    for number in range(64):
        descriptor = os.open(folder / f"guard-{number:02}", os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        kept.append(descriptor)

    bank.acquire_lease()
    bank.release_lease()
    with pytest.raises(exception.BankUpdateObjectFailed, match="give it back"):
        bank.update_object("/a", b"1")

    for descriptor in kept:
        os.close(descriptor)
    bank.update_object("/a", b"1")


def test_of_who_locks_and_who_deletes_at_once_one_is_late(bank, path):
    other = file_system_bank(path)

    def race(number):
        key = f"/{uuid.uuid4().hex}/{number}"
        bank.update_object(key, b"kept")
        with ThreadPoolExecutor(2) as pool:
            locking = pool.submit(bank.lock_object, key, UNTIL)
            deleting = pool.submit(other.delete_object, key)
        return key, locking.exception() is None, deleting.exception() is None

    for key, is_locked, is_deleted in map(race, range(100)):
        assert is_locked != is_deleted
        assert bank.list_objects(prefix=key) == ([key] if is_locked else [])


def test_the_folder_of_dates_is_no_container(path):
    with pytest.raises(exception.InvalidInput, match="bank_object_container"):
        file_system_bank(path, bank_object_container=file_system_bank_plugin.LOCKS)
