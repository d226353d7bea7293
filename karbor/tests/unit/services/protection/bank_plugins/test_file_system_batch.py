# SPDX-License-Identifier: Apache-2.0
"""Batches of the filesystem bank: what is durable when, and what a crash leaves."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_decorators.read_only import ReadOnlyBank
from karbor.services.protection.bank_plugins import file_system_bank_plugin
from karbor.services.protection.bank_plugins.file_system import values
from karbor.tests.fakes.file_system_bank import file_system_bank


@pytest.fixture
def bank(tmp_path):
    return file_system_bank(tmp_path / "bank")


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "bank" / file_system_bank_plugin.TEMPORARY
    return lambda: sorted(path.name for path in folder.iterdir())


class Disk:
    """What happens to files, in the order in which it happens."""

    def __init__(self, monkeypatch):
        self.events = []
        self._lock = threading.Lock()
        fsync, rename = os.fsync, os.rename

        def note_fsync(descriptor):
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            fsync(descriptor)
            self._note("fsync", path)

        def note_rename(source, target):
            rename(source, target)
            self._note("rename", os.fsdecode(source), os.fsdecode(target))

        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(os, "rename", note_rename)

    def _note(self, *event):
        with self._lock:
            self.events.append(event)

    def renamed(self):
        """``{where it is now: where it was}``."""
        return {event[2]: event[1] for event in self.events if event[0] == "rename"}


def test_a_name_appears_after_its_content_is_durable(bank, tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    with bank.batch() as batch:
        for number in range(100):
            batch.update_object(f"/data/{number % 7}/{number}", b"x" * 100)
        batch.flush()

    renamed = disk.renamed()
    assert len(renamed) == 100
    for target, source in renamed.items():
        named = disk.events.index(("rename", source, target))
        assert disk.events.index(("fsync", source)) < named


def test_names_are_durable_after_a_flush(bank, tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    with bank.batch() as batch:
        for number in range(100):
            batch.update_object(f"/data/{number % 7}/{number}", b"x" * 100)
        batch.flush()

    events = disk.events[::-1]
    for target, source in disk.renamed().items():
        synced = events.index(("fsync", os.path.dirname(target)))
        assert synced < events.index(("rename", source, target))


def test_the_name_of_an_object_that_is_relied_on_is_made_durable(
    bank, tmp_path, monkeypatch
):
    bank.update_object("/data/ab/seen", b"x")
    disk = Disk(monkeypatch)
    with bank.batch() as batch:
        batch.rely_on("/data/ab/seen")
        batch.flush()

    root = f"{tmp_path}/bank/karbor"
    assert sorted(disk.events) == [
        ("fsync", root),
        ("fsync", f"{root}/data"),
        ("fsync", f"{root}/data/ab"),
    ]


def test_a_folder_that_another_has_just_made_is_made_durable(
    bank, tmp_path, monkeypatch
):
    """Its maker may be killed before it comes to that."""
    root = tmp_path / "bank" / "karbor"
    (root / "data" / "ab").mkdir(parents=True)
    disk = Disk(monkeypatch)
    with bank.batch() as batch:
        batch.update_object("/data/ab/new", b"x")
        batch.flush()

    (named,) = disk.renamed().items()
    after = disk.events[disk.events.index(("rename", named[1], named[0])) :]
    for folder in (root, root / "data", root / "data" / "ab"):
        assert ("fsync", str(folder)) in after


def test_what_was_not_flushed_leaves_no_temporary_file(bank, temporary):
    with bank.batch() as batch:
        for number in range(40):
            batch.update_object(f"/data/{number}", b"x")

    assert temporary() == ["reserve"]


def test_few_files_are_open_however_many_are_put(bank, monkeypatch):
    opened = set()
    begin, finish = bank._files.begin, bank._files.finish

    def note_begin(path, *parts):
        pending = begin(path, *parts)
        opened.add(pending.descriptor)
        return pending

    monkeypatch.setattr(bank._files, "begin", note_begin)
    monkeypatch.setattr(bank._files, "finish", finish)
    with bank.batch() as batch:
        for number in range(500):
            batch.update_object(f"/data/{number}", b"x")
        batch.flush()

    assert len(opened) < 64
    assert len(bank.list_objects(prefix="/data/")) == 500


def _put_and_flush(batch, count):
    for number in range(count):
        batch.update_object(f"/data/{number:02}", b"x")
    batch.flush()


@pytest.mark.parametrize("at", [0, 7, 60])
def test_a_disk_that_fails_once_fails_the_batch_for_good(bank, monkeypatch, at):
    """The kernel tells an error of writing back once, and calls the page clean."""
    fsync, count = os.fsync, iter(range(1000))

    def fail_once(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if file_system_bank_plugin.TEMPORARY in path and next(count) == at:
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    with bank.batch() as batch:
        with pytest.raises(exception.BankUpdateObjectFailed, match="Input/output"):
            _put_and_flush(batch, 61)
        for _ in range(2):
            with pytest.raises(exception.BankUpdateObjectFailed, match="Input/output"):
                batch.flush()
        with pytest.raises(exception.BankUpdateObjectFailed, match="Input/output"):
            batch.update_object("/data/more", b"x")


def test_a_folder_that_cannot_be_synced_fails_the_batch(bank, tmp_path, monkeypatch):
    bank.update_object("/data/before", b"x")
    fsync = os.fsync

    def fail(descriptor):
        if os.readlink(f"/proc/self/fd/{descriptor}") == f"{tmp_path}/bank/karbor/data":
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with bank.batch() as batch:
        batch.update_object("/data/value", b"x")
        for _ in range(2):
            with pytest.raises(exception.BankUpdateObjectFailed, match="Input/output"):
                batch.flush()


def test_a_full_disk_is_told_at_once_and_leaves_nothing(bank, temporary, monkeypatch):
    def full(descriptor, parts):
        raise OSError(errno.ENOSPC, "No space left on device")

    with bank.batch() as batch:
        monkeypatch.setattr(os, "writev", full)
        for _ in range(100):
            with pytest.raises(exception.BankUpdateObjectFailed, match="No space left"):
                batch.update_object("/data/value", b"x" * 100_000)

    assert temporary() == ["reserve"]


def test_a_value_that_cannot_be_kept_is_refused(bank):
    with bank.batch() as batch:
        with pytest.raises(exception.BankUpdateObjectFailed, match="/data/value"):
            batch.update_object("/data/value", object())
        batch.flush()


def test_a_key_that_would_leave_the_bank_is_refused(bank):
    with bank.batch() as batch:
        for method in (lambda key: batch.update_object(key, b"x"), batch.rely_on):
            with pytest.raises(exception.InvalidParameterValue):
                method("/../value")


def test_a_file_that_somebody_removed_meanwhile_is_missed(bank, tmp_path):
    folder = tmp_path / "bank" / file_system_bank_plugin.TEMPORARY
    with bank.batch() as batch:
        batch.update_object("/data/value", b"x")
        for path in folder.iterdir():
            path.unlink()
        with pytest.raises(exception.BankUpdateObjectFailed, match="/data/value"):
            batch.flush()


def test_a_batch_goes_through_the_decorators(tmp_path, bank):
    decorated = ReadOnlyBank(bank, bank._config)
    with decorated.batch() as batch, pytest.raises(exception.BankReadonlyViolation):
        batch.update_object("/data/value", b"x")


def test_no_manifest_is_written_before_its_chunks_are_durable(bank, monkeypatch):
    disk = Disk(monkeypatch)
    section = Bank(bank, SMALL).get_sub_section("/checkpoints/1", project_id="p")
    section.write_stream("data", [os.urandom(1000) for _ in range(300)])

    targets = [event[2] for event in disk.events if event[0] == "rename"]
    assert "/.streams/" in targets[-1]
    manifest = disk.events.index(("rename", disk.renamed()[targets[-1]], targets[-1]))
    before = disk.events[:manifest]
    for target in targets[:-1]:
        assert ("fsync", os.path.dirname(target)) in before


def test_a_stream_whose_chunks_cannot_be_flushed_does_not_exist(bank, monkeypatch):
    fsync, count = os.fsync, iter(range(1000))

    def fail_late(descriptor):
        if next(count) > 40:
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    section = Bank(bank, SMALL).get_sub_section("/checkpoints/1", project_id="p")
    monkeypatch.setattr(os, "fsync", fail_late)
    with pytest.raises(exception.BankUpdateObjectFailed, match="Input/output"):
        section.write_stream("data", [os.urandom(1000) for _ in range(300)])
    monkeypatch.setattr(os, "fsync", fsync)

    assert section.list_streams() == []


SMALL = StreamOptions(chunk_size=8192, max_bytes_in_flight=32768)

KILLED = """
import sys, os
from karbor.services.protection.bank_plugins.file_system import files
from karbor.tests.fakes.file_system_bank import file_system_bank

