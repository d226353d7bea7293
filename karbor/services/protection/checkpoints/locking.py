# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that stay as they are until a date.

``locked_until`` in the index is Karbor's own word: its doors refuse to delete before.
Where the bank can lock objects, it has the same date for all that the checkpoint keeps
and for every chunk that it refers to. The object that :func:`_anchor` gives is locked
first, so that its date tells of any lock that was begun.
"""

import collections
import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.checkpoints import indices, states
from karbor.services.protection.checkpoints import inventory as inventories
from karbor.services.protection.checkpoints.parts import Parts
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import INDEX, CheckpointStore
from karbor.services.protection.checkpoints.timestamps import (
    format_seconds,
    parse_seconds,
)

LOG = logging.getLogger(__name__)

#: Where ``locked_until`` is shown: in these it counts, or is going to.
_SHOWN = frozenset({states.AVAILABLE, *states.INITIAL})

# A lock is a question or two to the store, and no data: most of it is waiting.
_THREADS = 16
_IN_FLIGHT = 8 * _THREADS


@dataclasses.dataclass(frozen=True)
class Locked:
    """What a lock came to.

    :param until: aware
    :param objects: how many of the bank's objects it holds, those that streams of
        several resources share counted for each; 0 where the bank locks none
    """

    until: datetime.datetime
    objects: int


def can_lock(store: CheckpointStore) -> bool:
    """Whether the bank itself can keep objects until a date.

    :raises BankException: when it cannot be asked
    """
    capabilities = getattr(store.bank.plugin, "capabilities", None)
    return capabilities is not None and capabilities.object_lock


def date_of(record: CheckpointRecord) -> datetime.datetime | None:
    """The date in an index; it counts when the checkpoint is ``available``."""
    if record.locked_until is None:
        return None
    return parse_seconds(record.locked_until)


def locked_until(
    store: CheckpointStore, record: CheckpointRecord
) -> datetime.datetime | None:
    """Until when nobody may delete a checkpoint; may have passed. None: it is not
    locked.

    Asks the bank of one that was locked, because a lock is extended there.

    :raises BankException: when the bank cannot say
    """
    date = date_of(record)
    if date is None:
        return None
    ask = getattr(store.bank.plugin, "locked_until", None)
    section = store.section(record.id)
    kept = None
    if ask is not None:
        try:
            kept = ask(section.prefix + _anchor(record))
        except exception.BankGetObjectFailed:
            if indices.is_there(section, _anchor(record)):
                raise
    dates = [kept, date if record.status == states.AVAILABLE else None]
    return max((found for found in dates if found is not None), default=None)


def refuse_locked(store: CheckpointStore, record: CheckpointRecord) -> None:
    """Make sure that a checkpoint may be deleted, by this machine's clock.

    :raises CheckpointLocked: when it may not, yet
    :raises BankException: when the bank cannot say
    """
    until = locked_until(store, record)
    if until is not None and until > store.clock():
        raise exception.CheckpointLocked(
            checkpoint_id=record.id, until=until.isoformat(timespec="seconds")
        )


def lock_data(
    store: CheckpointStore,
    record: CheckpointRecord,
    until: datetime.datetime,
    keys: Iterable[str],
    anchor: str | None,
) -> int:
    """Lock objects of a checkpoint, and all chunks of the streams among them.

    :param keys: in the checkpoint's section
    :param anchor: likewise, what is locked before all else
    :returns: how many were locked, or were for longer already
    :raises BankException: the first error, when all else was tried
    """
    section = store.section(record.id, record.project_id)
    lock = store.bank.plugin.lock_object
    done, failed = 0, 0
    first_key = None if anchor is None else section.prefix + anchor
    if first_key is not None:
        lock(first_key, until)
        done += 1
    first: exception.KarborException | None = None
    waiting: collections.deque[Future[None]] = collections.deque()

    def fail(error: exception.KarborException) -> None:
        nonlocal first, failed
        first = first or error
        failed += 1

    def settle() -> None:
        nonlocal done
        try:
            waiting.popleft().result()
        except exception.KarborException as error:
            fail(error)
        else:
            done += 1

    with ThreadPoolExecutor(_THREADS, "checkpoint-lock") as executor:
        for key in _objects(section, keys, fail):
            if key == first_key:
                continue
            waiting.append(executor.submit(lock, key, until))
            if len(waiting) >= _IN_FLIGHT:
                settle()
        while waiting:
            settle()
    if first is not None:
        raise exception.BankLockObjectFailed(
            f"{failed} objects of checkpoint {record.id} are not locked, {done} are. "
            f"Lock it again. The first error: {first}",
            retryable=first.retryable,
        ) from first
    return done


def begin(
    store: CheckpointStore, believed: CheckpointRecord, until: datetime.datetime
) -> CheckpointRecord:
    """Make Karbor refuse to delete an available checkpoint before a date.

    Call it holding :meth:`CheckpointStore.exclusively`.

    :returns: the record as it is now
    :raises CheckpointNotAvailable, CheckpointLocked, InvalidInput: see
        :meth:`Checkpoint.lock`
    """
    date = format_seconds(until)
    if until <= store.clock():
        raise exception.InvalidInput(reason=f"a lock until {date} is over already")
    present = store.confirm(believed)
    if present.status != states.AVAILABLE:
        raise exception.CheckpointNotAvailable(
            f"The checkpoint {present.id} is '{present.status}': only one that is "
            "available can be locked."
        )
    before = locked_until(store, present)
    if before is not None and before > parse_seconds(date):
        raise exception.CheckpointLocked(
            checkpoint_id=present.id, until=before.isoformat(timespec="seconds")
        )
    if present.locked_until is not None and can_lock(store):
        # Its index is locked in the bank, and cannot be written; the bank's own date
        # of the anchor is what is extended.
        return present
    return store.write(dataclasses.replace(present, locked_until=date))


def lock_available(
    store: CheckpointStore, record: CheckpointRecord, until: datetime.datetime
) -> Locked:
    """Lock in the bank all that an available checkpoint keeps, if it can.

    :raises BankException: when something could not be locked; call it again
    """
    until = parse_seconds(format_seconds(until))
    if not can_lock(store):
        return Locked(until, 0)
    kept = _kept(store, record)
    count = lock_data(store, record, until, kept, _anchor(record))
    lock_part(store, record.id, INDEX, until)
    return Locked(until, count + 1)


def lock_new(
    store: CheckpointStore, record: CheckpointRecord
) -> datetime.datetime | None:
    """Lock the data of a checkpoint that is about to be ``available``.

    Nothing is committed that is not locked. What was locked for a checkpoint that is
    not committed after all stays until its date.

    :returns: the date, for what is written later; None: there is nothing to lock
    :raises BankException: when it could not be locked
    """
    until = date_of(record)
    if until is None or until <= store.clock():
        return None
    if not can_lock(store):
        LOG.warning(
            "Checkpoint %s is locked until %s by Karbor alone: its bank cannot lock "
            "objects, or is not told to.",
            record.id,
            record.locked_until,
        )
        return None
    section = store.section(record.id)
    data = section.iterate_objects(prefix=f"{inventories.RESOURCE_DATA}/")
    lock_data(store, record, until, data, record.resource_graph)
    return until


def lock_new_index(
    store: CheckpointStore, record: CheckpointRecord, until: datetime.datetime | None
) -> None:
    """Lock the index of a checkpoint that was committed, if there is a date."""
    if until is None:
        return
    try:
        lock_part(store, record.id, INDEX, until)
    except exception.BankException as error:
        # All else is locked, and Karbor itself goes by what the index says.
        LOG.warning(
            "The index of the locked checkpoint %s is not locked in the bank. Mend it "
            "with: karbor-manage bank lock-checkpoint. %s",
            record.id,
            error,
        )


def lock_part(
    store: CheckpointStore, checkpoint_id: str, name: str, until: datetime.datetime
) -> None:
    """Lock one object of a checkpoint.

    :param name: in its section
    :raises BankException: when that failed
    """
    store.bank.plugin.lock_object(store.section(checkpoint_id).prefix + name, until)


def shown_date(store: CheckpointStore, record: CheckpointRecord) -> str | None:
    """What people see; of one that is not ``available`` yet, the date that it will
    have. None when there is none to see."""
    if record.locked_until is None or record.status not in _SHOWN:
        return None
    try:
        until = locked_until(store, record)
    except exception.BankException as error:
        LOG.warning(
            "Until when checkpoint %s is locked is told by its index, the bank may "
            "have a later date: %s",
            record.id,
            error,
        )
        until = None
    return record.locked_until if until is None else format_seconds(until)


def _kept(store: CheckpointStore, record: CheckpointRecord) -> Iterator[str]:
    """All that a checkpoint keeps, in its section, but for the index; not what
    operations on it note there."""
    section = store.section(record.id)
    if record.inventory is None:
        yield from (key for key in section.iterate_objects() if key != INDEX)
        return
    for part in (record.resource_graph, record.resources_status, record.inventory):
        if part is not None:
            yield part
    value = Parts(section, record.id).get(record.inventory)
    inventory = inventories.read(record.id, record.inventory, value)
    for resource_id, kept in inventory.items():
        for name in (*kept.objects, *kept.streams):
            yield f"{inventories.RESOURCE_DATA}/{resource_id}/{name}"


def _anchor(record: CheckpointRecord) -> str:
    """The object that is locked first: written once, and there as long as the data.

    Checkpoints of Karbor 1.x have none but the index.
    """
    return record.resource_graph or INDEX


def _objects(
    section: BankSection,
    keys: Iterable[str],
    broken_stream: Callable[[exception.KarborException], None],
) -> Iterator[str]:
    """Keys in the bank of objects of a section, and of all that its streams need.

    :param broken_stream: called when the references of one cannot be read
    """
    for key in keys:
        yield section.prefix + key
        folder, found, name = key.rpartition(manifest.MANIFESTS)
        if not found:
            continue
        try:
            stream = StoredStream(section.get_sub_section(folder), name)
            space = stream.space.section.prefix
            for reference in stream.references():
                yield space + names.key(reference)
        except exception.KarborException as error:
            broken_stream(error)
