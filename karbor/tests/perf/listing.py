# SPDX-License-Identifier: Apache-2.0
"""What a page of checkpoints costs, in a bank that has more and more of them.

``python -m karbor.tests.perf.listing --checkpoints 100000`` prints one JSON object. A
filesystem bank is filled through the checkpoint collection itself, the moments spread
over a year, and looked at with 1,000, 10,000, … checkpoints in it: a page of 50 at the
start, in the middle and at the end, newest first and oldest first, through each
index. By default one project and one plan have all of them, so that every index does.

Each page is asked for once through a plugin that has never listed anything
(``cold_ms``), and some more times through the same one (``warm_ms``, the median).
Every page is compared with what it must be.

os.fsync does nothing while the bank is filled, and only then: filling is not what is
measured, and would take an hour.
"""

import argparse
import contextlib
import datetime
import json
import os
import resource
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from oslo_config import cfg

from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank_plugins import file_system_bank_plugin
from karbor.services.protection.checkpoint import CheckpointCollection

PROVIDER = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"
PAGE = 50
_BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_SMALLEST = 1000
# Multiples of it, modulo 1, spread evenly however many are taken.
_GOLDEN = 0.6180339887498949


def main(arguments: list[str] | None = None) -> None:
    """Run as the command line says, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoints", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365, help="to spread them over")
    parser.add_argument("--projects", type=int, default=1)
    parser.add_argument("--plans", type=int, default=1, help="of each project")
    parser.add_argument("--rounds", type=int, default=9, help="of each warm page")
    parser.add_argument("--folder", help="where to work; the default is TMPDIR")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(
            Path(folder),
            options.checkpoints,
            days=options.days,
            projects=options.projects,
            plans=options.plans,
            rounds=options.rounds,
        )
    print(json.dumps(result))


def measure(
    folder: Path,
    checkpoints: int,
    *,
    days: int = 365,
    projects: int = 1,
    plans: int = 1,
    rounds: int = 9,
) -> dict[str, object]:
    """What ``main`` prints; all times of pages in milliseconds.

    :param folder: an empty folder on the filesystem to be measured
    """
    started = time.monotonic()
    filler = _Filler(folder, days, projects, plans)
    sizes = []
    for size in _sizes(checkpoints):
        filler.fill_up_to(size)
        sizes.append({"checkpoints": size, **_look(folder, filler.made, days, rounds)})
    return {
        "benchmark": "listing",
        "checkpoints": checkpoints,
        "page": PAGE,
        "days": days,
        "projects": projects,
        "plans": projects * plans,
        "slowest_cold_ms": sizes[-1]["slowest_cold_ms"],
        "slowest_warm_ms": sizes[-1]["slowest_warm_ms"],
        "sizes": sizes,
        "fill_seconds": round(filler.seconds, 2),
        "peak_rss_mib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1
        ),
        "cpus": os.cpu_count(),
        "seconds": round(time.monotonic() - started, 2),
    }


class _Filler:
    """Makes checkpoints whose moments are spread evenly at any time.

    :ivar made: ``(moment, id, project, plan)`` of each
    """

    def __init__(self, folder: Path, days: int, projects: int, plans: int) -> None:
        self.made: list[tuple[datetime.datetime, str, str, str]] = []
        self.seconds = 0.0
        self._span = datetime.timedelta(days=days)
        self._projects = projects
        self._plans = plans
        self._now = _BEGIN
        self._collection = CheckpointCollection(
            Bank(_plugin(folder)), None, lambda: self._now
        )

    def fill_up_to(self, size: int) -> None:
        """Make more, until there are so many."""
        started = time.monotonic()
        with _without_fsync():
            for number in range(len(self.made), size):
                self._make(number)
        os.sync()
        self.seconds += time.monotonic() - started

    def _make(self, number: int) -> None:
        project = number % self._projects
        plan = f"plan-{project}-{number // self._projects % self._plans}"
        self._now = _BEGIN + self._span * (number * _GOLDEN % 1)
        checkpoint = self._collection.create(
            {"id": plan, "name": "nightly", "resources": _RESOURCES},
            provider_id=PROVIDER,
            project_id=f"project-{project}",
            checkpoint_id=str(uuid.UUID(int=number, version=4)),
        )
        checkpoint.transition("available")
        self.made.append((self._now, checkpoint.id, f"project-{project}", plan))


_RESOURCES = [
    {
        "id": f"a0000000-0000-4000-8000-00000000000{number}",
        "type": "OS::Glance::Image",
        "name": f"image {number}",
        "extra_info": "{}",
    }
    for number in range(3)
]


def _look(
    folder: Path,
    made: list[tuple[datetime.datetime, str, str, str]],
    days: int,
    rounds: int,
) -> dict[str, Any]:
    """Look at every kind of page."""
    first, last = (_BEGIN + datetime.timedelta(days=day) for day in (0, days))
    dates = {
        "start_date": (first + (last - first) / 10).date(),
        "end_date": (last - (last - first) / 10).date(),
    }
    own = [item for item in made if item[2] == "project-0"]
    plan = [item for item in own if item[3] == "plan-0-0"]
    dated = [
        item
        for item in own
        if dates["start_date"] <= item[0].date() <= dates["end_date"]
    ]
    listings: dict[str, tuple[list[Any], dict[str, Any]]] = {
        "by_provider": (own, {}),
        "by_plan": (plan, {"plan_id": "plan-0-0"}),
        "by_date": (dated, dates),
        "all_tenants": (made, {"all_tenants": True}),
    }
    pages: dict[str, dict[str, float]] = {}
    for name, (items, question) in listings.items():
        for order in ("desc", "asc"):
            ids = [item[1] for item in sorted(items, reverse=order == "desc")]
            for place, at in _places(len(ids)).items():
                pages[f"{name}/{order}/{place}"] = _page(
                    folder,
                    ids[at : at + PAGE],
                    rounds,
                    marker=ids[at - 1] if at else None,
                    sort_dirs=[order],
                    **question,
                )
    return {
        "median_cold_ms": statistics.median(p["cold_ms"] for p in pages.values()),
        "median_warm_ms": statistics.median(p["warm_ms"] for p in pages.values()),
        "slowest_cold_ms": max(page["cold_ms"] for page in pages.values()),
        "slowest_warm_ms": max(page["warm_ms"] for page in pages.values()),
        "pages": pages,
    }


def _page(
    folder: Path, wanted: list[str], rounds: int, **question: Any
) -> dict[str, float]:
    collection = CheckpointCollection(Bank(_plugin(folder)))
    times = []
    for _round in range(rounds + 1):
        started = time.perf_counter()
        found = collection.list(
            "project-0", provider_id=PROVIDER, limit=PAGE, **question
        )
        shown = [checkpoint.to_dict(graph=False) for checkpoint in found]
        times.append((time.perf_counter() - started) * 1000)
        if [checkpoint["id"] for checkpoint in shown] != wanted:
            raise AssertionError(f"a wrong page for {question}")
    return {
        "cold_ms": round(times[0], 2),
        "warm_ms": round(statistics.median(times[1:]), 2),
    }


def _places(count: int) -> dict[str, int]:
    return {"start": 0, "middle": count // 2, "end": max(count - PAGE, 0)}


def _sizes(checkpoints: int) -> list[int]:
    sizes = [checkpoints]
    smaller = _SMALLEST
    while smaller < checkpoints:
        sizes.insert(-1, smaller)
        smaller *= 10
    return sizes


@contextlib.contextmanager
def _without_fsync() -> Iterator[None]:
    def nothing(descriptor: int) -> None:
        """In its place; a mock would keep a record of each call."""

    with mock.patch("os.fsync", nothing), mock.patch("os.fdatasync", nothing):
        yield


def _plugin(folder: Path) -> file_system_bank_plugin.FileSystemBankPlugin:
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    file_system_bank_plugin.register_opts(conf)
    conf.set_override(
        "file_system_bank_path", str(folder), file_system_bank_plugin.GROUP
    )
    return file_system_bank_plugin.FileSystemBankPlugin(conf)


if __name__ == "__main__":
    main()
