# SPDX-License-Identifier: Apache-2.0
"""The stream benchmark runs, and says what it promises to say."""

import json

import pytest

from karbor.services.protection.bank.chunks.envelope import OVERHEAD
from karbor.tests.perf import stream


@pytest.mark.parametrize("data", ["random", "zero", "compressible"])
def test_the_benchmark_prints_one_json_object(data, tmp_path, capsys):
    size = 3 * 1024 * 1024 + 17

    stream.main(
        [
            *("--data", data, "--bytes", str(size), "--rounds", "1"),
            *("--chunk-size", "1048576", "--folder", str(tmp_path)),
        ]
    )

    result = json.loads(capsys.readouterr().out)
    assert result["bytes"] == size
    assert result["chunks"] == 4
    for name in ("write", "cp_sync", "read", "cp_back_sync"):
        assert result[f"{name}_mib_per_second"] > 0
    assert result["peak_rss_mib"] > 0
    noise = size + 4 * OVERHEAD
    stored = {"random": noise, "zero": 0, "compressible": 0.6 * size}[data]
    assert result["stored_bytes"] <= stored
    assert list(tmp_path.iterdir()) == []
