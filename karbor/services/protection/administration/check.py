# SPDX-License-Identifier: Apache-2.0
"""Checking a bank while it is in use."""

import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from karbor import exception
from karbor.services.protection.administration.checkpoint_check import (
    CheckpointCheck,
    checkpoint_ids,
)
from karbor.services.protection.administration.depth import Depth
from karbor.services.protection.administration.findings import (
    Finding,
    Kind,
    Report,
)
from karbor.services.protection.administration.listings import (
    ListingEntry,
    is_dangling,
    listing_keys,
)
from karbor.services.protection.administration.resource_check import Checking
from karbor.services.protection.administration.stream_check import raise_if_away
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.walking import Walk, names_below
from karbor.services.protection.checkpoints import indices
from karbor.services.protection.checkpoints.store import CheckpointStore, utc_now

#: What Karbor keeps at the top of a bank.
_KNOWN = frozenset({"checkpoints", "indices", "leases", "chunks"})


class BankCheck:
    """Looks at all of a bank once; changes nothing.

    Memory does not grow with the bank, but for the findings that the report keeps.
    Costs a listing of everything, and the reading that the depth asks for.

    :param bank: whose every checkpoint is looked at, whichever provider it is of
    :param on_progress: called now and then from the calling thread
    """

    def __init__(
        self,
        bank: Bank,
        depth: Depth | None = None,
        *,
        on_progress: Callable[[Report], None] = lambda report: None,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        # What a cache remembers says nothing about the bank.
        plugin = getattr(bank.plugin, "uncached", bank.plugin)
        self._bank = Bank(plugin, bank.stream_options)
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
        size_of = getattr(self._bank.plugin, "stored_size", lambda key: None)
        threads = self._bank.stream_options.worker_threads
        with ThreadPoolExecutor(threads, "bank-check") as executor:
            checking = Checking(self._store, self._depth, report, executor, size_of)
            for checkpoint_id in checkpoint_ids(self._store):
                try:
                    CheckpointCheck(checking, checkpoint_id).run()
                except exception.BankException as error:
                    report.unchecked.append(f"checkpoint {checkpoint_id}: {error}")
                self._on_progress(report)
        self._check_listings(report)
        self._check_work(report)
        for name in names_below(self._bank, "/"):
            if name not in _KNOWN:
                reason = "Karbor keeps nothing of this name in a bank"
                report.add(Finding(Kind.LEFTOVER, reason, f"/{name}"))

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
