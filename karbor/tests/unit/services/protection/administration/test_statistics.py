# SPDX-License-Identifier: Apache-2.0
"""Numbers of a bank, and speeds."""

import pytest

from karbor.services.protection.administration.bench import Bench
from karbor.services.protection.administration.statistics import statistics
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions


def test_everything_is_counted(bank, protect):
    protect(), protect("error", seed=2), protect("protecting", seed=3)
    found = statistics(bank)
    assert found.checkpoints == {"available": 1, "error": 1, "protecting": 1}
    length = 12 * 1024 + 6000 + 3 * 4096 + 3
    total = found.total
    assert (total.streams, total.logical_bytes) == (6, 6 * length)
    assert 6 * 12 * 1024 < total.stored_bytes < 6 * (12 * 1024 + 6000)
    assert total.ratio == total.logical_bytes / total.stored_bytes
    keys = bank.list_objects("/")
    assert found.objects.total() == len(keys)
    assert found.objects["indices"] == 3 * 3 + 1
    assert found.objects["chunks"] == total.chunk_objects == 6 * (3 + 1)
    assert found.to_dict()["objects_total"] == len(keys)


def test_what_is_shared_is_counted_once_in_its_project(bank, protect):
    protect(), protect(), protect(project_id="project-2")
    bank.update_object("/chunks/project-2/data/no-chunk", b"x")
    bank.update_object("/chunks/stray", b"x")
    found = statistics(bank)
    one, other = found.projects["project-1"], found.projects["project-2"]
    assert (one.checkpoints, other.checkpoints) == (2, 1)
    assert (one.streams, other.streams) == (4, 2)
    assert one.logical_bytes == 2 * other.logical_bytes
    assert one.chunk_objects == other.chunk_objects == 2 * (3 + 1)
    # Pages name objects, so how well they pack is a little different.
    assert one.stored_bytes == pytest.approx(other.stored_bytes, rel=0.01)
    assert one.ratio == pytest.approx(2 * other.ratio, rel=0.01)
    said = found.to_dict()
    assert said["projects"]["project-2"]["chunk_objects"] == 2 * (3 + 1)
    assert said["stored_bytes"] == one.stored_bytes + other.stored_bytes


def test_an_empty_bank_has_no_ratio(bank):
    found = statistics(bank).to_dict()
    assert (found["ratio"], found["checkpoints_total"], found["objects"]) == (
        None,
        0,
        {},
    )


def test_what_cannot_be_read_is_counted_as_such(bank, protect):
    checkpoint = protect()
    base = f"/checkpoints/{checkpoint.id}"
    bank.update_object(f"{base}/index.json", "rubbish")
    bank.update_object(f"{base}/resource-data/v1/.streams/by-name/disk", "rubbish")
    found = statistics(bank)
    assert found.checkpoints == {"unreadable": 1}
    assert (found.total.streams, found.unreadable_streams) == (1, 1)
    assert found.projects["project-1"].checkpoints == 0


def test_the_bench_measures_each_stage_and_leaves_nothing(plugin):
    bank = Bank(plugin, StreamOptions(chunk_size=256 * 1024))
    found = Bench(bank, 1).run()
    assert list(found["mib_per_second"]) == [
        "read",
        "zero_test",
        "hash",
        "compress",
        "encrypt",
        "put",
        "find",
        "get",
        "write_stream",
        "read_stream",
    ]
    assert all(speed > 0 for speed in found["mib_per_second"].values())
    assert found["bytes"] == 1024 * 1024
    assert 0.4 < found["compressed_bytes"] / found["bytes"] < 0.7
    assert bank.list_objects("/") == []
