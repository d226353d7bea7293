# SPDX-License-Identifier: Apache-2.0
"""Reads and commits the ``index.json`` of checkpoints."""

import contextlib
import dataclasses
import datetime
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank.sections import Bank, BankSection
from karbor.services.protection.bank_plugin import LeasePlugin
from karbor.services.protection.checkpoints import indices, states, tombstones
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.timestamps import parse_timestamp

if TYPE_CHECKING:
    from karbor.services.protection.bank.leases import LeaseKeeper

LOG = logging.getLogger(__name__)

INDEX = "index.json"

#: How old a checkpoint must be before it matters whether a sweep has cleared what was
#: there of it, and before a bank that lists late is sure to tell.
LATE = datetime.timedelta(hours=1)

_STRIPES = 64


def utc_now() -> datetime.datetime:
    """The present moment."""
    return datetime.datetime.now(datetime.UTC)


class CheckpointStore:
    """One process's way to the checkpoints of a bank; thread-safe.

    A commit replaces ``index.json``, in this order: the process's lease is valid,
    the index still is as the committer believes (same state, same owner), write.
    Threads of one process do this one after another for one checkpoint. Between
    processes nothing can make it atomic; the lease's validity window bounds what
    can go wrong (see ``doc/source/contributor/checkpoints.rst``).

    :param lease: None for who holds none: a reader, or a test
    :param clock: gives the present moment, aware
    """

    def __init__(
        self,
        bank: Bank,
        lease: "LeaseKeeper | None" = None,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self.bank = bank
        self.clock = clock
        self.indices = indices.Indices(bank.get_sub_section("indices"))
        self._lease = lease
        self._locks = [threading.RLock() for _ in range(_STRIPES)]

    @property
    def owner_id(self) -> str:
        """Under which id this process works on checkpoints."""
        return self.bank.get_owner_id()

    def section(self, checkpoint_id: str, project_id: str | None = None) -> BankSection:
        """Everything that one checkpoint keeps, but for its chunks.

        :param project_id: whose checkpoint it is; needed to write streams
        """
        return self.bank.get_sub_section(
            f"checkpoints/{checkpoint_id}", project_id=project_id
        )

    def check_lease(self, making: CheckpointRecord | None = None) -> None:
        """Make sure that this process may still commit.

        :param making: a checkpoint that this process makes, and that others may give
            up at any time when they have once seen the lease expire since it began
        :raises LeaseLost: when another process may take its work over
        """
        if self._lease is None:
            return
        if making is None:
            self._lease.check()
            return
        age = self.clock() - parse_timestamp(making.timestamp)
        self._lease.check(held_for=max(0.0, age.total_seconds()))

    def is_owner_alive(self, owner_id: str) -> bool:
        """Whether an owner holds a lease, this process among them.

        Owners on a bank without leases count as alive: taking over from a living
        owner is worse than waiting.

        :raises BankException: when the bank cannot be asked
        """
        plugin = self.bank.plugin
        if owner_id == self.owner_id or not isinstance(plugin, LeasePlugin):
            return True
        return plugin.check_lease_existence(owner_id)

    def read(self, checkpoint_id: str) -> CheckpointRecord:
        """What readers believe of a checkpoint.

        One that was given up while it was made is in ``error``, also when a late
        commit has made it ``available``.

        :raises CheckpointNotFound: when there is none
        :raises CheckpointUnreadable: when there is one that this release cannot read
        :raises BankException: when the bank cannot say whether it was given up
        """
        found = self.read_index(checkpoint_id)
        if found.status == states.AVAILABLE and self.is_abandoned(checkpoint_id):
            return dataclasses.replace(
                found, status=states.ERROR, status_reason=tombstones.REASON
            )
        return found

    def read_index(self, checkpoint_id: str) -> CheckpointRecord:
        """What ``index.json`` says, for listings.

        :raises CheckpointNotFound, CheckpointUnreadable: as :meth:`read`
        """
        section = self.section(checkpoint_id)
        try:
            value = section.get_object(INDEX)
        except exception.BankGetObjectFailed as error:
            if not indices.is_there(section, INDEX):
                raise exception.CheckpointNotFound(
                    checkpoint_id=checkpoint_id
                ) from None
            raise exception.CheckpointUnreadable(
                checkpoint_id=checkpoint_id, reason=str(error)
            ) from error
        return CheckpointRecord.from_value(checkpoint_id, value)

    def write(self, record: CheckpointRecord) -> CheckpointRecord:
        """Replace ``index.json``, whatever it was.

        :returns: the record as it was written, a revision later
        """
        written = dataclasses.replace(record, revision=record.revision + 1)
        self.section(record.id).update_object(INDEX, written.to_value())
        return written

    @contextlib.contextmanager
    def exclusively(self, checkpoint_id: str) -> Iterator[None]:
        """Keep this process's other threads from changing a checkpoint meanwhile."""
        with self._locks[hash(checkpoint_id) % _STRIPES]:
            yield

    def confirm(self, believed: CheckpointRecord) -> CheckpointRecord:
        """Make sure that a checkpoint still is as this process believes.

        Call it holding :meth:`exclusively`.

        :returns: the present record; ``believed`` when the bank, which may answer with
            what was a moment ago, does not know of its own last write yet
        :raises LeaseLost: when this process may no longer commit
        :raises CheckpointTransitionRefused: when another owner has taken the
            checkpoint or ended its state
        :raises CheckpointNotFound, CheckpointUnreadable: as :meth:`read`
        """
        self.check_lease(believed if believed.status in states.INITIAL else None)
        present = self.read(believed.id)
        if present.revision < believed.revision:
            return believed
        if (present.status, present.owner_id) != (believed.status, believed.owner_id):
            raise exception.CheckpointTransitionRefused(
                f"The checkpoint {believed.id} was '{believed.status}' in the hands of "
                f"owner {believed.owner_id} and now is '{present.status}' in those of "
                f"{present.owner_id}"
                + (f" ({present.status_reason})" if present.status_reason else "")
                + ": this service no longer works on it."
            )
        return present

    def is_abandoned(self, checkpoint_id: str) -> bool:
        """Whether it was given up while it was made.

        :raises BankException: when the bank cannot say
        """
        section = self.section(checkpoint_id)
        return tombstones.is_there(section, tombstones.ABANDONED)

    def mark_abandoned(self, record: CheckpointRecord, reason: str) -> None:
        """Make sure that it is never available; before its state is ended.

        One of Karbor 1.x shares no data, so nothing that it needs is collected.

        :raises BankUpdateObjectFailed: when that failed
        """
        if record.legacy is not None:
            return
        section = self.section(record.id)
        tombstones.write(section, record.id, record.owner_id, reason, self.clock())

    def check_working(self, record: CheckpointRecord) -> None:
        """Make sure that nobody has ended this process's work on a checkpoint.

        A bank that may list late is asked only when others can have ended it: when
        it is older than :data:`LATE`.

        :raises CheckpointTransitionRefused: when somebody has
        :raises BankException: when the bank cannot say
        """
        is_strong = self.bank.plugin.capabilities.strong_read
        age = self.clock() - parse_timestamp(record.timestamp)
        if not is_strong and age < LATE:
            return
        key = indices.work_key(record.owner_id, record.id)
        if not tombstones.is_there(self.indices.section, key):
            raise exception.CheckpointTransitionRefused(
                f"The checkpoint {record.id} is no longer in the list of what owner "
                f"{record.owner_id} works on: another service has given it up."
            )

    def look_again(self, committed: CheckpointRecord) -> None:
        """Take back a commit to ``available`` that came too late.

        Between the last look at a checkpoint and its commit, this process may have
        slept for so long that others have given the checkpoint up.

        :raises CheckpointTransitionRefused: when it is taken back: it is in ``error``
        :raises BankException: when it could be neither confirmed nor taken back
        """
        try:
            self.check_lease(committed)
            self.check_working(committed)
            if not self.is_abandoned(committed.id):
                return
            reason = tombstones.REASON
        except exception.BankException as error:
            reason = f"Its commit could not be confirmed: {error}"
        except exception.CheckpointTransitionRefused as error:
            reason = str(error)
        self.write(
            dataclasses.replace(committed, status=states.ERROR, status_reason=reason)
        )
        self.finish_work(committed.id, committed.owner_id)
        raise exception.CheckpointTransitionRefused(
            f"The commit of checkpoint {committed.id} is taken back: {reason}"
        )

    def end_late_commit(self, checkpoint_id: str) -> bool:
        """Turn a checkpoint that was given up, and made available after that, into
        ``error``.

        :returns: whether it was such a one
        :raises CheckpointNotFound, CheckpointUnreadable: as :meth:`read`
        """
        with self.exclusively(checkpoint_id):
            present = self.read_index(checkpoint_id)
            if present.status != states.AVAILABLE or not self.is_abandoned(
                checkpoint_id
            ):
                return False
            self.write(
                dataclasses.replace(
                    present, status=states.ERROR, status_reason=tombstones.REASON
                )
            )
            LOG.warning(
                "Checkpoint %s was completed after it had been given up, and is ended "
                "as 'error'",
                checkpoint_id,
            )
            return True

    def finish_work(self, checkpoint_id: str, owner_id: str) -> None:
        """Take a checkpoint out of the work in hand, after its commit.

        What is left behind when the bank fails just now is cleared by the sweep.
        """
        try:
            self.indices.end_work(checkpoint_id, owner_id)
        except exception.BankException as error:
            LOG.warning(
                "Checkpoint %s stays in the bank's list of work in hand until the "
                "next sweep: %s",
                checkpoint_id,
                error,
            )

    def abandon(
        self, checkpoint_id: str, owner_id: str, reason: str
    ) -> CheckpointRecord | None:
        """End a working state whose owner is gone.

        :returns: the new record; None when that owner no longer has it in work
        :raises CheckpointNotFound, CheckpointUnreadable: as :meth:`read`
        """
        with self.exclusively(checkpoint_id):
            present = self.read(checkpoint_id)
            if present.owner_id != owner_id or present.status not in states.WORKING:
                return None
            if present.status in states.INITIAL:
                self.mark_abandoned(present, reason)
            ended = dataclasses.replace(
                present,
                status=states.abandoned(present.status),
                status_reason=reason,
            )
            ended = self.write(ended)
            self.finish_work(checkpoint_id, owner_id)
            return ended

    def clear(self, checkpoint_id: str, keys: tuple[str, ...]) -> None:
        """Delete all that is left of a checkpoint without ``index.json``."""
        self.section(checkpoint_id).delete_all()
        self.indices.remove(keys)
