# SPDX-License-Identifier: Apache-2.0
"""Checking a bank while it is in use.

In three steps: every checkpoint with its streams' manifests and pages, where the
chunks that they need are noted on disk; every object of every chunk space, once,
whoever needs it; and only if one of these is damaged, the streams again, to name those
that need it.
"""

import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from karbor import exception
from karbor.services.protection.administration.affected import Affected, Place
from karbor.services.protection.administration.checking import (
    Checking,
    Mender,
    NoMender,
    raise_if_away,
)
from karbor.services.protection.administration.checkpoint_check import CheckpointCheck
from karbor.services.protection.administration.chunk_check import ChunkCheck
from karbor.services.protection.administration.depth import Depth
from karbor.services.protection.administration.findings import (
    KEPT,
    Finding,
    Kind,
    Report,
)
from karbor.services.protection.administration.listings import (
    ListingEntry,
    checkpoint_ids,
    is_dangling,
    listing_keys,
)
from karbor.services.protection.administration.needed import NeededChunks
from karbor.services.protection.administration.project_check import ProjectCheck
from karbor.services.protection.administration.space_check import SpaceCheck
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.chunks import damaged as marks
from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.chunks.space import ROOT, ChunkSpace
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.walking import Walk, names_below
from karbor.services.protection.checkpoints import indices
from karbor.services.protection.checkpoints.store import CheckpointStore, utc_now
from karbor.services.protection.collection.leftovers import SEEN

#: What Karbor keeps at the top of a bank.
_KNOWN = frozenset({"checkpoints", "indices", "leases", ROOT, "collections"})


