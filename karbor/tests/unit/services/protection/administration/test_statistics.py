# SPDX-License-Identifier: Apache-2.0
"""Numbers of a bank, and speeds."""

from karbor.services.protection.administration.bench import Bench
from karbor.services.protection.administration.statistics import statistics
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions


def test_everything_is_counted(bank, protect):
    protect(), protect("error", seed=2), protect("protecting", seed=3)
    found = statistics(bank)
    assert found.checkpoints == {"available": 1, "error": 1, "protecting": 1}
    length = 12 * 1024 + 6000 + 3 * 4096 + 3
    assert (found.streams, found.logical_bytes) == (6, 6 * length)
    assert 6 * 12 * 1024 < found.stored_bytes < 6 * (12 * 1024 + 6000)
    assert found.ratio == found.logical_bytes / found.stored_bytes
    keys = bank.list_objects("/")
    assert found.objects.total() == len(keys)
    assert found.objects["indices"] == 3 * 3 + 1
    assert found.to_dict()["objects_total"] == len(keys)


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
    assert (found.streams, found.unreadable_streams) == (1, 1)


def test_the_bench_measures_each_stage_and_leaves_nothing(plugin):
    bank = Bank(plugin, StreamOptions(chunk_size=256 * 1024))
    found = Bench(bank, 1).run()
    assert set(found["mib_per_second"]) == {
        "read",
        "hash",
        "compress",
        "put",
        "get",
        "write_stream",
        "read_stream",
    }
    assert all(speed > 0 for speed in found["mib_per_second"].values())
    assert found["bytes"] == 1024 * 1024
    assert 0.4 < found["compressed_bytes"] / found["bytes"] < 0.7
    assert bank.list_objects("/") == []
