# SPDX-License-Identifier: Apache-2.0
"""Ends what dead owners left in a bank."""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.checkpoints import states
from karbor.services.protection.checkpoints.indices import WorkEntry
from karbor.services.protection.checkpoints.store import CheckpointStore
from karbor.services.protection.provider import Provider

LOG = logging.getLogger(__name__)

#: How old a leftover without ``index.json`` must be before it is deleted: longer than
#: any owner that wakes up late may take to write it.
SAFE_AGE = datetime.timedelta(hours=1)

#: How old work of this very process must be before it is ended because no operation
#: runs that would: longer than from making a checkpoint to beginning its operation.
OWN_GRACE = datetime.timedelta(minutes=10)

_STEP = {
    states.PROTECTING: "protecting it",
    states.WAIT_COPYING: "copying to it",
    states.COPYING: "copying to it",
    states.DELETING: "deleting it",
}


class Providers(Protocol):
    """Where the providers come from: a registry, at each sweep anew."""

    def list(self) -> list[Provider]: ...


@dataclasses.dataclass(frozen=True)
class Swept:
    """What a sweep has done.

    :param ended: ``(checkpoint id, new status)`` of each zombie
    :param cleared: ids of which only leftovers without an index were there
    :param failed: ids that could not be treated now, with the reason
    """

    ended: tuple[tuple[str, str], ...] = ()
    cleared: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


class ZombieSweeper:
    """Ends checkpoints whose owner died while it worked on them.

    It costs what is in work, not what is in the bank. Several services may sweep one
    bank at once. A bank that cannot be asked is logged and does not keep the others
    from being swept.

    :param providers: whose banks to sweep
    :param is_running: whether this process still works on a checkpoint (by id) that
        it owns; None when it always does
    :param own_grace: work that this process has begun less long ago is left alone
    """

    def __init__(
        self,
        providers: Providers,
        is_running: Callable[[str], bool] | None = None,
        safe_age: datetime.timedelta = SAFE_AGE,
        own_grace: datetime.timedelta = OWN_GRACE,
    ) -> None:
        self._providers = providers
        self._is_running = is_running
        self._safe_age = safe_age
        self._own_grace = own_grace

    def sweep(self) -> Swept:
        """Look at everything in work once.

        A working state becomes ``error``, or ``error-deleting`` when the deletion had
        begun, with a reason for a person to read.
        """
        ended: list[tuple[str, str]] = []
        cleared: list[str] = []
        failed: list[tuple[str, str]] = []
        for provider in self._providers.list():
            store = provider.checkpoints.store
            try:
                for entry in self._abandoned(store):
                    try:
                        status = self._treat(store, entry)
                    except exception.KarborException as error:
                        LOG.warning(
                            "Checkpoint %s of the dead owner %s cannot be ended now: "
                            "%s",
                            entry.checkpoint_id,
                            entry.owner_id,
                            error,
                        )
                        failed.append((entry.checkpoint_id, str(error)))
                        continue
                    if status == states.DELETED:
                        cleared.append(entry.checkpoint_id)
                    elif status is not None:
                        ended.append((entry.checkpoint_id, status))
            except exception.BankException as error:
                LOG.warning(
                    "The bank of provider %s cannot be swept now: %s",
                    provider.id,
                    error,
                )
                failed.append((f"provider {provider.id}", str(error)))
        return Swept(tuple(ended), tuple(cleared), tuple(failed))

    def _abandoned(self, store: CheckpointStore) -> Iterator[WorkEntry]:
        alive: dict[str, bool] = {}
        entries: Iterable[WorkEntry] = store.indices.in_work()
        for entry in entries:
            if entry.owner_id == store.owner_id:
                if (
                    self._is_running is None
                    or store.clock() - entry.since < self._own_grace
                    or self._is_running(entry.checkpoint_id)
                ):
                    continue
            else:
                if entry.owner_id not in alive:
                    alive[entry.owner_id] = store.is_owner_alive(entry.owner_id)
                if alive[entry.owner_id]:
                    continue
            yield entry

    def _treat(self, store: CheckpointStore, entry: WorkEntry) -> str | None:
        """End one checkpoint; None when there is nothing to do yet."""
        age = store.clock() - entry.since
        try:
            present = store.read(entry.checkpoint_id)
        except exception.CheckpointNotFound:
            if age < self._safe_age:
                return None
            with store.exclusively(entry.checkpoint_id):
                store.clear(entry.checkpoint_id, entry.keys)
                store.indices.end_work(entry.checkpoint_id, entry.owner_id)
            LOG.info("Cleared what was left of checkpoint %s", entry.checkpoint_id)
            return states.DELETED
        if present.status == states.ERROR and store.end_late_commit(present.id):
            return states.ERROR
        if present.owner_id != entry.owner_id or present.status not in states.WORKING:
            # The owner died after its commit, or before it: the entry tells nothing.
            if age >= self._safe_age:
                store.indices.end_work(entry.checkpoint_id, entry.owner_id)
            return None
        reason = self._reason(store, present.status, entry)
        ended = store.abandon(entry.checkpoint_id, entry.owner_id, reason)
        if ended is None:
            return None
        LOG.warning(
            "Checkpoint %s is ended as '%s': %s", ended.id, ended.status, reason
        )
        return ended.status

    def _reason(self, store: CheckpointStore, status: str, entry: WorkEntry) -> str:
        now = store.clock().isoformat(timespec="seconds")
        since = entry.since.isoformat(timespec="seconds")
        what = (
            "stopped without ending its work"
            if entry.owner_id == store.owner_id
            else "died or lost its lease"
        )
        then = (
            "Delete it again."
            if status == states.DELETING
            else "Its data is not complete: delete it, and run the operation again."
        )
        return (
            f"The service (owner {entry.owner_id}) that was {_STEP[status]} since "
            f"{since} {what}; found at {now}. {then}"
        )
