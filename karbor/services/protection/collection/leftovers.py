# SPDX-License-Identifier: Apache-2.0
"""What is left of checkpoints, and no operation will ever end.

Four kinds, all made by a process that died or slept, none of which the sweep for
zombies finds:

- a folder without an index: leftovers of a creation or a deletion, or what somebody
  wrote who woke up after the deletion;
- a folder with nothing but an index, which no listing has: the index was written by
  somebody who woke up after the deletion;
- an entry of a listing without a checkpoint;
- a checkpoint in a working state that is in nobody's list of work in hand. It is given
  up, as collections have not waited for it, and put there under its owner, so that the
  sweep ends it when that one is dead.

On a bank where what was done is seen at once, a look in the right order is proof: an
operation is in the list of work in hand from before it writes anything until after
it has made it whole or taken it away. On others something must look so twice, the
settle time apart.
"""

import dataclasses
import datetime
import enum
from collections.abc import Iterator

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.walking import Walk
from karbor.services.protection.checkpoints import indices, states, tombstones
from karbor.services.protection.checkpoints.store import INDEX, CheckpointStore
from karbor.services.protection.checkpoints.timestamps import (
    format_timestamp,
    parse_timestamp,
)
from karbor.services.protection.collection import operations
from karbor.services.protection.collection.project import Rules
from karbor.services.protection.collection.report import Report

LOG = logging.getLogger(__name__)

#: When each suspect was seen first; kept while there is any.
_SEEN_FOLDER = "/collections/"
_SEEN_KEY = "leftovers"
SEEN = _SEEN_FOLDER + _SEEN_KEY

_ROOT = "/checkpoints/"
_OF_A_WHOLE_ONE = ("inventory/", "resource-data/")


class _Kind(enum.Enum):
    NO_INDEX = "it has no index"
    EMPTY = "it has nothing but an index, which no listing has"
    LISTED = "a listing has it, and there is no such checkpoint"
    LOST_WORK = "nobody has it in work"
    DAMAGED = "its index is lost"


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class _Suspect:
    """:param entry: a key of a listing; empty for the checkpoint's folder"""

    checkpoint_id: str
    entry: str = ""

    def to_text(self) -> str:
        return f"{self.checkpoint_id} {self.entry}".strip()

    @classmethod
    def from_text(cls, text: str) -> "_Suspect":
        checkpoint_id, _, entry = text.partition(" ")
        return cls(checkpoint_id, entry)