bank = file_system_bank(sys.argv[1])
finish = files.FileStore.finish
def slowly(self, pending):
    if pending.path.endswith(b"5"):
        print("held", flush=True)
        sys.stdin.read()
    finish(self, pending)
files.FileStore.finish = slowly
with bank.batch() as batch:
    for number in range(64):
        batch.update_object(f"/data/{number}", bytes([number]) * 100_000)
    batch.flush()
"""


def test_a_writer_killed_before_the_flush_leaves_only_whole_objects(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "bank")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout.readline() == b"held\n"
        writer.send_signal(signal.SIGKILL)
    bank = file_system_bank(tmp_path / "bank")

    found = bank.list_objects(prefix="/data/")

    assert len(found) < 64
    for key in found:
        number = int(key.rpartition("/")[2])
        assert bank.get_object(key) == bytes([number]) * 100_000
    left = tmp_path / "bank" / file_system_bank_plugin.TEMPORARY
    assert len(list(left.iterdir())) > 1
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in left.iterdir():
        os.utime(path, (two_days_ago, two_days_ago))
    file_system_bank(tmp_path / "bank")
    assert [path.name for path in left.iterdir()] == ["reserve"]


def test_an_object_of_a_batch_is_a_file_as_any_other(bank, tmp_path):
    with bank.batch() as batch:
        batch.update_object("/data/value", b"content")
        batch.flush()

    path = tmp_path / "bank" / "karbor" / "data" / "value"
    assert path.read_bytes() == values.BYTES + b"content"
    assert path.stat().st_mode & 0o777 == 0o600
