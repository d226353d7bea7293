# SPDX-License-Identifier: Apache-2.0
"""The filesystem bank: what is special about files."""

import errno
import json
import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank_plugins import file_system_bank_plugin
from karbor.services.protection.bank_plugins.file_system import files, listing, values
from karbor.tests.fakes.file_system_bank import file_system_bank


@pytest.fixture
def bank(tmp_path):
    return file_system_bank(tmp_path / "bank")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "bank" / "karbor"


def test_an_object_is_a_file_at_its_key(bank, folder):
    bank.update_object("/checkpoints/1/index.json", b"content")

    content = (folder / "checkpoints" / "1" / "index.json").read_bytes()
    assert content == values.BYTES + b"content"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, null]}', {"a": [1, None]}),
        (b"available", "available"),
        (b"\xff\xfe\x00", b"\xff\xfe\x00"),
        (b"12", 12),
    ],
)
def test_a_file_of_karbor_1_is_read(bank, folder, content, value):
    (folder / "old").write_bytes(content)

    assert bank.get_object("/old") == value
    assert bank.list_objects() == ["/old"]


@pytest.mark.parametrize("content", [values.TEXT + b"\xff", values.JSON + b"{"])
def test_a_file_that_is_not_what_its_header_says_is_an_error(bank, folder, content):
    (folder / "damaged").write_bytes(content)

    with pytest.raises(exception.BankGetObjectFailed, match="digest"):
        bank.get_object("/damaged")


def test_a_str_that_utf8_cannot_write_comes_back(bank):
    bank.update_object("/value", "file\udcff")
    assert bank.get_object("/value") == "file\udcff"


@pytest.mark.parametrize("value", [object(), {"a": {1, 2}}, {"a": b"bytes"}])
def test_a_value_that_json_cannot_say_is_refused(bank, value):
    with pytest.raises(exception.BankUpdateObjectFailed, match="/value"):
        bank.update_object("/value", value)
    assert bank.list_objects() == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_files_and_folders_are_private_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        bank = file_system_bank(tmp_path / "some" / "where")
        bank.update_object("/a/b/c", "x")
        bank.acquire_lease()
    finally:
        os.umask(before)

    for path in (tmp_path / "some").rglob("*"):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_nothing_temporary_is_left_or_listed(bank, tmp_path):
    for number in range(5):
        bank.update_object(f"/a/{number}", b"x" * 1000)
    (tmp_path / "bank" / file_system_bank_plugin.TEMPORARY / "dead").write_bytes(b"x")

    assert len(bank.list_objects()) == 5
    assert {path.name for path in (tmp_path / "bank").iterdir()} == {
        "karbor",
        file_system_bank_plugin.TEMPORARY,
    }


def test_temporary_files_of_dead_writers_are_removed_at_start(bank, tmp_path):
    temporary = tmp_path / "bank" / file_system_bank_plugin.TEMPORARY
    dead, living = temporary / "dead", temporary / "living"
    for path in (dead, living):
        path.write_bytes(b"half of an ob")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(dead, (two_days_ago, two_days_ago))

    file_system_bank(tmp_path / "bank")

    assert not dead.exists()
    assert living.exists()


def test_a_failed_write_leaves_no_temporary_file(bank, tmp_path):
    bank.update_object("/a/b", "x")
    with pytest.raises(exception.BankUpdateObjectFailed):
        bank.update_object("/a", "x")
    temporary = tmp_path / "bank" / file_system_bank_plugin.TEMPORARY
    assert [path.name for path in temporary.iterdir()] == ["reserve"]


class FullUntil:
    """os.writev on a filesystem that is full until a file is gone from it."""

    def __init__(self, path):
        self._path = path
        self._writev = os.writev

    def __call__(self, descriptor, parts):
        if self._path.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._writev(descriptor, parts)


