# SPDX-License-Identifier: Apache-2.0
"""karbor-manage bank: what an administrator does with a provider's bank."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from karbor.cmd import garbage_commands, key_commands, lock_commands, providers
from karbor.services.protection.administration.bench import Bench
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.findings import Report
from karbor.services.protection.administration.rebuild import IndexRebuild, Rebuilt
from karbor.services.protection.administration.removal import CheckpointRemoval
from karbor.services.protection.administration.repair import BankRepair, Repaired
from karbor.services.protection.administration.statistics import (
    Statistics,
    Usage,
    statistics,
)
from karbor.services.protection.bank.sections import Bank

SOUND, DAMAGED, NOT_CHECKED = 0, 1, 2

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_PROGRESS_SECONDS = 1.0


class _ProgressLine:
    """One line on a terminal that is written anew; nothing where there is none."""

    def __init__(self, describe: Callable[[Any], str]) -> None:
        self._describe = describe
        self._is_shown = sys.stderr.isatty()
        self._last = 0.0

    def __call__(self, done: Any) -> None:
        if not self._is_shown or time.monotonic() - self._last < _PROGRESS_SECONDS:
            return
        self._last = time.monotonic()
        print(f"\r\033[K{self._describe(done)}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown and self._last:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def bank_stats(conf: cfg.ConfigOpts) -> int:
    """Count checkpoints, bytes and objects."""
    found = statistics(_bank(conf))
    print(json.dumps(found.to_dict()) if conf.command.json else _stats_text(found))
    return SOUND


def bank_check(conf: cfg.ConfigOpts) -> int:
    """Look for damage; 0 when there is none, 1 when there is, 2 when not all could
    be looked at."""
    depth = Depth(Level(conf.command.depth), conf.command.percent)
    line = _ProgressLine(_check_progress)
    report = BankCheck(_bank(conf), depth, on_progress=line).run()
    line.clear()
    print(json.dumps(report.to_dict()) if conf.command.json else _check_text(report))
    if report.damage:
        return DAMAGED
    return NOT_CHECKED if report.unchecked else SOUND


def bank_repair(conf: cfg.ConfigOpts) -> int:
    """Heal damaged chunks; 0 when nothing is lost, 1 when something is, 2 when not
    all could be looked at."""
    depth = Depth(Level(conf.command.depth), conf.command.percent)
    line = _ProgressLine(_repair_progress)
    done = BankRepair(_bank(conf), depth, on_progress=line).run()
    line.clear()
    print(json.dumps(done.to_dict()) if conf.command.json else _repair_text(done))
    if done.report.damage:
        return DAMAGED
    return NOT_CHECKED if done.report.unchecked else SOUND


def bank_rebuild_index(conf: cfg.ConfigOpts) -> int:
    """Make the listings anew from the checkpoints."""
    line = _ProgressLine(_rebuild_progress)
    done = IndexRebuild(_bank(conf), on_progress=line).run()
    line.clear()
    print(_rebuild_progress(done))
    for checkpoint_id in done.unreadable:
        print(
            f"The index of checkpoint {checkpoint_id} cannot be read; it is in no "
            "listing unless it was before. See: karbor-manage bank check"
        )
    return DAMAGED if done.unreadable else SOUND


def bank_remove_checkpoint(conf: cfg.ConfigOpts) -> int:
    """Delete what the bank has of a checkpoint that the API cannot delete."""
    checkpoint_id = conf.command.checkpoint
    removal = CheckpointRemoval(_bank(conf))
    found = removal.inspect(checkpoint_id)
    for warning in found.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    if not conf.command.force:
        print(
            f"Nothing was removed. To delete all that the bank has of checkpoint "
            f"{checkpoint_id}, for good, run it again with --force.",
            file=sys.stderr,
        )
        return DAMAGED
    removal.remove(checkpoint_id)
    print(f"Removed checkpoint {checkpoint_id} from the bank")
    return SOUND


def bank_bench(conf: cfg.ConfigOpts) -> int:
    """Measure each stage on this machine, with the provider's bank and options."""
    print(json.dumps(Bench(_bank(conf), conf.command.megabytes).run(), indent=2))
    return SOUND


