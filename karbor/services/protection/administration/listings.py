# SPDX-License-Identifier: Apache-2.0
"""The checkpoints of a bank and the entries of its listings, as an administrator
finds them: some may be damaged, or of nothing."""

import dataclasses
import datetime
from collections.abc import Iterator

from karbor import exception
from karbor.services.protection.administration.checking import raise_if_away
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.walking import Walk, names_below
from karbor.services.protection.checkpoints import indices, states
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import CheckpointStore
from karbor.services.protection.checkpoints.timestamps import parse_timestamp
from karbor.services.protection.zombies import SAFE_AGE


@dataclasses.dataclass(frozen=True, slots=True)
class ListingEntry:
    """One key of a listing.

    :param key: in the section of the indices
    :param made: when the checkpoint was made, None when the key does not tell
    :param is_old: it has the shape of Karbor 1.x, which this release does not list
    """

    key: str
    checkpoint_id: str
    made: datetime.datetime | None
    is_old: bool

    @classmethod
    def parse(cls, key: str) -> "ListingEntry | None":
        """What a key says; None when it is no entry of a listing."""
        timestamp, at, checkpoint_id = key.rpartition("/")[2].partition("@")
        if not at or not checkpoint_id:
            return None
        try:
            made = parse_timestamp(timestamp)
            return cls(key, checkpoint_id, made, is_old=False)
        except ValueError:
            pass
        try:
            made = datetime.datetime.fromtimestamp(float(timestamp), datetime.UTC)
        except (ValueError, OverflowError, OSError):
            return None
        return cls(key, checkpoint_id, made, is_old=True)


def checkpoint_ids(store: CheckpointStore) -> Iterator[str]:
    """The names in the bank's folder of checkpoints, in order."""
    return names_below(store.bank, "/checkpoints/")


def state_of(
    store: CheckpointStore, checkpoint_id: str
) -> CheckpointRecord | str | None:
    """A checkpoint's record, what is wrong with it, or None when there is none.

    :raises BankException: when the bank cannot be asked now
    """
    try:
        return store.read(checkpoint_id)
    except exception.CheckpointNotFound:
        return None
    except exception.CheckpointUnreadable as error:
        if isinstance(error.__cause__, exception.BankException):
            raise_if_away(error.__cause__)
        return str(error)


def is_in_work(store: CheckpointStore, record: CheckpointRecord) -> bool:
    """Whether a living owner works on a checkpoint."""
    return record.status in states.WORKING and store.is_owner_alive(record.owner_id)


def listing_keys(section: BankSection) -> Iterator[str]:
    """The keys of all listings, in order."""
    for name in indices.LISTINGS:
        yield from Walk(section, f"{name}/")


def workers(store: CheckpointStore, checkpoint_id: str) -> list[str]:
    """The keys of the work in hand that name a checkpoint, of any owner."""
    return [
        key
        for key in Walk(store.indices.section, f"{indices.IN_WORK}/")
        if key.rpartition("/")[2] == checkpoint_id
    ]


def is_dangling(store: CheckpointStore, entry: ListingEntry) -> bool:
    """Whether an entry is of no checkpoint, and none is just being made or deleted.

    By the rules of the sweep: whoever makes or deletes a checkpoint has it among its
    work in hand for as long as there are entries without it; and nothing younger
    than an hour is judged.

    :raises BankException: when the bank cannot be asked
    """
    if _has_index(store, entry.checkpoint_id):
        return False
    if entry.made is not None and store.clock() - entry.made < SAFE_AGE:
        return False
    if workers(store, entry.checkpoint_id):
        return False
    # Gone or made while this looked.
    return indices.is_there(store.indices.section, entry.key) and not _has_index(
        store, entry.checkpoint_id
    )


def _has_index(store: CheckpointStore, checkpoint_id: str) -> bool:
    """Whether there is an index, readable or not; asks for it, as a bank may list
    late."""
    try:
        store.read(checkpoint_id)
    except (exception.CheckpointNotFound, exception.InvalidParameterValue):
        return False
    except exception.CheckpointUnreadable:
        return True
    return True