def test_a_full_filesystem_still_takes_what_a_deletion_must_write(
    bank, tmp_path, monkeypatch
):
    reserve = tmp_path / "bank" / file_system_bank_plugin.TEMPORARY / "reserve"
    assert reserve.stat().st_size > 1024 * 1024
    bank.update_object("/data", "x")
    monkeypatch.setattr(os, "writev", FullUntil(reserve))

    with pytest.raises(exception.BankUpdateObjectFailed, match="No space left"):
        bank.update_object("/chunk", b"x" * 1024 * 1024)
    assert reserve.exists()
    bank.update_object("/index.json", {"status": "deleting"})
    assert not reserve.exists()
    assert bank.get_object("/index.json") == {"status": "deleting"}

    bank.delete_object("/data")
    assert reserve.exists()


def test_a_filesystem_that_stays_full_is_told(bank, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "writev", FullUntil(tmp_path))
    for _ in range(2):
        with pytest.raises(exception.BankUpdateObjectFailed, match="No space left"):
            bank.update_object("/index.json", {})


def test_a_key_cannot_be_a_folder_of_others(bank):
    bank.update_object("/a/b", "x")

    with pytest.raises(exception.BankUpdateObjectFailed, match="folder of other"):
        bank.update_object("/a", "y")
    with pytest.raises(exception.BankUpdateObjectFailed, match="is an object"):
        bank.update_object("/a/b/c", "y")
    with pytest.raises(exception.BankUpdateObjectFailed, match="is an object"):
        bank.update_object("/a/b/c/d", "y")
    for use in (bank.get_object, bank.delete_object):
        for key in ("/a", "/a/b/c"):
            with pytest.raises(exception.BankException, match="no such object"):
                use(key)
    assert bank.list_objects() == ["/a/b"]


def test_deleting_removes_the_folders_that_it_empties(bank, folder):
    bank.update_object("/a/b/c/d", "x")
    bank.update_object("/a/e", "x")

    bank.delete_object("/a/b/c/d")
    assert [path.name for path in (folder / "a").iterdir()] == ["e"]
    bank.delete_object("/a/e")
    assert list(folder.iterdir()) == []


def test_empty_folders_of_a_dead_deleter_are_in_nobodys_way(bank, folder):
    (folder / "a" / "b" / "c").mkdir(parents=True)

    assert bank.list_objects() == []
    bank.update_object("/a", "x")
    assert bank.get_object("/a") == "x"


def test_files_that_are_no_objects_are_not_listed(bank, folder, tmp_path):
    bank.update_object("/good", "x")
    (folder / "line\nbreak").write_bytes(b"x")
    os.mknod(os.path.join(os.fsencode(folder), b"\xff"), stat.S_IFREG | 0o600)
    (tmp_path / "outside").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path / "outside")

    assert bank.list_objects() == ["/good"]
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object("/link")


@pytest.mark.parametrize(
    "key", ["/../x", "/a/../../x", "x", "/", "", "/a\x00", "/a//b"]
)
def test_a_key_that_would_leave_the_bank_is_refused(bank, key):
    for use in (
        lambda: bank.update_object(key, "x"),
        lambda: bank.get_object(key),
        lambda: bank.delete_object(key),
    ):
        with pytest.raises(exception.InvalidParameterValue):
            use()
    assert bank.list_objects() == []


def test_a_listing_does_not_leave_the_bank(bank):
    with pytest.raises(exception.InvalidParameterValue):
        bank.list_objects(prefix="/../")


def test_a_listing_looks_only_at_the_folders_of_its_page(bank, monkeypatch):
    for day in range(10):
        for number in range(5):
            bank.update_object(f"/index/2026-11-{day:02}/{number}", number)
    looked_at = []
    scan = listing._scan
    monkeypatch.setattr(
        listing, "_scan", lambda path: looked_at.append(path) or scan(path)
    )

    page = bank.list_objects(prefix="/index/", marker="/index/2026-11-04/2", limit=3)

    assert page == [
        "/index/2026-11-04/3",
        "/index/2026-11-04/4",
        "/index/2026-11-05/0",
    ]
    assert len(looked_at) == 3


def test_a_settled_folder_is_read_once(bank, folder, monkeypatch):
    bank.update_object("/index/a", 1)
    long_ago = time.time() - 100
    os.utime(folder / "index", (long_ago, long_ago))
    looked_at = []
    scan = listing._scan
    monkeypatch.setattr(
        listing, "_scan", lambda path: looked_at.append(path) or scan(path)
    )

    assert bank.list_objects(prefix="/index/") == ["/index/a"]
    assert bank.list_objects(prefix="/index/") == ["/index/a"]
    assert len(looked_at) == 1
    bank.update_object("/index/b", 2)
    assert bank.list_objects(prefix="/index/") == ["/index/a", "/index/b"]
    # Changed just now: it may change again without its mtime telling.
    assert bank.list_objects(prefix="/index/") == ["/index/a", "/index/b"]
    assert len(looked_at) == 3


def test_the_cache_of_names_is_bounded(monkeypatch):
    monkeypatch.setattr(listing, "_CACHED_FOLDERS", 3)
    monkeypatch.setattr(listing, "_CACHED_NAMES", 10)
    cache = listing._NamesCache()
    for number in range(5):
        cache.put(b"%d" % number, (number, 0), [b"x"] * 4)
    assert cache.get(b"4", (4, 0)) is not None
    assert cache.get(b"4", (4, 1)) is None
    assert cache.get(b"3", (3, 0)) is not None
    assert cache.get(b"2", (2, 0)) is None
    cache.put(b"big", (9, 9), [b"x"] * 11)
    assert cache.get(b"big", (9, 9)) is None


def test_writers_and_deleters_of_one_folder_do_not_lose_objects(tmp_path):
    banks = [file_system_bank(tmp_path / "bank") for _ in range(2)]

    def churn(worker):
        bank = banks[worker % 2]
        for number in range(40):
            bank.update_object(f"/deep/er/{worker}", number)
            assert bank.get_object(f"/deep/er/{worker}") == number
            bank.delete_object(f"/deep/er/{worker}")

    with ThreadPoolExecutor(4) as pool:
        for task in [pool.submit(churn, worker) for worker in range(4)]:
            task.result()
    assert banks[0].list_objects() == []


def test_updates_are_synced_before_they_return(bank, monkeypatch):
    synced = []
    fsync, rename = os.fsync, os.rename

    def describe(descriptor):
        return os.readlink(f"/proc/self/fd/{descriptor}")

    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(describe(fd)) or fsync(fd)
    )
    monkeypatch.setattr(
        os, "rename", lambda a, b: synced.append("rename") or rename(a, b)
    )

    bank.update_object("/new/deep/key", "x")

    names = [os.path.basename(name) for name in synced]
    # The first rename finds no folder; those made are synced into their parents.
    assert names[1:] == ["rename", "karbor", "new", "rename", "deep"]
    assert file_system_bank_plugin.TEMPORARY in synced[0]
    synced.clear()
    bank.delete_object("/new/deep/key")
    assert [os.path.basename(name) for name in synced] == ["deep", "karbor"]


def test_a_value_larger_than_one_write_is_whole(bank, monkeypatch):
    def write_a_little(descriptor, parts):
        return os.write(descriptor, b"".join(parts)[:7])

    monkeypatch.setattr(os, "writev", write_a_little)
    monkeypatch.setattr(files, "_MOST_AT_ONCE", 7)
    value = bytes(range(100))
    bank.update_object("/value", value)
    assert bank.get_object("/value") == value


def refused(option="file_system_bank_path"):
    return pytest.raises(
        exception.InvalidInput, match=rf"\[file_system_bank_plugin\]/{option}"
    )