def add_commands(subparsers: Any) -> None:
    """Add ``bank`` to the commands of karbor-manage."""
    bank = subparsers.add_parser("bank", help="A provider's bank.").add_subparsers(
        dest="action", required=True
    )

    def add(name: str, run: Callable[[cfg.ConfigOpts], int], text: str) -> Any:
        parser = bank.add_parser(name, help=text, description=text)
        parser.add_argument("--provider", required=True, help="The provider's id.")
        parser.set_defaults(run=run)
        return parser

    stats = add("stats", bank_stats, "Count checkpoints, bytes and objects.")
    check = add(
        "check",
        bank_check,
        "Look for damage, also while the bank is in use. Exits with 0 when all is "
        "sound, 1 when damage was found, 2 when not all could be looked at.",
    )
    repair = add(
        "repair",
        bank_repair,
        "Store damaged and lost chunks again where their content is found elsewhere in "
        "the bank, and mark the others so that nothing new relies on them. Services "
        "may go on working. Exits with 0 when nothing is lost, 1 when something is, 2 "
        "when not all could be looked at.",
    )
    for parser, depth in ((check, Level.OBJECTS), (repair, Level.FULL)):
        parser.set_defaults(failure=NOT_CHECKED)
        parser.add_argument(
            "--depth",
            choices=[level.value for level in Level],
            default=depth.value,
            help="objects: everything is there, with its size where the bank tells it "
            "cheaply. sample: also read some of it. full: read, unpack and hash every "
            f"byte. Default: {depth.value}.",
        )
        parser.add_argument(
            "--percent",
            type=float,
            default=10.0,
            help="How much a sample reads. Default: 10.",
        )
    for parser in (stats, check, repair):
        parser.add_argument("--json", action="store_true", help="Print JSON.")
    add(
        "rebuild-index",
        bank_rebuild_index,
        "Make the listings anew from the checkpoints alone, those of Karbor 1.x "
        "among them. Services may go on working.",
    )
    remove = add(
        "remove-checkpoint",
        bank_remove_checkpoint,
        "Delete all that the bank has of a checkpoint that the API cannot delete "
        "because its index or graph is damaged.",
    )
    remove.add_argument("--checkpoint", required=True, help="The checkpoint's id.")
    remove.add_argument(
        "--force", action="store_true", help="Really do it. It cannot be undone."
    )
    bench = add(
        "bench",
        bank_bench,
        "Print as JSON how fast this machine and the bank do each stage. Writes to "
        "the bank, and deletes it again.",
    )
    bench.add_argument(
        "--megabytes", type=int, default=256, help="MiB of data. Default: 256."
    )
    key_commands.add_commands(add)
    lock_commands.add_commands(add)
    garbage_commands.add_commands(add)


def _bank(conf: cfg.ConfigOpts) -> Bank:
    return providers.loaded(conf).bank


def _stats_text(found: Statistics) -> str:
    total = found.total
    lines = [f"Checkpoints: {found.checkpoints.total()}"]
    lines += [f"  {name}: {n}" for name, n in sorted(found.checkpoints.items())]
    lines += [
        f"Streams: {total.streams}, in {found.chunks} chunks",
        f"Logical: {_size(total.logical_bytes)}",
        f"Stored: {_size(total.stored_bytes)}, in {total.chunk_objects} chunk objects",
        f"Ratio: {_ratio(total)}",
        f"Projects: {len(found.projects)}",
    ]
    lines += [
        f"  {project_id}: {usage.checkpoints} checkpoints, "
        f"{_size(usage.logical_bytes)} logical, {_size(usage.stored_bytes)} stored in "
        f"{usage.chunk_objects} chunk objects, ratio {_ratio(usage)}"
        for project_id, usage in sorted(found.projects.items())
    ]
    lines.append(f"Objects: {found.objects.total()}")
    lines += [f"  {name}: {n}" for name, n in sorted(found.objects.items())]
    if found.unreadable_streams:
        lines.append(
            f"Streams that cannot be read, and are not counted: "
            f"{found.unreadable_streams}. See: karbor-manage bank check"
        )
    return "\n".join(lines)


def _ratio(usage: Usage) -> str:
    return "-" if usage.ratio is None else f"{usage.ratio:.2f}"


def _check_text(report: Report) -> str:
    lines = [*_found(report), _check_progress(report)]
    if report.damage:
        verdict = "DAMAGED"
    else:
        verdict = "NOT ALL COULD BE CHECKED" if report.unchecked else "sound"
    lines.append(f"The bank is checked to the depth '{report.depth}': {verdict}")
    return "\n".join(lines)


def _found(report: Report) -> list[str]:
    lines = [str(found) for found in report.findings]
    hidden = report.damage + report.leftovers - len(report.findings)
    if hidden:
        lines.append(f"… and {hidden} more")
    return lines + [f"not checked: {reason}" for reason in report.unchecked]


def _repair_text(done: Repaired) -> str:
    lines = [
        f"healed: {key}: its content was found in {source}"
        for key, source in done.healings
    ]
    if len(done.healings) < done.healed:
        lines.append(f"… and {done.healed - len(done.healings)} more")
    lines += [f"not healed: {problem}" for problem in done.problems]
    lines += [*_found(done.report), _repair_progress(done)]
    if done.report.damage:
        verdict = "LOST is what is named above, until a later protect stores it again"
    elif done.report.unchecked:
        verdict = "NOT ALL COULD BE LOOKED AT"
    else:
        verdict = "nothing is lost"
    lines.append(f"The bank is repaired to the depth '{done.report.depth}': {verdict}")
    return "\n".join(lines)


def _repair_progress(done: Repaired) -> str:
    return (
        f"{_check_progress(done.report)}; {done.healed} healed, {done.marked} marked, "
        f"{done.unmarked} marks removed"
    )


def _check_progress(report: Report) -> str:
    return (
        f"{report.checkpoints} checkpoints ({report.in_work} in work), "
        f"{report.streams} streams of {report.chunks} chunks, "
        f"{report.chunk_objects} chunk objects ({report.unreferenced} unreferenced), "
        f"{report.objects} other objects, {_size(report.bytes_read)} read, "
        f"{report.damage} damaged, {report.leftovers} left over"
    )


def _rebuild_progress(done: Rebuilt) -> str:
    return (
        f"{done.checkpoints} checkpoints, {done.written} entries written, "
        f"{done.removed} removed, {done.adopted} checkpoints of Karbor 1.x adopted, "
        f"{done.work_written} given to the sweep"
    )


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError
