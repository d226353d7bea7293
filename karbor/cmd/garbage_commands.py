# SPDX-License-Identifier: Apache-2.0
"""karbor-manage bank gc: collect the garbage of a provider's bank."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from karbor.cmd import providers
from karbor.services.protection.checkpoints.store import CheckpointStore
from karbor.services.protection.collection.collector import Collector
from karbor.services.protection.collection.report import ProjectReport, Report

DONE, IN_THE_WAY, WAITING = 0, 1, 2

#: Seconds between two looks at whether what is waited for has come.
_LOOK_AGAIN = 5.0

_Add = Callable[[str, Callable[[cfg.ConfigOpts], int], str], Any]


def bank_gc(conf: cfg.ConfigOpts) -> int:
    """Collect garbage; 0 when all is collected, 1 when something was in the way, 2
    when it must be gone on with later."""
    provider = providers.loaded(conf)
    # It works on nothing that another service could take over, so it has no lease.
    store = CheckpointStore(provider.bank.uncached)
    collector = Collector(
        store,
        settle=provider.garbage.settle,
        max_names=provider.garbage.max_names,
        only_project=conf.command.project,
    )
    report = collector.run(wait if conf.command.wait else None)
    project = conf.command.project
    if project is not None and project not in report.projects:
        print(f"Warning: the bank has no data of project {project}", file=sys.stderr)
    print(json.dumps(report.to_dict()) if conf.command.json else _text(report))
    if report.findings or report.refusals:
        return IN_THE_WAY
    return DONE if report.is_done else WAITING


def wait(report: Report) -> None:
    """Tell what is waited for, and wait a little."""
    print(_state(report), file=sys.stderr)
    time.sleep(_LOOK_AGAIN)


def add_commands(add: _Add) -> None:
    """Add the command to those of ``bank``.

    :param add: makes one of a name, what it runs and what it is for
    """
    gc = add(
        "gc",
        bank_gc,
        "Delete what no checkpoint needs any more, beside services that protect, "
        "restore and delete. Exits with 0 when all is collected, 1 when something was "
        "in the way, 2 when it waits for operations or for time: then run it again, or "
        "leave the rest to the services. Interrupted, it is gone on with.",
    )
    gc.add_argument("--project", help="Collect this project's garbage only.")
    gc.add_argument(
        "--wait", action="store_true", help="Wait for what must come first."
    )
    gc.add_argument("--json", action="store_true", help="Print JSON.")


def _text(report: Report) -> str:
    lines = [
        f"project {project_id}: {_project(project)}"
        for project_id, project in sorted(report.projects.items())
    ]
    lines += [f"cleared: leftovers of checkpoint {name}" for name in report.cleared]
    lines += [
        f"ended as 'error': checkpoint {name}, which was completed after it had been "
        "given up"
        for name in report.ended
    ]
    lines += [f"not deleted: {refusal}" for refusal in report.refusals]
    lines += [f"in the way: {finding}" for finding in report.findings]
    return "\n".join([*lines, _state(report)])


def _project(project: ProjectReport) -> str:
    return (
        f"{project.found} objects found that nothing refers to, {project.condemned} "
        f"condemned, {project.deleted} deleted, {project.kept} kept, "
        f"{project.refused} refused"
    )


def _state(report: Report) -> str:
    waits = [
        f"project {project_id} ({project.phase}): waits for "
        f"{', '.join(project.waits_for)}"
        for project_id, project in sorted(report.projects.items())
        if project.waits_for
    ]
    if not waits and report.until is not None:
        waits.append(
            "leftovers of checkpoints: wait until "
            f"{report.until.isoformat(timespec='seconds')}"
        )
    if waits:
        return "\n".join(waits)
    return "All garbage is collected" if report.is_done else "Not all is collected"
