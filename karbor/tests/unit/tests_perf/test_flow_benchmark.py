# SPDX-License-Identifier: Apache-2.0
"""The benchmark of flows runs, and says what it measured."""

import json

import pytest

from karbor.tests.perf import flow


@pytest.mark.parametrize(
    ("shape", "resources"), [("star", 12), ("chain", 12), ("ladder", 24)]
)
def test_a_small_benchmark_prints_one_json_object(shape, resources, capsys):
    assert flow.main(["--shape", shape, "--size", "12"]) == 0

    measured = json.loads(capsys.readouterr().out)
    assert measured["resources"] == resources
    assert measured["tasks"] == 4 * resources
    assert measured["seconds"] > 0
    assert measured["peak_rss_mib"] > 0


def test_each_rung_of_a_ladder_depends_on_both_of_the_next():
    assert {n: list(c) for n, c in flow.ladder(3).items()} == {
        0: [2, 3],
        1: [2, 3],
        2: [4, 5],
        3: [4, 5],
        4: [],
        5: [],
    }
