# SPDX-License-Identifier: Apache-2.0
"""Many processes on one bank, killed, paused and restarted at random.

``python -m karbor.tests.torture --seeds 1-20 --actions 5000`` runs so many actions
with each seed, on a bank in a folder of a filesystem in memory (``--folder``), and
prints one JSON object. It ends with 1 when a committed checkpoint was not as it must
be, or when something was left at the end. The bank of a seed that failed stays to be
looked at.
"""

import argparse
import collections
import json
import pathlib
import shutil
import signal
import sys
import tempfile
from typing import Any

from karbor.tests.torture import banks
from karbor.tests.torture.driver import Plan, Summary, Torture

_MEMORY = pathlib.Path("/dev/shm")
_SUMS = (
    "actions",
    "committed",
    "killed",
    "paused",
    "restarted",
    "checks",
    "checked_checkpoints",
    "checked_bytes",
    "seconds",
)


def _numbers(text: str) -> list[int]:
    """Seeds: numbers and ranges, ``1-20,33``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _progress(summary: Summary) -> None:
    sys.stderr.write(
        f"seed {summary.seed} on {summary.kind}: {summary.actions} actions, "
        f"{summary.killed} kills, {summary.paused} pauses\n"
    )


def _total(summaries: list[Summary]) -> dict[str, Any]:
    found = [summary.to_json() for summary in summaries]
    outcomes: collections.Counter[str] = collections.Counter()
    for summary in summaries:
        outcomes += summary.outcomes
    return {
        "seeds": {
            kind: [s.seed for s in summaries if s.kind == kind] for kind in banks.KINDS
        },
        **{name: round(sum(one[name] for one in found), 1) for name in _SUMS},
        "outcomes": dict(sorted(outcomes.items())),
        "failures": [
            f"seed {summary.seed} on {summary.kind}: {failure}"
            for summary in summaries
            for failure in summary.failures
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=_numbers, default=_numbers("1-4"))
    parser.add_argument("--actions", type=int, default=1000, help="for each seed")
    parser.add_argument("--bank", choices=[*banks.KINDS, "both"], default="both")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--folder",
        type=pathlib.Path,
        default=_MEMORY if _MEMORY.is_dir() else pathlib.Path(tempfile.gettempdir()),
        help="where the banks are made; best a filesystem in memory",
    )
    parser.add_argument("--each", action="store_true", help="print each seed's summary")
    options = parser.parse_args()
    # Workers, some of them paused, are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    kinds = banks.KINDS if options.bank == "both" else (options.bank,)
    summaries = []
    for seed in options.seeds:
        for kind in kinds:
            folder = pathlib.Path(
                tempfile.mkdtemp(prefix=f"torture-{seed}-", dir=options.folder)
            )
            plan = Plan(seed, options.actions, kind, options.workers)
            summary = Torture(plan, folder, _progress).run()
            summaries.append(summary)
            if summary.failures:
                sys.stderr.write(
                    f"seed {seed} on {kind}: see {folder}: {summary.failures}\n"
                )
            else:
                shutil.rmtree(folder)
            if options.each:
                sys.stdout.write(json.dumps(summary.to_json()) + "\n")
                sys.stdout.flush()
    total = _total(summaries)
    sys.stdout.write(json.dumps(total, indent=1) + "\n")
    return 1 if total["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
