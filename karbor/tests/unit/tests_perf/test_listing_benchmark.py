# SPDX-License-Identifier: Apache-2.0
"""The benchmark of listings runs, and its pages are right."""

import json

from karbor.tests.perf import listing


def test_the_listing_benchmark_prints_one_json_object(tmp_path, capsys):
    listing.main(
        [
            "--checkpoints=120",
            "--days=30",
            "--projects=2",
            "--plans=2",
            "--rounds=1",
            f"--folder={tmp_path}",
        ]
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed["benchmark"] == "listing"
    assert printed["checkpoints"] == 120
    assert [size["checkpoints"] for size in printed["sizes"]] == [120]
    assert len(printed["sizes"][0]["pages"]) == 4 * 2 * 3
    for name in ("slowest_cold_ms", "slowest_warm_ms", "peak_rss_mib", "seconds"):
        assert printed[name] > 0
    assert list(tmp_path.iterdir()) == []
