# SPDX-License-Identifier: Apache-2.0
"""Folders of checkpoints that no operation will ever end.

Three kinds, all made by a process that died or slept, none of which the sweep for
zombies finds:

- a folder without an index: leftovers of a creation or a deletion, or what somebody
  wrote who woke up after the deletion;
- a folder with nothing but an index, which no listing has: the index was written by
  somebody who woke up after the deletion;
- a checkpoint in a working state that is in nobody's list of work in hand. It is put
  there, under its owner, and the sweep ends it when that one is dead.

On a bank where what was done is seen at once, a look in the right order is proof: an
operation is in the list of work in hand from before it makes the folder until after
it has made it whole or taken it away. On others a folder must look so twice, the
settle time apart.
"""

import datetime
import enum

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
SEEN = "/collections/leftovers"

_ROOT = "/checkpoints/"


class _Kind(enum.Enum):
    NO_INDEX = "it has no index"
    EMPTY = "it has nothing but an index, which no listing has"
    LOST_WORK = "nobody has it in work"


class Leftovers:
    """Finds these folders and clears them away. One thread.

    :param report: of the whole bank
    """

    def __init__(self, store: CheckpointStore, rules: Rules, report: Report) -> None:
        self._store = store
        self._bank = store.bank
        self._rules = rules
        self._report = report

    def clear(self) -> None:
        """Look at every checkpoint's folder once.

        :raises BankException: when the bank cannot be listed
        """
        suspects = self._suspects()
        at_work = {item.checkpoint_id for item in operations.in_hand(self._store)}
        suspects = [name for name in suspects if name not in at_work]
        seen = self._seen() if suspects or self._has_seen() else {}
        now = self._rules.clock()
        waiting: dict[str, datetime.datetime] = {}
        for checkpoint_id in suspects:
            since = min(seen.get(checkpoint_id, now), now)
            try:
                kind = self._kind(checkpoint_id)
                if kind is None:
                    continue
                if now < since + self._rules.settle:
                    waiting[checkpoint_id] = since
                    continue
                self._treat(checkpoint_id, kind)
            except exception.LeaseLost:
                raise
            except exception.KarborException as error:
                waiting[checkpoint_id] = since
                self._report.find(
                    f"What is left of checkpoint {checkpoint_id} stays: {error}"
                )
        if waiting != seen:
            self._keep(waiting)
        for since in waiting.values():
            until = since + self._rules.settle
            if until > now:
                self._report.until = min(until, self._report.until or until)

    def _suspects(self) -> list[str]:
        """Checkpoints whose folders look so; and ends late commits on the way."""
        suspects: list[str] = []
        walk = Walk(self._bank, _ROOT)
        current: str | None = None
        found: set[str] = set()

        def judge() -> None:
            if current is not None and self._is_suspect(current, found):
                suspects.append(current)

        for key in walk:
            checkpoint_id, _, rest = key.removeprefix(_ROOT).partition("/")
            if checkpoint_id != current:
                judge()
                current, found = checkpoint_id, set()
                self._rules.go_on()
            found.add(rest if rest in (INDEX, tombstones.ABANDONED) else "")
            if "" in found and (INDEX in found or rest > INDEX):
                # All that matters of the folder has come.
                walk.skip(f"{_ROOT}{checkpoint_id}")
        judge()
        return suspects

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

    def _kind(self, checkpoint_id: str) -> _Kind | None:
        """What is wrong with a folder now; None when nothing is."""
        try:
            record = self._store.read_index(checkpoint_id)
        except exception.CheckpointNotFound:
            return _Kind.NO_INDEX
        if record.status in states.WORKING:
            return _Kind.LOST_WORK
        section = self._store.section(checkpoint_id)
        if set(section.list_objects(limit=3)) - {INDEX, tombstones.ABANDONED}:
            return None
        if any(
            indices.is_there(self._store.indices.section, key)
            for key in self._store.indices.all_keys_of(record)
        ):
            return None
        return _Kind.EMPTY

    def _treat(self, checkpoint_id: str, kind: _Kind) -> None:
        self._store.check_lease()
        with self._store.exclusively(checkpoint_id):
            if kind is _Kind.LOST_WORK:
                record = self._store.read_index(checkpoint_id)
                self._store.indices.begin_work(
                    record, record.owner_id, self._rules.clock()
                )
            else:
                self._store.section(checkpoint_id).delete_all()
                self._report.cleared.append(checkpoint_id)
        self._report.has_progressed = True
        LOG.info("Treated checkpoint %s as left over: %s", checkpoint_id, kind.value)

    def _has_seen(self) -> bool:
        return self._bank.list_objects(SEEN, limit=1) == [SEEN]

    def _seen(self) -> dict[str, datetime.datetime]:
        try:
            value = sealing.unseal(self._bank.get_object(SEEN))
            return {
                str(name): parse_timestamp(since)
                for name, since in value["since"].items()
            }
        except exception.BankGetObjectFailed:
            return {}
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            LOG.warning("The bank's %s is damaged, and is made anew: %s", SEEN, error)
            return {}

    def _keep(self, waiting: dict[str, datetime.datetime]) -> None:
        if waiting:
            since = {name: format_timestamp(at) for name, at in waiting.items()}
            self._bank.update_object(SEEN, sealing.seal({"since": since}))
        elif self._has_seen():
            self._bank.delete_object(SEEN)
