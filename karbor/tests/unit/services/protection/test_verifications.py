# SPDX-License-Identifier: Apache-2.0
"""Verifications as they are asked for: how deep they go, and what they find."""

import os

import pytest

from karbor import exception
from karbor.tests.fakes import disk_plugin
from karbor.tests.unit.services.protection.disk_service import (
    CHUNK,
    DISK,
    OWNER,
    PROJECT,
    SOURCE,
)

RESOURCE = f"{disk_plugin.TYPE}#{DISK}"


@pytest.fixture
def checkpoint_id(disk_service):
    return disk_service.protected(disk_service.plan(), os.urandom(20 * CHUNK + 1))


def files_of(disk_service, checkpoint_id):
    """All that the bank keeps of the only checkpoint, but for the project's key, which
    a service has in memory."""
    bank = disk_service.bank_path(SOURCE) / "karbor"
    folders = (bank / "checkpoints" / checkpoint_id, bank / "chunks" / PROJECT / "data")
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def verify(disk_service, checkpoint_id, **parameters):
    """What a person gets to read of damage; None when there is none."""
    try:
        record = disk_service.verify(SOURCE, checkpoint_id, **parameters)
    except exception.CheckpointUnreadable as error:
        return str(error)
    if record["status"] == "success":
        assert record["resources_status"] == {RESOURCE: "available"}
        return None
    return f"{checkpoint_id}: {record['resources_reason']}"


@pytest.mark.parametrize("disk_service", [(), (SOURCE,)], indirect=True)
def test_a_flipped_bit_in_any_object_is_found(disk_service, checkpoint_id):
    files = files_of(disk_service, checkpoint_id)
    assert len(files) >= 20 + 4
    assert verify(disk_service, checkpoint_id) is None
    for path in files:
        kept = path.read_bytes()
        flip(path)
        said = verify(disk_service, checkpoint_id)
        assert said is not None, path
        assert checkpoint_id in said
        if "data" in path.parts:
            assert DISK in said
            assert "chunk" in said or "page" in said
        path.write_bytes(kept)
    assert verify(disk_service, checkpoint_id) is None


def test_a_flipped_bit_in_a_chunk_is_found_by_who_reads_it(disk_service, checkpoint_id):
    for path in files_of(disk_service, checkpoint_id):
        if "data" in path.parts:
            flip(path)
    assert verify(disk_service, checkpoint_id, depth="objects") is None
    # Of three chunks at least two are objects: the last one is in the manifest.
    assert "chunk" in verify(disk_service, checkpoint_id, depth="sample")
    assert "chunk" in verify(
        disk_service, checkpoint_id, depth="sample", sample_percent="10"
    )


def test_a_lost_chunk_is_found_at_any_depth(disk_service, checkpoint_id):
    path = next(
        path for path in files_of(disk_service, checkpoint_id) if "data" in path.parts
    )
    path.unlink()
    for depth in ("objects", "full"):
        assert "lost" in verify(disk_service, checkpoint_id, depth=depth)


def test_an_object_that_no_hook_asks_for_is_missed(disk_service, checkpoint_id):
    section = disk_service.checkpoint(SOURCE, checkpoint_id).get_resource_bank_section(
        DISK
    )
    section.delete_object("metadata")
    for depth in ("objects", "full"):
        said = verify(disk_service, checkpoint_id, depth=depth)
        assert "metadata: it is lost" in said


@pytest.mark.parametrize(
    "parameters",
    [
        {"depth": "deep"},
        {"depth": "sample", "sample_percent": 0},
        {"depth": "sample", "sample_percent": 101},
        {"depth": "sample", "sample_percent": "nan"},
        {"deepth": "full"},
    ],
)
def test_a_depth_that_means_nothing_is_refused(disk_service, checkpoint_id, parameters):
    with pytest.raises(exception.InvalidInput):
        disk_service.verify(SOURCE, checkpoint_id, **parameters)


def test_the_log_tells_how_far_it_is(disk_service, checkpoint_id):
    assert verify(disk_service, checkpoint_id, depth="objects") is None
    (log,) = [
        log
        for log in disk_service.service.database.operation_logs.list(OWNER)
        if log["operation_type"] == "verify"
    ]
    assert log["extra_info"]["progress"]["bytes_done"] == 20 * CHUNK + 1