class BankCheck:
    """Looks at all of a bank once; changes nothing.

    Memory does not grow with the bank, but for the findings that the report keeps.
    Costs a listing of everything, the reading that the depth asks for, and room for
    the names of all chunks in the folder of temporary files.

    :param bank: whose every checkpoint is looked at, whichever provider it is of
    :param mender: may mend a damaged chunk before it is reported
    :param on_progress: called now and then from the calling thread
    """

    def __init__(
        self,
        bank: Bank,
        depth: Depth | None = None,
        *,
        mender: Mender | None = None,
        on_progress: Callable[[Report], None] = lambda report: None,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        # What a cache remembers says nothing about the bank.
        self._bank = bank.uncached
        self._mender = mender or NoMender()
        self._store = CheckpointStore(self._bank, clock=clock)
        self._depth = depth or Depth()
        self._on_progress = on_progress

    def run(self) -> Report:
        """Look at everything.

        What could not be looked at is in the report, not raised.
        """
        report = Report(depth=self._depth.level.value)
        try:
            self._run(report)
        except exception.BankException as error:
            report.unchecked.append(f"the rest of the bank: {error}")
        self._on_progress(report)
        return report

    def _run(self, report: Report) -> None:
        threads = self._bank.stream_options.worker_threads
        with (
            ThreadPoolExecutor(threads, "bank-check") as executor,
            NeededChunks() as needed,
        ):
            checking = Checking(
                self._store,
                self._depth,
                report,
                executor,
                self._bank.plugin.stored_size,
                needed,
                self._mender,
                tick=lambda: self._on_progress(report),
            )
            for checkpoint_id in checkpoint_ids(self._store):
                try:
                    CheckpointCheck(checking, checkpoint_id).run()
                except exception.BankException as error:
                    report.unchecked.append(f"checkpoint {checkpoint_id}: {error}")
                self._on_progress(report)
            self._check_chunks(checking)
        self._check_listings(report)
        self._check_work(report)
        self._check_leftovers(report)
        for name in names_below(self._bank, "/"):
            if name not in _KNOWN:
                reason = "Karbor keeps nothing of this name in a bank"
                report.add(Finding(Kind.LEFTOVER, reason, f"/{name}"))

    def _check_chunks(self, checking: Checking) -> None:
        report = checking.report
        damaged: dict[Place, str] = {}
        spaces = {space.section.prefix: space for space in checking.needed.spaces}
        for project_id in names_below(self._bank, f"/{ROOT}/"):
            space = self._bank.chunk_space(project_id)
            spaces.setdefault(space.section.prefix, space)
        for prefix, space in sorted(spaces.items()):

            def add(name: str, reason: str, prefix: str = prefix) -> None:
                if len(damaged) < KEPT:
                    damaged[prefix, name] = reason
                else:
                    # Who needs it is not looked for: that would take its memory.
                    key = prefix + names.key(name)
                    report.add(Finding(Kind.CHUNK, reason, key))

            try:
                SpaceCheck(checking, space, add).run()
                if space.is_shared:
                    ProjectCheck(checking, space).run()
            except exception.BankException as error:
                report.unchecked.append(f"chunks in {prefix}: {error}")
        if damaged:
            found = Affected(checking, damaged).run()
            self._report_unneeded(
                report,
                spaces,
                {place: damaged[place] for place in damaged.keys() - found},
            )

    def _report_unneeded(
        self,
        report: Report,
        spaces: dict[str, ChunkSpace],
        damaged: dict[Place, str],
    ) -> None:
        marked = {
            prefix: marks.load(spaces[prefix].section)
            for prefix, _ in damaged
            if spaces[prefix].is_shared
        }
        for (prefix, name), reason in sorted(damaged.items()):
            if not ChunkCheck(spaces[prefix]).is_there(name):
                # It was collected meanwhile.
                continue
            if name in marked.get(prefix, ()):
                kind = Kind.LEFTOVER
                reason += ". Nothing needs it, and nothing will, as it is marked"
            else:
                kind = Kind.CHUNK
                reason += (
                    ". No checkpoint needs it; a later one may, unless it is marked "
                    "by: karbor-manage bank repair"
                )
            report.add(Finding(kind, reason, prefix + names.key(name)))

    def _check_leftovers(self, report: Report) -> None:
        """Look at what the collector of garbage remembers of the whole bank."""
        for key in Walk(self._bank, "/collections/"):
            try:
                if key != SEEN:
                    reason = "a collector of garbage keeps nothing of this name"
                    report.add(Finding(Kind.LEFTOVER, reason, key))
                else:
                    sealing.unseal(self._bank.get_object(key))
            except (exception.BankGetObjectFailed, sealing.SealBroken) as error:
                if isinstance(error, exception.BankException):
                    raise_if_away(error)
                if self._bank.list_objects(key, limit=1) == [key]:
                    reason = f"{error}. The next collection of garbage makes it anew"
                    report.add(Finding(Kind.MARK, reason, key))

    def _check_listings(self, report: Report) -> None:
        section = self._store.indices.section
        for name in names_below(section, ""):
            if name not in indices.FOLDERS:
                reason = "the indices have nothing of this name"
                report.add(Finding(Kind.LEFTOVER, reason, section.prefix + name))
        for key in listing_keys(section):
            self._on_progress(report)
            entry = ListingEntry.parse(key)
            if entry is None:
                reason = "it is no entry of a listing"
                report.add(Finding(Kind.LEFTOVER, reason, section.prefix + key))
            elif is_dangling(self._store, entry):
                report.add(
                    Finding(
                        Kind.LISTING,
                        "the listing entry is of a checkpoint that is not there. Mend "
                        "it with: karbor-manage bank rebuild-index",
                        section.prefix + key,
                        checkpoint_id=entry.checkpoint_id,
                    )
                )
            elif entry.is_old:
                report.add(
                    Finding(
                        Kind.LEFTOVER,
                        "a listing entry of Karbor 1.x, which listings do not read. "
                        "Replace it with: karbor-manage bank rebuild-index",
                        section.prefix + key,
                        checkpoint_id=entry.checkpoint_id,
                    )
                )

    def _check_work(self, report: Report) -> None:
        section = self._store.indices.section
        for key in Walk(section, f"{indices.IN_WORK}/"):
            try:
                entry = indices.work_entry(section.get_object(key))
                if indices.work_key(entry.owner_id, entry.checkpoint_id) == key:
                    continue
                problem = f"it is the entry of checkpoint {entry.checkpoint_id}"
            except exception.BankGetObjectFailed as error:
                raise_if_away(error)
                if not indices.is_there(section, key):
                    # The work has ended just now.
                    continue
                problem = f"it cannot be read: {error}"
            except (KeyError, TypeError, ValueError) as error:
                problem = str(error) or repr(error)
            report.add(
                Finding(
                    Kind.WORK,
                    f"an entry of the work in hand: {problem}. Mend it with: "
                    "karbor-manage bank rebuild-index",
                    section.prefix + key,
                    checkpoint_id=key.rpartition("/")[2],
                )
            )
