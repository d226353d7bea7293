# SPDX-License-Identifier: Apache-2.0
"""Master keys in a file."""

import base64
import contextlib
import os
import stat
import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank.encryption.key_file import KeyFile

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))


def line(name, key=KEY):
    return f"{name}:{base64.b64encode(key).decode()}\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "master.keys"


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return KeyFile(str(path))


def test_the_first_key_is_active_and_every_key_is_found(path):
    keys = write(path, "# a comment\n\n" + line("new", OTHER) + line("old"))
    assert keys.active_id() == "new"
    assert (keys.get("new"), keys.get("old")) == (OTHER, KEY)


def test_the_active_key_can_be_named(path):
    write(path, line("new", OTHER) + line("old"))
    assert KeyFile(str(path), "old").active_id() == "old"
    with pytest.raises(exception.MasterKeyUnavailable, match="only new, old") as error:
        KeyFile(str(path), "lost").active_id()
    assert error.value.kwargs["option"] == "[bank_encryption] master_key_id"


def test_a_file_made_with_openssl_as_documented_is_read(path):
    made = subprocess.run(
        ["sh", "-c", f'echo "first:$(openssl rand -base64 32)" > {path}'], check=True
    )
    assert made.returncode == 0
    path.chmod(0o600)
    assert len(KeyFile(str(path)).get("first")) == 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o601, 0o660, 0o644, 0o610])
def test_a_file_that_others_have_rights_on_is_refused(path, mode):
    keys = write(path, line("one"), mode)
    with pytest.raises(exception.MasterKeyUnavailable, match="run: chmod 600") as error:
        keys.get("one")
    assert error.value.kwargs["option"] == "[bank_encryption] key_file"
    assert f"{mode:04o}" in str(error.value)


def test_a_file_that_only_its_owner_reads_is_good(path):
    assert write(path, line("one"), 0o400).get("one") == KEY


def test_a_file_that_is_not_there_tells_how_to_make_one(path):
    with pytest.raises(exception.MasterKeyUnavailable, match="make-key"):
        KeyFile(str(path)).active_id()
    with pytest.raises(exception.MasterKeyUnavailable, match="Is a directory"):
        KeyFile(str(path.parent)).active_id()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no key in it"),
        ("# nothing\n", "there is no key in it"),
        (base64.b64encode(KEY).decode() + "\n", "line 1 is not <name>:<base64"),
        (line("one") + line("two words"), "line 2 is not"),
        (line("one") + line("one", OTHER), "line 2 gives the name 'one' again"),
        ("one:not base64!\n", "line 1: its key is not base64"),
        (line("one", KEY[:31]), "line 1: its key has 31 bytes instead of 32"),
        ("one:\n", "line 1: its key has 0 bytes"),
        (f"{KEY.hex()}:lab\n", "line 1: its key is not base64"),
        (f"{KEY.hex()}:labs\n", "line 1: its key has 3 bytes"),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_line_without_showing_it(
    path, text, reason
):
    keys = write(path, text)
    with pytest.raises(exception.MasterKeyUnavailable) as error:
        keys.active_id()
    assert reason in str(error.value)
    assert base64.b64encode(KEY).decode() not in str(error.value)
    assert base64.b64encode(KEY[:31]).decode() not in str(error.value)
    assert KEY.hex() not in str(error.value)


@given(content=st.binary(max_size=200))
def test_no_content_makes_anything_but_keys_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    keys = KeyFile(str(path))
    with contextlib.suppress(exception.MasterKeyUnavailable):
        assert len(keys.get(keys.active_id())) == 32


def test_make_writes_a_file_of_ones_own_and_puts_new_keys_on_top(path):
    keys = KeyFile(str(path))
    assert keys.make("first") == "first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = keys.get("first")
    keys.make("second")
    assert keys.active_id() == "second"
    assert keys.get("first") == first != keys.get("second")
    assert os.listdir(path.parent) == [path.name]


def test_make_keeps_the_owner_and_follows_a_link(path, tmp_path):
    write(path, line("old"))
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    link = tmp_path / "link"
    link.symlink_to(path)
    KeyFile(str(link)).make("new")
    assert link.is_symlink()
    assert KeyFile(str(path)).active_id() == "new"
    if os.geteuid() == 0:
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_make_refuses_a_name_that_is_there_and_one_that_cannot_be(path):
    keys = write(path, line("one"))
    with pytest.raises(exception.MasterKeyUnavailable, match="it has one of that name"):
        keys.make("one")
    with pytest.raises(exception.MasterKeyUnavailable, match="no name for a key"):
        keys.make("a:b")
    assert keys.get("one") == KEY


def test_make_does_not_touch_a_file_that_cannot_be_read(path):
    write(path, "rubbish\n")
    with pytest.raises(exception.MasterKeyUnavailable, match="line 1"):
        KeyFile(str(path)).make("new")
    assert path.read_text() == "rubbish\n"


def test_of_many_who_add_keys_at_once_none_loses_anothers(path):
    made, refused = [], []
    barrier = threading.Barrier(8)

    def add(number):
        barrier.wait()
        try:
            made.append(KeyFile(str(path)).make(f"key-{number}"))
        except exception.MasterKeyUnavailable as error:
            refused.append(str(error))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) + len(refused) == 8
    assert made
    assert all("another is adding a key" in reason for reason in refused)
    for name in made:
        assert len(KeyFile(str(path)).get(name)) == 32


def test_a_key_that_was_added_is_there_at_once(path):
    keys = write(path, line("old"))
    assert keys.active_id() == "old"
    write(path, line("new", OTHER) + line("old"))
    assert keys.active_id() == "new"
