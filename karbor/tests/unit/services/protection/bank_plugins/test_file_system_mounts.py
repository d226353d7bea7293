# SPDX-License-Identifier: Apache-2.0
"""A filesystem bank promises strong reads where nobody else's cache is in the way."""

import os

import pytest

from karbor.services.protection.bank_plugins.file_system import mounts
from karbor.tests.fakes.file_system_bank import file_system_bank

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / {folder}/shared rw - nfs4 server:/export rw
31 22 0:41 / {folder}/with\\040blank rw - xfs /dev/sdb1 rw
32 22 0:42 / {folder}/hidden rw - nfs server:/old rw
33 22 0:43 / {folder}/hidden rw - btrfs /dev/sdc1 rw
34 22 0:44 / {folder}/odd rw - fuse.sshfs user@host rw
nonsense
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shared", False),
        ("shared/below", False),
        ("sharedness", True),
        ("with blank/below", True),
        ("hidden", True),
        ("odd", False),
        ("else", True),
    ],
)
def test_the_filesystem_that_a_folder_is_on_is_found(tmp_path, name, expected):
    folder = os.path.realpath(tmp_path)
    (tmp_path / name).mkdir(parents=True)
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.format(folder=folder), encoding="ascii")

    assert mounts.is_local(os.fsencode(tmp_path / name), str(table)) is expected


def test_without_a_table_nothing_is_promised(tmp_path):
    assert not mounts.is_local(os.fsencode(tmp_path), str(tmp_path / "none"))


@pytest.mark.parametrize(("said", "expected"), [("yes", True), ("no", False)])
def test_what_an_administrator_says_counts(tmp_path, said, expected):
    plugin = file_system_bank(tmp_path, file_system_bank_strong_read=said)

    assert plugin.capabilities.strong_read is expected


def test_a_bank_finds_out_by_itself(tmp_path):
    found = file_system_bank(tmp_path).capabilities.strong_read

    assert found is mounts.is_local(os.fsencode(tmp_path))
