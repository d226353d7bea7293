# SPDX-License-Identifier: Apache-2.0
"""Making the listings of a bank anew, from its checkpoints alone."""

import dataclasses
import datetime
from collections.abc import Callable

from karbor import exception
from karbor.services.protection.administration.listings import (
    ListingEntry,
    checkpoint_ids,
    is_dangling,
    listing_keys,
    workers,
)
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.walking import Walk
from karbor.services.protection.checkpoints import indices, states
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import CheckpointStore, utc_now


@dataclasses.dataclass
class Rebuilt:
    """What a rebuild has done.

    :param written: entries of listings
    :param adopted: checkpoints of Karbor 1.x whose entries were replaced
    :param work_written: entries of work in hand, for the sweep to end the work
    :param removed: entries of no checkpoint, or in a wrong place
    :param unreadable: ids of checkpoints whose index cannot be read, left alone
    """

    checkpoints: int = 0
    written: int = 0
    adopted: int = 0
    work_written: int = 0
    removed: int = 0
    unreadable: list[str] = dataclasses.field(default_factory=list)


class IndexRebuild:
    """Writes the entries that are missing, and removes those of nothing.

    Services may make and delete checkpoints at the same time. An entry is written
    first and its checkpoint looked at again after: if that has gone meanwhile, the
    entry is taken back. Entries are removed by the rules of :func:`is_dangling`.
    """

    def __init__(
        self,
        bank: Bank,
        *,
        on_progress: Callable[[Rebuilt], None] = lambda rebuilt: None,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self._store = CheckpointStore(bank.uncached, clock=clock)
        self._indices = self._store.indices
        self._on_progress = on_progress
        self._done = Rebuilt()

    def run(self) -> Rebuilt:
        """
        :raises BankException: when the bank fails; run it again, it goes on
        """
        for checkpoint_id in checkpoint_ids(self._store):
            self._on_progress(self._done)
            try:
                record = self._store.read(checkpoint_id)
            except exception.CheckpointNotFound:
                continue
            except exception.CheckpointUnreadable:
                self._done.unreadable.append(checkpoint_id)
                continue
            self._done.checkpoints += 1
            if record.status != states.DELETED:
                self._write(record)
        for key in listing_keys(self._indices.section):
            self._on_progress(self._done)
            self._tidy(key)
        self._tidy_work()
        return self._done

    def _write(self, record: CheckpointRecord) -> None:
        section = self._indices.section
        written = []
        for key in self._indices.keys_of(record):
            if not self._holds(key, record.id):
                section.update_object(key, record.id)
                written.append(key)
        self._done.written += len(written)
        self._begin_work(record)
        if written and self._is_gone(record.id):
            self._indices.remove(tuple(written))
            self._done.written -= len(written)

    def _begin_work(self, record: CheckpointRecord) -> None:
        """Let the sweep find a checkpoint that somebody works, or worked, on."""
        if record.status not in states.WORKING:
            return
        key = indices.work_key(record.owner_id, record.id)
        section = self._indices.section
        try:
            indices.work_entry(section.get_object(key))
        except (exception.BankGetObjectFailed, KeyError, TypeError, ValueError):
            self._indices.begin_work(record, record.owner_id, self._store.clock())
            self._done.work_written += 1

    def _holds(self, key: str, checkpoint_id: str) -> bool:
        try:
            held: bool = self._indices.section.get_object(key) == checkpoint_id
        except exception.BankGetObjectFailed:
            return False
        return held

    def _is_gone(self, checkpoint_id: str) -> bool:
        """Whether a checkpoint was deleted after it was read."""
        try:
            self._store.read(checkpoint_id)
        except exception.CheckpointNotFound:
            return True
        except exception.CheckpointUnreadable:
            return False
        return False

    def _tidy(self, key: str) -> None:
        """Remove one entry of a listing if it is of nothing."""
        entry = ListingEntry.parse(key)
        if entry is None:
            return
        try:
            record = self._store.read(entry.checkpoint_id)
        except (exception.CheckpointNotFound, exception.InvalidParameterValue):
            if is_dangling(self._store, entry):
                self._remove(key)
            return
        except exception.CheckpointUnreadable:
            return
        if record.status == states.DELETED or key not in self._indices.keys_of(record):
            self._remove(key)
            if entry.is_old and key.startswith("by-provider/"):
                self._done.adopted += 1

    def _tidy_work(self) -> None:
        """Remove entries of work in hand that cannot be read and are of no work."""
        section = self._indices.section
        for key in Walk(section, f"{indices.IN_WORK}/"):
            try:
                indices.work_entry(section.get_object(key))
            except (KeyError, TypeError, ValueError):
                self._end_work(key)
            except exception.BankGetObjectFailed:
                if indices.is_there(section, key):
                    self._end_work(key)

    def _end_work(self, key: str) -> None:
        checkpoint_id = key.rpartition("/")[2]
        try:
            record = self._store.read(checkpoint_id)
        except exception.CheckpointNotFound:
            # Its leftovers are for the sweep, which needs an entry that it can read.
            section = self._store.section(checkpoint_id)
            if workers(self._store, checkpoint_id) == [key] and not (
                section.list_objects(limit=1)
            ):
                self._remove(key)
            return
        except exception.CheckpointUnreadable:
            return
        if indices.work_key(record.owner_id, record.id) != key or (
            record.status not in states.WORKING
        ):
            self._remove(key)

    def _remove(self, key: str) -> None:
        indices.delete_if_there(self._indices.section, key)
        self._done.removed += 1
