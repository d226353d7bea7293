# SPDX-License-Identifier: Apache-2.0
"""The end: all workers are dead, all is deleted and collected, nothing is left."""

import datetime
import time

from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.rebuild import IndexRebuild
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints import states
from karbor.services.protection.checkpoints.checkpoint import Checkpoint
from karbor.services.protection.collection.report import Report
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.torture import worker
from karbor.tests.torture.banks import LATENESS, Place

#: Collecting what a run has left waits a few times for what is late, and ends.
COLLECTED_SECONDS = 120.0


def play(place: Place) -> list[str]:
    """What is wrong; an empty list when nothing is."""
    time.sleep(place.lease_seconds + 2 * LATENESS.bound)
    checkpoints = CheckpointCollection(place.bank(place.exact_plugin()))
    _rebuild_index(checkpoints)
    swept = ZombieSweeper(
        worker.Providers(checkpoints), safe_age=datetime.timedelta(0)
    ).sweep()
    failures = [f"The sweep could not treat {item}." for item in swept.failed]
    failures += _collect(checkpoints, place)
    failures += _check(checkpoints)
    for checkpoint in _all(checkpoints):
        if checkpoint.status in states.WORKING:
            failures.append(f"{checkpoint} of a dead owner was not ended.")
            continue
        if checkpoint.status == states.AVAILABLE:
            problem = worker.problem_of(checkpoint)
            if problem is not None:
                failures.append(f"{checkpoint}: {problem}.")
        checkpoint.transition(states.DELETING)
        checkpoint.purge()
    failures += _collect(checkpoints, place)
    _rebuild_index(checkpoints)
    left = _left(checkpoints)
    if left:
        failures.append(f"{len(left)} objects are left in the bank, first {left[:9]}.")
    return failures


def _check(checkpoints: CheckpointCollection) -> list[str]:
    """What a check of the bank finds.

    A checkpoint that was given up may have lost anything: a worker that slept while
    it was deleted writes its index once more.
    """
    report = BankCheck(checkpoints.store.bank, Depth(Level.FULL), clock=_later).run()
    given_up = {
        checkpoint.id
        for checkpoint in _all(checkpoints)
        if checkpoint.status in (states.ERROR, states.ERROR_DELETING)
    }
    return [
        f"A check finds {item}."
        for item in report.findings
        if item.is_damage and item.checkpoint_id not in given_up
    ] + [f"A check says {item}." for item in report.unchecked]


def _all(checkpoints: CheckpointCollection) -> list[Checkpoint]:
    return checkpoints.list(None, provider_id=worker.PROVIDER, all_tenants=True)


def _rebuild_index(checkpoints: CheckpointCollection) -> None:
    """As an operator does: entries that came late of creations that failed go."""
    IndexRebuild(checkpoints.store.bank, clock=_later).run()


def _later() -> datetime.datetime:
    """When all that is there is old."""
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)


def _collect(checkpoints: CheckpointCollection, place: Place) -> list[str]:
    """Run collections until one has nothing to do.

    A run that goes on with what others have begun does not look for new garbage, so
    two must have nothing to do.
    """
    collector = worker.collector_of(checkpoints, place)
    deadline = time.monotonic() + COLLECTED_SECONDS
    idle = 0
    while idle < 2:
        report = collector.run()
        if report.is_done:
            idle = 0 if _has_done(report) else idle + 1
        elif time.monotonic() > deadline:
            return [f"Collecting does not end: {report.to_dict()}"]
        else:
            time.sleep(0.1)
    return []


def _has_done(report: Report) -> bool:
    """Whether a collection found anything: what is left is for the next one."""
    return bool(report.cleared or report.ended) or any(
        project.found or project.deleted for project in report.projects.values()
    )


def _left(checkpoints: CheckpointCollection) -> list[str]:
    """What no key and no lease is."""
    return [
        key
        for key in checkpoints.store.bank.list_objects()
        if not key.startswith("/leases/") and "/keys/" not in key
    ]