def test_a_path_that_is_a_file_does_not_load(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with refused() as caught:
        file_system_bank(tmp_path / "file")
    assert "Not a directory" in str(caught.value)
    assert caught.value.kwargs["option"].endswith("/file_system_bank_path")
    with refused():
        file_system_bank(tmp_path / "file" / "below")


def test_a_path_where_nothing_can_be_written_does_not_load():
    # Not even root can make a folder there.
    with refused():
        file_system_bank("/proc/self/karbor-bank")


def test_a_path_on_two_filesystems_does_not_load(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(18, "Invalid cross-device link", source)

    monkeypatch.setattr(os, "rename", refuse)
    with refused() as caught:
        file_system_bank(tmp_path)
    assert "cross-device" in str(caught.value)


@pytest.mark.parametrize("path", [None, "", "relative/path"])
def test_a_path_that_is_none_does_not_load(path):
    with refused():
        file_system_bank(path)


@pytest.mark.parametrize("container", ["..", "a/b", ".karbor-tmp", ""])
def test_a_container_that_is_no_name_does_not_load(tmp_path, container):
    with refused("bank_object_container"):
        file_system_bank(tmp_path, bank_object_container=container)


def test_lease_windows_out_of_order_do_not_load(tmp_path):
    with refused("lease_renew_window"):
        file_system_bank(tmp_path, lease_renew_window=600)
    with refused("lease_validity_window"):
        file_system_bank(tmp_path, lease_validity_window=121)


def test_options_of_the_providers_file_are_read(tmp_path):
    provider = tmp_path / "provider.conf"
    provider.write_text(
        "[file_system_bank_plugin]\n"
        f"file_system_bank_path = {tmp_path}/bank\n"
        "bank_object_container = other\n"
        "lease_expire_window = 60\nlease_renew_window = 20\nlease_validity_window = 9\n"
    )
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(provider)])

    bank = file_system_bank_plugin.FileSystemBankPlugin(conf)

    bank.update_object("/x", b"")
    assert (tmp_path / "bank" / "other" / "x").exists()
    assert (bank.lease_expire_window, bank.lease_renew_window) == (60, 20)
    assert bank.lease_validity_window == 9


def test_a_service_that_may_not_make_the_bank_refuses_one_that_is_not_there(tmp_path):
    provider = tmp_path / "provider.conf"
    provider.write_text(
        f"[file_system_bank_plugin]\nfile_system_bank_path = {tmp_path}/bank\n"
        "file_system_bank_create = False\n",
        encoding="utf-8",
    )
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(provider)])

    with pytest.raises(exception.InvalidInput, match="is gone: mount it"):
        file_system_bank_plugin.FileSystemBankPlugin(conf)

    assert not (tmp_path / "bank").exists()
    (tmp_path / "bank" / "karbor").mkdir(parents=True)
    file_system_bank_plugin.FileSystemBankPlugin(conf).update_object("/x", b"")


def test_a_bank_that_is_gone_is_not_an_empty_one(bank, folder, tmp_path):
    bank.acquire_lease()
    folder.rename(tmp_path / "unmounted")

    with pytest.raises(exception.BankListObjectsFailed):
        bank.list_objects()
    with pytest.raises(exception.BankUpdateObjectFailed):
        bank.update_object("/a/b", "x")
    with pytest.raises(exception.BankUpdateObjectFailed):
        bank.update_object("/a", "x")
    with pytest.raises(exception.BankException):
        bank.check_lease_existence(bank.get_owner_id())
    assert not folder.exists()


def _write_lease(folder, owner_id, expires_at):
    (folder / "leases").mkdir(exist_ok=True)
    (folder / "leases" / owner_id).write_text(
        json.dumps({"owner_id": owner_id, "expires_at": expires_at})
    )


def test_an_expired_lease_is_no_lease(bank, folder):
    _write_lease(folder, "late", time.time() - 1)
    _write_lease(folder, "living", time.time() + 60)

    assert not bank.check_lease_existence("late")
    assert bank.check_lease_existence("living")


def test_a_lease_that_cannot_be_read_is_an_error(bank, folder):
    (folder / "leases").mkdir()
    (folder / "leases" / "broken").write_text("no lease")

    with pytest.raises(exception.BankGetObjectFailed, match="no lease"):
        bank.check_lease_existence("broken")