class Leftovers:
    """Finds these, and clears them away. One thread.

    Memory: the ids of all checkpoints, 100 bytes each.

    :param report: of the whole bank
    """

    def __init__(self, store: CheckpointStore, rules: Rules, report: Report) -> None:
        self._store = store
        self._bank = store.bank
        self._listings = store.indices.section
        self._rules = rules
        self._report = report
        self._is_any_damaged = False

    def clear(self) -> bool:
        """Look at every checkpoint's folder, and at the listings, once.

        :returns: whether nothing of them is left
        :raises BankException: when the bank cannot be listed
        """
        suspects = self._suspects()
        at_work = {item.checkpoint_id for item in operations.in_hand(self._store)}
        suspects = [item for item in suspects if item.checkpoint_id not in at_work]
        seen = self._seen() if suspects or self._has_seen() else {}
        now = self._rules.clock()
        waiting: dict[_Suspect, datetime.datetime] = {}
        for suspect in suspects:
            since = min(seen.get(suspect, now), now)
            try:
                if not self._is_treated(suspect, now >= since + self._rules.settle):
                    waiting[suspect] = since
            except exception.LeaseLost:
                raise
            except exception.KarborException as error:
                waiting[suspect] = since
                self._report.find(
                    f"What is left of checkpoint {suspect.checkpoint_id} stays: {error}"
                )
        if waiting != seen:
            self._keep(waiting)
        for since in waiting.values():
            until = since + self._rules.settle
            if until > now:
                self._report.until = min(until, self._report.until or until)
        return not waiting and not self._is_any_damaged

    def _suspects(self) -> list[_Suspect]:
        """What looks so; late commits are ended on the way."""
        suspects: list[_Suspect] = []
        present: set[str] = set()
        for checkpoint_id, found in self._folders():
            self._rules.go_on()
            if INDEX in found:
                present.add(checkpoint_id)
            if self._is_suspect(checkpoint_id, found):
                suspects.append(_Suspect(checkpoint_id))
        # Listed after the folders: an entry is there before its checkpoint's folder.
        for name in indices.LISTINGS:
            for key in Walk(self._listings, f"{name}/"):
                checkpoint_id = key.rpartition("@")[2]
                if checkpoint_id != key and checkpoint_id not in present:
                    suspects.append(_Suspect(checkpoint_id, key))
        return suspects

    def _folders(self) -> Iterator[tuple[str, set[str]]]:
        """Each checkpoint's folder, with which of its two own objects it has, and
        an empty text when it has others."""
        walk = Walk(self._bank, _ROOT)
        current: str | None = None
        found: set[str] = set()
        for key in walk:
            checkpoint_id, _, rest = key.removeprefix(_ROOT).partition("/")
            if checkpoint_id != current:
                if current is not None:
                    yield current, found
                current, found = checkpoint_id, set()
            found.add(rest if rest in (INDEX, tombstones.ABANDONED) else "")
            if rest > INDEX:
                # All that matters of the folder has come.
                walk.skip(f"{_ROOT}{checkpoint_id}")
        if current is not None:
            yield current, found

    def _is_suspect(self, checkpoint_id: str, found: set[str]) -> bool:
        if INDEX not in found:
            return True
        try:
            if tombstones.ABANDONED in found and self._store.end_late_commit(
                checkpoint_id
            ):
                self._report.ended.append(checkpoint_id)
            record = self._store.read_index(checkpoint_id)
        except exception.CheckpointNotFound:
            return False
        except exception.KarborException as error:
            LOG.debug("Left alone by the collection of garbage: %s", error)
            return False
        return "" not in found or record.status in states.WORKING

    def _is_treated(self, suspect: _Suspect, may_treat: bool) -> bool:
        """Whether nothing is wrong with it any more.

        :param may_treat: whether it has looked so for long enough
        """
        kind = self._kind(suspect)
        if kind is None:
            return True
        if kind is _Kind.DAMAGED:
            self._is_any_damaged = True
            self._report.find(
                f"Checkpoint {suspect.checkpoint_id} has data and an inventory, and "
                "its index is lost: it is left as it is. Bring its index.json back, or "
                "take it away with 'karbor-manage bank remove-checkpoint'."
            )
            return True
        if not may_treat:
            return False
        checkpoint_id = suspect.checkpoint_id
        self._store.check_lease()
        with self._store.exclusively(checkpoint_id):
            if kind is _Kind.LISTED:
                indices.delete_if_there(self._listings, suspect.entry)
            elif kind is _Kind.LOST_WORK:
                record = self._store.read_index(checkpoint_id)
                if record.status in states.INITIAL:
                    # Collections have not waited for it.
                    self._store.mark_abandoned(record, kind.value)
                self._store.indices.begin_work(
                    record, record.owner_id, self._rules.clock()
                )
            else:
                self._store.section(checkpoint_id).delete_all()
                self._report.cleared.append(checkpoint_id)
        self._report.has_progressed = True
        LOG.info("Treated checkpoint %s as left over: %s", checkpoint_id, kind.value)
        return True

    def _kind(self, suspect: _Suspect) -> _Kind | None:
        """What is wrong with it now; None when nothing is."""
        try:
            record = self._store.read_index(suspect.checkpoint_id)
        except exception.CheckpointNotFound:
            if self._has_lost_its_index(suspect.checkpoint_id):
                return _Kind.DAMAGED
            if not suspect.entry:
                return _Kind.NO_INDEX
            is_there = indices.is_there(self._listings, suspect.entry)
            return _Kind.LISTED if is_there else None
        if suspect.entry:
            return None
        if record.status in states.WORKING:
            return _Kind.LOST_WORK
        if record.legacy is not None:
            # All that it is may be its index: Karbor 1.x had the graph in there.
            return None
        section = self._store.section(suspect.checkpoint_id)
        if set(section.list_objects(limit=3)) - {INDEX, tombstones.ABANDONED}:
            return None
        if any(
            indices.is_there(self._listings, key)
            for key in self._store.indices.all_keys_of(record)
        ):
            return None
        return _Kind.EMPTY

    def _has_lost_its_index(self, checkpoint_id: str) -> bool:
        """Whether a folder without an index was that of a whole checkpoint.

        Its inventory is written right before it is available, and a deletion takes
        the data before the index.
        """
        section = self._store.section(checkpoint_id)
        return all(
            section.list_objects(prefix=folder, limit=1) for folder in _OF_A_WHOLE_ONE
        )

    def _has_seen(self) -> bool:
        return self._bank.list_objects(SEEN, limit=1) == [SEEN]

    def _seen(self) -> dict[_Suspect, datetime.datetime]:
        try:
            value = sealing.unseal(self._bank.get_object(SEEN))
            return {
                _Suspect.from_text(text): parse_timestamp(since)
                for text, since in value["since"].items()
            }
        except exception.BankGetObjectFailed:
            return {}
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            LOG.warning("The bank's %s is damaged, and is made anew: %s", SEEN, error)
            return {}

    def _keep(self, waiting: dict[_Suspect, datetime.datetime]) -> None:
        if waiting:
            since = {
                suspect.to_text(): format_timestamp(at)
                for suspect, at in waiting.items()
            }
            self._bank.update_object(SEEN, sealing.seal({"since": since}))
        else:
            indices.delete_if_there(self._bank.get_sub_section(_SEEN_FOLDER), _SEEN_KEY)
