# SPDX-License-Identifier: Apache-2.0
"""All checkpoints of a bank: make one, find one, list them in pages."""

import dataclasses
import datetime
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoints import states
from karbor.services.protection.checkpoints.checkpoint import Checkpoint
from karbor.services.protection.checkpoints.indices import Entry, Range, take
from karbor.services.protection.checkpoints.lock_policy import LockPolicy
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import (
    CheckpointStore,
    utc_now,
)
from karbor.services.protection.checkpoints.timestamps import (
    format_seconds,
    format_timestamp,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank.leases import LeaseKeeper

LOG = logging.getLogger(__name__)

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_PLAN_FIELDS = ("id", "name", "provider_id", "resources")
#: Keys asked for beyond the page, so that a few entries that do not count (another
#: provider's, unreadable ones) cost no second question.
_SPARE_KEYS = 8

#: What a listing can be sorted by. Only ``created_at`` comes in order from the bank;
#: for the others all checkpoints that the filters let through are read and sorted.
SORT_KEYS: dict[str, Callable[[Checkpoint], str]] = {
    "created_at": lambda checkpoint: checkpoint.timestamp,
    "id": lambda checkpoint: checkpoint.id,
    "name": lambda checkpoint: str(checkpoint.protection_plan.get("name") or ""),
    "plan_id": lambda checkpoint: str(checkpoint.protection_plan["id"]),
    "project_id": lambda checkpoint: checkpoint.project_id,
    "status": lambda checkpoint: checkpoint.status,
}
_SORT_DIRS = ("asc", "desc")


class CheckpointCollection:
    """The checkpoints of a bank, which several providers may share; thread-safe.

    :param lease: checked before each commit; None for who holds none
    :param clock: gives the present moment, aware
    :param provider_id: to :meth:`get` only this provider's; None for anyone's
    :param lock_policy: until when new checkpoints are locked; None: as callers say
    """

    def __init__(
        self,
        bank: Bank,
        lease: "LeaseKeeper | None" = None,
        clock: Callable[[], datetime.datetime] = utc_now,
        *,
        provider_id: str | None = None,
        lock_policy: LockPolicy | None = None,
    ) -> None:
        #: Until when new checkpoints are locked.
        self.lock_policy = lock_policy or LockPolicy()
        self._store = CheckpointStore(bank, lease, clock)
        self._provider_id = provider_id

    @property
    def store(self) -> CheckpointStore:
        """What stands below; for the sweep of zombies."""
        return self._store

    def create(
        self,
        plan: Mapping[str, Any],
        *,
        provider_id: str,
        project_id: str,
        extra_info: Any = None,
        status: str = states.PROTECTING,
        checkpoint_id: str | None = None,
        copied_from: str | None = None,
        copied_from_provider: str | None = None,
        locked_until: datetime.datetime | None = None,
    ) -> Checkpoint:
        """Make a checkpoint that this process works on.

        When it returns, listings and :meth:`get` show it. When it raises, they do
        not.

        :param plan: ``id``, ``name``, ``resources``; other keys are not kept
        :param status: ``protecting``, ``wait_copying`` or ``copying``
        :param checkpoint_id: letters, digits, ``-`` and ``_``; default a new UUID
        :param copied_from: the checkpoint that this one will be a copy of
        :param copied_from_provider: in whose bank that one is; None for this one's
        :param locked_until: before when nobody may delete it once it is
            ``available``; the provider's policy may make that later
        :raises InvalidInput: for an id that exists, or anything else of the above
        :raises LeaseLost: when this process may not commit
        """
        record = self._new_record(
            plan,
            provider_id=provider_id,
            project_id=project_id,
            extra_info=extra_info,
            status=status,
            checkpoint_id=checkpoint_id,
            copied_from=copied_from,
            copied_from_provider=copied_from_provider,
            locked_until=locked_until,
        )
        store = self._store
        with store.exclusively(record.id):
            try:
                store.indices.begin_work(record, record.owner_id, store.clock())
                store.indices.add(record)
                store.check_lease()
                record = store.write(record)
                # A sweep may have cleared it away, if this process slept until now.
                store.check_working(record)
            except exception.KarborException:
                self._take_back(record)
                raise
        return Checkpoint(store, record)

    def asked_lock(self, extra_info: Any) -> datetime.datetime | None:
        """Until when a caller wants a new checkpoint locked; see
        :meth:`LockPolicy.asked`."""
        return self.lock_policy.asked(extra_info, self._store.clock())

    def get(self, checkpoint_id: str) -> Checkpoint:
        """One checkpoint.

        :raises CheckpointNotFound: when there is none
        :raises CheckpointUnreadable: when its index is damaged
        """
        if not isinstance(checkpoint_id, str) or not _ID.fullmatch(checkpoint_id):
            raise exception.CheckpointNotFound(checkpoint_id=checkpoint_id)
        record = self._store.read(checkpoint_id)
        if (
            self._provider_id not in (None, record.provider_id)
            # Karbor 1.x left the indices of what it had deleted.
            or record.status == states.DELETED
        ):
            raise exception.CheckpointNotFound(checkpoint_id=checkpoint_id)
        return Checkpoint(self._store, record)

    def list(
        self,
        project_id: str | None,
        *,
        provider_id: str,
        plan_id: str | None = None,
        start_date: datetime.date | str | None = None,
        end_date: datetime.date | str | None = None,
        status: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_keys: Sequence[str] | None = None,
        sort_dirs: Sequence[str] | None = None,
        all_tenants: bool = False,
    ) -> list[Checkpoint]:
        """A page of checkpoints, newest first unless asked otherwise.

        Costs the page when sorted by ``created_at`` (the default) without a filter
        by status; a status filter costs what it passes over, another sort key costs
        all that the other filters let through.

        A checkpoint whose index cannot be read is logged and left out.

        :param project_id: whose; not looked at with ``all_tenants``
        :param start_date: ``YYYY-MM-DD`` or a date, included
        :param end_date: included
        :param marker: the id of the last checkpoint of the page before
        :param sort_keys: of :data:`SORT_KEYS`
        :param sort_dirs: ``asc`` or ``desc`` for each key; those missing are
            ``desc``
        :raises InvalidInput: naming what no listing can have, an unknown marker
            among it
        """
        if limit is not None and limit < 0:
            raise exception.InvalidInput(reason=f"limit is {limit}, less than 0")
        if not all_tenants and not project_id:
            raise exception.InvalidInput(
                reason="checkpoints are listed for a project, and none was given"
            )
        order = _order(sort_keys, sort_dirs)
        start, end = _day("start_date", start_date), _day("end_date", end_date)
        if limit == 0:
            return []
        project = None if all_tenants else project_id

        def wanted(checkpoint: Checkpoint) -> bool:
            return (
                checkpoint.provider_id == provider_id
                and (project is None or checkpoint.project_id == project)
                and (
                    plan_id is None or str(checkpoint.protection_plan["id"]) == plan_id
                )
            )

        def entries(walk: Range) -> Iterator[Entry]:
            if plan_id is not None:
                return self._store.indices.of_plan(plan_id, project, walk)
            if project is None:
                return self._store.indices.of_provider(provider_id, walk)
            return self._store.indices.of_project(provider_id, project, walk)

        def matching(walk: Range) -> Iterator[Checkpoint]:
            for checkpoint in self._readable(entries(walk)):
                if wanted(checkpoint) and status in (None, checkpoint.status):
                    yield checkpoint

        if order[0][0] == "created_at":
            after = None if marker is None else self._after(marker, wanted)
            walk = Range(
                descending=order[0][1] == "desc", start=start, end=end, after=after
            )
            if limit is not None:
                walk = dataclasses.replace(
                    walk, page=min(walk.page, limit + _SPARE_KEYS)
                )
            return take(matching(walk), limit)
        found = list(matching(Range(start=start, end=end)))
        for key, direction in reversed(order):
            found.sort(key=SORT_KEYS[key], reverse=direction == "desc")
        return _page(found, marker, limit)

    def working(self) -> Iterator[Checkpoint]:
        """Checkpoints in a working state, of any owner; costs what is in work."""
        for entry in self._store.indices.in_work():
            for checkpoint in self._readable([Entry("", entry.checkpoint_id)]):
                if (
                    checkpoint.status in states.WORKING
                    and checkpoint.owner_id == entry.owner_id
                ):
                    yield checkpoint

    def has_work(self) -> bool:
        """Whether this process works on any checkpoint."""
        return any(True for _ in self._store.indices.in_work(self._store.owner_id))

    def _new_record(
        self,
        plan: Mapping[str, Any],
        *,
        provider_id: str,
        project_id: str,
        extra_info: Any,
        status: str,
        checkpoint_id: str | None,
        copied_from: str | None,
        copied_from_provider: str | None,
        locked_until: datetime.datetime | None,
    ) -> CheckpointRecord:
        if status not in states.INITIAL:
            raise exception.InvalidInput(
                reason=f"a checkpoint cannot begin as '{status}'; it begins as "
                f"{', '.join(sorted(states.INITIAL))}"
            )
        for name, value in (
            ("plan id", plan.get("id")),
            ("provider_id", provider_id),
            ("project_id", project_id),
        ):
            if not isinstance(value, str) or not value:
                raise exception.InvalidInput(
                    reason=f"a checkpoint needs a {name}, and it is {value!r}"
                )
        if checkpoint_id is None:
            checkpoint_id = str(uuid.uuid4())
        elif not _ID.fullmatch(checkpoint_id):
            raise exception.InvalidInput(
                reason=f"{checkpoint_id!r} cannot be the id of a checkpoint"
            )
        elif self._exists(checkpoint_id):
            raise exception.InvalidInput(
                reason=f"there already is a checkpoint {checkpoint_id}"
            )
        kept = {name: plan.get(name) for name in _PLAN_FIELDS}
        kept["provider_id"] = kept["provider_id"] or provider_id
        now = self._store.clock().astimezone(datetime.UTC)
        locks = [date for date in (locked_until, self.lock_policy.default(now)) if date]
        return CheckpointRecord(
            id=checkpoint_id,
            status=status,
            owner_id=self._store.owner_id,
            provider_id=provider_id,
            project_id=project_id,
            protection_plan=kept,
            created_at=now.date().isoformat(),
            timestamp=format_timestamp(now),
            extra_info=extra_info,
            copied_from=copied_from,
            copied_from_provider=copied_from_provider,
            locked_until=format_seconds(max(locks)) if locks else None,
        )

    def _exists(self, checkpoint_id: str) -> bool:
        try:
            self._store.read(checkpoint_id)
        except exception.CheckpointNotFound:
            return False
        except exception.CheckpointUnreadable:
            return True
        return True

    def _take_back(self, record: CheckpointRecord) -> None:
        """Undo a creation that failed; what cannot be undone now, the sweep clears."""
        store = self._store
        try:
            store.clear(record.id, store.indices.keys_of(record))
            store.indices.end_work(record.id, record.owner_id)
        except exception.KarborException as error:
            LOG.warning(
                "Creating checkpoint %s failed, and what it left in the bank cannot "
                "be deleted now; a later sweep will: %s",
                record.id,
                error,
            )

    def _readable(self, entries: Iterable[Entry]) -> Iterator[Checkpoint]:
        for entry in entries:
            try:
                record = self._store.read_index(entry.checkpoint_id)
            except exception.CheckpointNotFound:
                # Being created or deleted just now, or left so by a crash.
                continue
            except exception.CheckpointUnreadable as error:
                LOG.warning("Left out of a listing: %s", error)
                continue
            yield Checkpoint(self._store, record)

    def _after(self, marker: str, wanted: Callable[[Checkpoint], bool]) -> Entry:
        try:
            checkpoint = self.get(marker)
        except (exception.CheckpointNotFound, exception.CheckpointUnreadable):
            raise _unknown_marker(marker) from None
        if not wanted(checkpoint):
            raise _unknown_marker(marker)
        return Entry(checkpoint.timestamp, checkpoint.id)


def _unknown_marker(marker: str) -> exception.InvalidInput:
    return exception.InvalidInput(
        reason=f"marker '{marker}' is no checkpoint of this listing"
    )


def _order(
    sort_keys: Sequence[str] | None, sort_dirs: Sequence[str] | None
) -> list[tuple[str, str]]:
    names = list(sort_keys or ("created_at",))
    directions = list(sort_dirs or ())
    for name in names:
        if name not in SORT_KEYS:
            raise exception.InvalidInput(
                reason=f"checkpoints cannot be sorted by '{name}'; sort keys are "
                f"{', '.join(SORT_KEYS)}"
            )
    for direction in directions:
        if direction not in _SORT_DIRS:
            raise exception.InvalidInput(
                reason=f"a sort direction is asc or desc, not '{direction}'"
            )
    directions += ["desc"] * (len(names) - len(directions))
    return list(zip(names, directions, strict=False))


def _day(name: str, value: datetime.date | str | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        value = value.date()
    try:
        return datetime.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise exception.InvalidInput(
            reason=f"{name} '{value}' is no date like 2026-11-20"
        ) from None


def _page(
    found: list[Checkpoint], marker: str | None, limit: int | None
) -> list[Checkpoint]:
    if marker is not None:
        ids = [checkpoint.id for checkpoint in found]
        if marker not in ids:
            raise _unknown_marker(marker)
        found = found[ids.index(marker) + 1 :]
    return found if limit is None else found[:limit]