def test_validity_runs_out_by_the_owners_own_clock(bank, monkeypatch):
    assert not bank.check_lease_validity()
    bank.acquire_lease()
    assert bank.check_lease_validity()
    now = time.clock_gettime(file_system_bank_plugin._CLOCK)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: now + 499)
    assert bank.check_lease_validity()
    monkeypatch.setattr(time, "clock_gettime", lambda clock: now + 501)
    assert not bank.check_lease_validity()


def test_leases_that_expired_long_ago_are_cleaned_up(bank, folder):
    _write_lease(folder, "long-ago", time.time() - 601)
    _write_lease(folder, "just-now", time.time() - 1)
    (folder / "leases" / "broken").write_text("no lease")
    bank.acquire_lease()

    bank2 = file_system_bank(folder.parent)
    (folder / "leases" / "broken").unlink()
    bank2.acquire_lease()

    assert bank.list_objects(prefix="/leases/") == sorted(
        f"/leases/{owner}"
        for owner in ("just-now", bank.get_owner_id(), bank2.get_owner_id())
    )


def test_a_lease_that_cannot_be_written_is_an_error(bank, folder):
    (folder / "leases").write_bytes(b"in the way")
    with pytest.raises(exception.AcquireLeaseFailed):
        bank.acquire_lease()
    assert not bank.check_lease_validity()


def test_releasing_a_lease_that_is_gone_is_no_error(bank):
    bank.release_lease()
    bank.acquire_lease()
    bank.delete_object(f"/leases/{bank.get_owner_id()}")
    bank.release_lease()


def test_many_threads_write_many_objects(bank):
    barrier = threading.Barrier(8)

    def write(worker):
        barrier.wait()
        for number in range(10):
            bank.update_object(f"/{number}/{worker}/value", [worker, number])

    with ThreadPoolExecutor(8) as pool:
        for task in [pool.submit(write, worker) for worker in range(8)]:
            task.result()
    assert len(bank.list_objects()) == 80


def test_the_size_of_bytes_is_known_without_reading_them(bank):
    bank.update_object("/bytes", b"12345")
    bank.update_object("/text", "12345")
    assert bank.stored_size("/bytes") == 5
    assert bank.stored_size("/text") is None
    with pytest.raises(exception.BankGetObjectFailed, match="no such object"):
        bank.stored_size("/missing")


@pytest.mark.parametrize("left", [False, True])
def test_a_bank_that_is_not_mounted_is_neither_empty_nor_written(tmp_path, left):
    bank, away = file_system_bank(tmp_path / "bank"), tmp_path / "away"
    bank.update_object("/checkpoints/1/index.json", {"id": "1"})
    bank.acquire_lease()
    (tmp_path / "bank").rename(away)
    if left:
        (tmp_path / "bank").mkdir()

    for call in (
        lambda: bank.list_objects(prefix="/checkpoints/"),
        lambda: bank.get_object("/checkpoints/1/index.json"),
        lambda: bank.update_object("/checkpoints/2/index.json", {}),
        lambda: bank.delete_object("/checkpoints/1/index.json"),
        lambda: bank.check_lease_existence(bank.get_owner_id()),
        lambda: bank.renew_lease(),
    ):
        with pytest.raises(exception.BankException, match="gone: mount it"):
            call()
    assert not left or not list((tmp_path / "bank").iterdir())


@pytest.mark.parametrize("length", range(values.HEADER_SIZE))
def test_a_file_that_is_cut_within_its_header_is_damaged(bank, folder, length):
    bank.update_object("/cut", "text")
    (folder / "cut").write_bytes(values.TEXT[:length])
    with pytest.raises(exception.BankGetObjectFailed, match="/cut"):
        bank.get_object("/cut")


@pytest.mark.parametrize("value", ["text", {"a": 1}])
def test_a_file_in_the_place_of_another_is_damaged(bank, folder, value):
    bank.update_object("/one", value)
    bank.update_object("/two", value)
    (folder / "one").rename(folder / "two")
    with pytest.raises(exception.BankGetObjectFailed, match="key"):
        bank.get_object("/two")
