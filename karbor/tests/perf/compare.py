# SPDX-License-Identifier: Apache-2.0
"""How Karbor's streams compare with other ways to protect a volume.

``tools/perf_compare.sh`` installs what is compared with and runs this; it prints one
JSON object, and a line for each contender and round to standard error.

In each round every contender in turn protects a file of random bytes for the first
time, restores it, protects it again after 5 % of it were changed in four places, and
protects and restores a file that compresses to a half. Each begins with an empty
store, and its work ends when everything is on the disk: what does not sync by itself
is synced, and timed with it. Every restored file is compared. The order is another in
each round. All figures are medians over the rounds; a ratio is the median of the
ratios of each round, in which what else the machine did was the most alike.

``mib_per_second`` is of the volume. Karbor and Cinder are services: their time is that
of the work, the others' that of the command. Processor time and memory are always those
of the whole process. Then two files are protected and restored by Karbor alone: files
of growing size, and a sparse one.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from karbor.tests.perf.comparison import contenders
from karbor.tests.perf.comparison.contenders import CONTENDERS, Contender
from karbor.tests.perf.comparison.measuring import Cost
from karbor.tests.perf.comparison.volume import MIB, Volume

CHANGED = 0.05
#: What is measured of each contender, in this order.
STEPS = (
    "random/protect",
    "random/restore",
    "random/changed",
    "compressible/protect",
    "compressible/restore",
)


@dataclasses.dataclass(frozen=True)
class Result:
    """One step of one contender in one round.

    :param stored: bytes that the store grew by; None when nothing was stored
    """

    step: str
    cost: Cost
    stored: int | None = None


def main(arguments: list[str] | None = None) -> None:
    """Run as the command line says, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bytes", type=int, default=1024 * MIB)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--contenders",
        type=_names,
        help="some of these, with commas: " + ",".join(CONTENDERS),
    )
    parser.add_argument(
        "--once",
        type=_names,
        default=[],
        help="those that take part in the first round only",
    )
    parser.add_argument(
        "--sizes",
        default="256,1024,4096",
        help="MiB of the volumes that show what memory a size takes; empty: none",
    )
    parser.add_argument("--sparse", type=int, default=16 * 1024, help="MiB; 0: nothing")
    parser.add_argument("--cinder-python", default="", help="of the venv with Cinder")
    parser.add_argument("--folder", help="where to work; the default is TMPDIR")
    options = parser.parse_args(arguments)
    contenders.Cinder.python = options.cinder_python
    chosen = options.contenders or _installed()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        comparison = Comparison(Path(folder), options.bytes)
        for number in range(options.rounds):
            comparison.round(
                name for name in chosen if not number or name not in options.once
            )
        result = {
            "benchmark": "compare",
            "bytes": options.bytes,
            "rounds": options.rounds,
            "changed": CHANGED,
            "versions": {"python": platform.python_version(), **contenders.versions()},
            "cpus": os.cpu_count(),
            **comparison.summary(),
            "sizes": [
                _alone(Path(folder), int(size) * MIB, None)
                for size in filter(None, options.sizes.split(","))
            ],
            "sparse": _alone(Path(folder), options.sparse * MIB, options.bytes // 16)
            if options.sparse
            else None,
        }
    result["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(result))


class Comparison:
    """Rounds of contenders on the same two volumes.

    :param folder: an empty folder on the filesystem to be measured
    :param size: bytes of each volume
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._random = Volume(folder / "random", size)
        self._compressible = Volume(folder / "compressible", size)
        self._random.make("random")
        self._compressible.make("compressible")
        self._rounds: list[dict[str, dict[str, Result]]] = []

    def round(self, names: Iterable[str]) -> None:
        """Let each of some contenders do everything once."""
        number = len(self._rounds)
        order = list(names)
        order = order[number % len(order) :] + order[: number % len(order)]
        self._rounds.append({})
        for name in order:
            results = [
                *self._with(CONTENDERS[name], self._random, number),
                *self._with(CONTENDERS[name], self._compressible),
            ]
            self._rounds[number][name] = {result.step: result for result in results}
            told = {
                result.step: round(self._rate(result.cost.seconds))
                for result in results
            }
            print(number, name, told, file=sys.stderr, flush=True)

    def _with(
        self, kind: type[Contender], volume: Volume, seed: int | None = None
    ) -> list[Result]:
        """Protect a volume, and restore it; and again, when a seed tells what to
        change meanwhile."""
        folder = self._folder / "contender"
        folder.mkdir()
        target = folder / "restored"
        contender = kind(folder)
        contender.prepare()
        protect = contender.protect(volume.path)
        stored = contender.stored_bytes()
        restore = contender.restore(volume.path, target)
        volume.compare(target)
        results = [
            Result(f"{volume.path.name}/protect", protect, stored),
            Result(f"{volume.path.name}/restore", restore),
        ]
        if seed is not None:
            volume.change(CHANGED, seed)
            again = contender.protect(volume.path)
            grown = contender.stored_bytes() - stored
            results.append(Result(f"{volume.path.name}/changed", again, grown))
            contender.restore(volume.path, target)
            volume.compare(target)
            volume.change_back()
        shutil.rmtree(folder)
        os.sync()
        return results

    def summary(self) -> dict[str, Any]:
        """What was found, by contender; and ratios, of ours to each other's rate."""
        names = list(dict.fromkeys(name for found in self._rounds for name in found))
        return {
            "contenders": {name: self._of(name) for name in names},
            "ratios": {
                ours: {
                    other: self._ratios(ours, other) for other in names if other != ours
                }
                for ours in ("karbor", "karbor-encrypted")
                if ours in names
            },
        }

    def _of(self, name: str) -> dict[str, dict[str, float]]:
        found = [results[name] for results in self._rounds if name in results]
        return {
            step: self._medians([results[step] for results in found]) for step in STEPS
        }

    def _medians(self, results: Sequence[Result]) -> dict[str, float]:
        costs = [result.cost for result in results]
        seconds = [cost.seconds for cost in costs]
        medians = {
            "mib_per_second": self._rate(statistics.median(seconds)),
            "fastest_mib_per_second": self._rate(min(seconds)),
            "processor_seconds": statistics.median(c.processor_seconds for c in costs),
            "peak_mib": max(cost.peak_mib for cost in costs),
        }
        stored = [result.stored for result in results if result.stored is not None]
        if stored:
            medians["stored_mib"] = statistics.median(stored) / MIB
        return {name: round(value, 2) for name, value in medians.items()}

    def _ratios(self, ours: str, other: str) -> Mapping[str, float]:
        both = [found for found in self._rounds if ours in found and other in found]
        return {
            step: round(
                statistics.median(
                    found[other][step].cost.seconds / found[ours][step].cost.seconds
                    for found in both
                ),
                2,
            )
            for step in STEPS
        }

    def _rate(self, seconds: float) -> float:
        return self._random.size / MIB / seconds


def _alone(folder: Path, size: int, data: int | None) -> dict[str, float]:
    """What Karbor takes for one volume.

    :param data: bytes of a sparse volume that are data; None: all are
    """
    volume = Volume(folder / "volume", size)
    if data is None:
        volume.make("random")
    else:
        volume.make_sparse(data)
    place = folder / "alone"
    place.mkdir()
    karbor = contenders.Karbor(place)
    karbor.prepare()
    protect = karbor.protect(volume.path)
    stored = karbor.stored_bytes()
    target = place / "restored"
    restore = karbor.restore(volume.path, target)
    allocated = target.stat().st_blocks * 512
    volume.compare(target)
    volume.path.unlink()
    shutil.rmtree(place)
    os.sync()
    return {
        "mib": size / MIB,
        "data_mib": (size if data is None else data) / MIB,
        "protect_seconds": round(protect.seconds, 2),
        "protect_peak_mib": round(protect.peak_mib, 1),
        "restore_seconds": round(restore.seconds, 2),
        "restore_peak_mib": round(restore.peak_mib, 1),
        "stored_mib": round(stored / MIB, 2),
        "restored_file_mib": round(allocated / MIB, 2),
    }


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _installed() -> list[str]:
    return [
        name
        for name, kind in CONTENDERS.items()
        if contenders.Cinder.python or not issubclass(kind, contenders.Cinder)
    ]


if __name__ == "__main__":
    main()
