# SPDX-License-Identifier: Apache-2.0
"""Removing a checkpoint that the API cannot delete, by an administrator's hand."""

import dataclasses
import datetime
from collections.abc import Callable

from karbor import exception
from karbor.services.protection.administration.listings import (
    ListingEntry,
    listing_keys,
    workers,
)
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoints import indices, locking, states
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import (
    INDEX,
    CheckpointStore,
    utc_now,
)

#: As the checkpoint itself deletes: first what it holds, then what names it.
_FOLDERS = ("resource-data", "resources-status", "resource-graph")


class RemovalRefused(exception.KarborException):
    message = "Checkpoint %(checkpoint_id)s is not removed: %(reason)s."


@dataclasses.dataclass(frozen=True)
class Removable:
    """What would be removed.

    :param record: what its index says, None when it cannot be read
    :param warnings: what a person should know first
    """

    checkpoint_id: str
    record: CheckpointRecord | None
    warnings: tuple[str, ...]


class CheckpointRemoval:
    """Removes one checkpoint, whatever of it can still be read.

    Its plugins are not asked: what they keep outside of the bank, such as backups in
    Cinder, stays. Run again after a failure, it goes on.
    """

    def __init__(
        self, bank: Bank, clock: Callable[[], datetime.datetime] = utc_now
    ) -> None:
        self._store = CheckpointStore(bank.uncached, clock=clock)

    def inspect(self, checkpoint_id: str) -> Removable:
        """Find out what would be removed; changes nothing.

        :raises CheckpointNotFound: when the bank has nothing of it
        :raises RemovalRefused: while a living owner works on it, and before the date
            that it is locked until
        """
        warnings = []
        record = None
        try:
            section = self._store.section(keys.validate_part(checkpoint_id))
            record = self._store.read(checkpoint_id)
        except exception.InvalidParameterValue:
            raise exception.CheckpointNotFound(checkpoint_id=checkpoint_id) from None
        except exception.CheckpointNotFound:
            if not section.list_objects(limit=1) and not self._keys(checkpoint_id):
                raise
            warnings.append("It has no index.json; only leftovers are removed.")
        except exception.CheckpointUnreadable as error:
            warnings.append(f"{error}. Whose it is cannot be told.")
        else:
            self._refuse_locked(record)
            if record.status in (states.AVAILABLE, states.ERROR):
                warnings.append(
                    f"Its index can be read and says '{record.status}': try to delete "
                    "it with 'karbor checkpoint-delete' first."
                )
        self._refuse_working(checkpoint_id, record)
        warnings.append(
            "What its plugins keep outside of the bank, such as backups or snapshots, "
            "stays and must be deleted by hand."
        )
        return Removable(checkpoint_id, record, tuple(warnings))

    def remove(self, checkpoint_id: str) -> None:
        """Delete everything that the bank has of it.

        :raises CheckpointNotFound, RemovalRefused: as :meth:`inspect`
        :raises BankException: when something cannot be deleted; run it again
        """
        found = self.inspect(checkpoint_id)
        section = self._store.section(checkpoint_id)
        listed = self._keys(checkpoint_id)
        if found.record is not None:
            listed = sorted({*listed, *self._store.indices.all_keys_of(found.record)})
            # From here on nobody believes that it can be restored.
            self._store.write(
                dataclasses.replace(
                    found.record,
                    status=states.ERROR_DELETING,
                    status_reason="An administrator has begun to remove it.",
                )
            )
        for name in _FOLDERS:
            section.get_sub_section(name).delete_all()
        indices.delete_if_there(section, INDEX)
        self._store.clear(checkpoint_id, tuple(listed))
        self._store.indices.remove(tuple(workers(self._store, checkpoint_id)))

    def _refuse_locked(self, record: CheckpointRecord) -> None:
        try:
            locking.refuse_locked(self._store, record)
        except exception.CheckpointLocked as error:
            raise RemovalRefused(
                checkpoint_id=record.id,
                reason=f"it is locked until {error.kwargs['until']}. Wait until then",
            ) from error

    def _keys(self, checkpoint_id: str) -> list[str]:
        """Its entries in the listings: all are looked through, as its index may not
        tell."""
        return [
            key
            for key in listing_keys(self._store.indices.section)
            if (entry := ListingEntry.parse(key)) is not None
            and entry.checkpoint_id == checkpoint_id
        ]

    def _refuse_working(
        self, checkpoint_id: str, record: CheckpointRecord | None
    ) -> None:
        owners = {indices.owner_of(key) for key in workers(self._store, checkpoint_id)}
        if record is not None:
            if record.status not in states.WORKING:
                # What is left of work that has ended.
                return
            owners.add(record.owner_id)
        for owner_id in sorted(owners):
            if self._store.is_owner_alive(owner_id):
                raise RemovalRefused(
                    checkpoint_id=checkpoint_id,
                    reason=f"owner {owner_id} is alive and works on it. Wait until "
                    "that has ended, or stop that service",
                )
