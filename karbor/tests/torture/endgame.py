# SPDX-License-Identifier: Apache-2.0
"""The end: all workers are dead, all is deleted and collected, nothing is left."""

import datetime
import time

from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints import states
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.torture import worker
from karbor.tests.torture.banks import LATENESS, Place, bank_of


def play(place: Place) -> list[str]:
    """What is wrong; an empty list when nothing is."""
    time.sleep(place.lease_seconds + 2 * LATENESS.bound)
    checkpoints = CheckpointCollection(bank_of(place.exact_plugin()))
    swept = ZombieSweeper(
        worker.Providers(checkpoints), safe_age=datetime.timedelta(0)
    ).sweep()
    failures = [f"The sweep could not treat {item}." for item in swept.failed]
    for checkpoint in checkpoints.list(
        None, provider_id=worker.PROVIDER, all_tenants=True
    ):
        if checkpoint.status in states.WORKING:
            failures.append(f"{checkpoint} of a dead owner was not ended.")
            continue
        if checkpoint.status == states.AVAILABLE:
            problem = worker.problem_of(checkpoint)
            if problem is not None:
                failures.append(f"{checkpoint}: {problem}.")
        checkpoint.transition(states.DELETING)
        checkpoint.purge()
    failures += [f"{key} is left in the bank." for key in _left(checkpoints)]
    return failures


def _left(checkpoints: CheckpointCollection) -> list[str]:
    """What no key and no lease is."""
    return [
        key
        for key in checkpoints.store.bank.list_objects()
        if not key.startswith("/leases/") and "/keys/" not in key
    ]
