# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to any one object of a bank: a check finds it, nobody reads wrong
bytes."""

import random

import pytest

from karbor import exception
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.bank_plugins.file_system.values import HEADER_SIZE
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.tests.unit.services.protection.administration.conftest import (
    VOLUMES,
    hours_later,
)

#: Bytes of a file that tell whether it holds bytes, text or JSON.
KIND = HEADER_SIZE


def objects(folder):
    return sorted(path for path in folder.glob("**/*") if path.is_file())


def flipped(content, other, luck):
    bit = luck.randrange(len(content) * 8)
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def cut(content, other, luck):
    return content[: luck.randrange(len(content))]


def emptied(content, other, luck):
    return b""


def swapped(content, other, luck):
    return other


def longer(content, other, luck):
    return content + luck.randbytes(1)


def read(bank, checkpoint_id):
    """All that a restore reads of a checkpoint."""
    checkpoint = CheckpointCollection(bank).get(checkpoint_id)
    found = [checkpoint.status, checkpoint.resource_graph]
    for volume in VOLUMES:
        section = checkpoint.get_resource_bank_section(volume.id, is_writable=False)
        with section.open_stream("disk") as stream:
            found += [section.get_object("metadata"), stream.read()]
    return found


@pytest.mark.parametrize("open_bank", ["plain", "encrypted"], indirect=True)
@pytest.mark.parametrize("change", [flipped, cut, emptied, swapped, longer, None])
def test_what_happens_to_any_object_is_found_and_read_by_nobody(
    open_bank, protect, folder, change
):
    # The second has what the first has, and the third what nobody else has.
    ids = [protect(seed=seed).id for seed in (1, 1, 2)]
    expected = {
        checkpoint_id: read(open_bank(), checkpoint_id) for checkpoint_id in ids
    }
    luck = random.Random(5)
    paths = objects(folder)
    for path in paths:
        content = path.read_bytes()
        # What is no bytes is told from another of its kind, and not from bytes.
        others = [
            other
            for other in paths
            if other.read_bytes()[:KIND] == content[:KIND]
            and other.read_bytes() != content
        ]
        changed = change and change(content, luck.choice(others).read_bytes(), luck)
        if changed is None:
            path.unlink()
        else:
            path.write_bytes(changed)
        report = BankCheck(open_bank(), Depth(Level.FULL), clock=hours_later()).run()
        assert report.damage or report.unchecked, (path, changed)
        for checkpoint_id in ids:
            try:
                found = read(open_bank(), checkpoint_id)
            except exception.KarborException:
                continue
            assert found == expected[checkpoint_id], (path, changed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for checkpoint_id in ids:
        assert read(open_bank(), checkpoint_id) == expected[checkpoint_id]
