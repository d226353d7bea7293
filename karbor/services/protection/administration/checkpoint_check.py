# SPDX-License-Identifier: Apache-2.0
"""Checking one checkpoint, which somebody may be changing at the same time."""

import functools
from collections.abc import Callable
from typing import Any

from karbor import exception
from karbor.services.protection.administration.checking import (
    Checking,
    raise_if_away,
)
from karbor.services.protection.administration.findings import KEPT, Finding, Kind
from karbor.services.protection.administration.listings import (
    is_in_work,
    state_of,
    workers,
)
from karbor.services.protection.administration.resource_check import ResourceCheck
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.walking import names_below
from karbor.services.protection.checkpoints import indices, states
from karbor.services.protection.checkpoints.checkpoint import Checkpoint
from karbor.services.protection.checkpoints.inventory import ResourceInventory
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import INDEX
from karbor.services.protection.checkpoints.tombstones import ABANDONED

_RESOURCE_DATA = "resource-data"
_PARTS = ("inventory", "resource-graph", "resources-status")
#: A checkpoint that changes under the check is looked at anew so many times.
_ATTEMPTS = 3


class CheckpointCheck:
    """Looks at one checkpoint, and adds what is wrong to the report.

    Damage counts only when the index is the same before and after: else somebody
    has deleted or finished the checkpoint meanwhile, and it is looked at again.
    """

    def __init__(self, checking: Checking, checkpoint_id: str) -> None:
        self._checking = checking
        self._store = checking.store
        self._id = checkpoint_id
        self._section = checking.store.section(checkpoint_id)
        self._findings: list[Finding] = []

    def run(self) -> None:
        """
        :raises BankException: when the bank cannot be asked now
        """
        self._checking.report.checkpoints += 1
        for _ in range(_ATTEMPTS):
            self._findings = []
            before = state_of(self._store, self._id)
            self._look(before)
            if not any(found.is_damage for found in self._findings):
                break
            if state_of(self._store, self._id) == before:
                break
        else:
            self._checking.report.unchecked.append(
                f"checkpoint {self._id} changes all the time; check again later"
            )
            return
        for found in self._findings:
            self._checking.report.add(found)

    def _look(self, state: CheckpointRecord | str | None) -> None:
        if isinstance(state, CheckpointRecord):
            # Its streams must be of its project.
            self._section = self._store.section(self._id, state.project_id)
            if state.status == states.DELETED:
                self._leftover("Karbor 1.x has deleted it, and left this", INDEX)
            self._check_listings(state)
            if is_in_work(self._store, state):
                self._checking.report.in_work += 1
                return
            expected = self._check_parts(state)
            self._check_data(
                state.status, is_old=state.legacy is not None, expected=expected
            )
            return
        if state is None:
            if not self._section.list_objects(limit=1) or workers(
                self._store, self._id
            ):
                # Just being made or deleted, or the sweep will clear it.
                return
            self._add(
                Kind.INDEX,
                "there are objects of the checkpoint, but no index.json. Nothing can "
                "be restored from it; remove it with: karbor-manage bank "
                "remove-checkpoint",
                INDEX,
            )
        else:
            self._add(
                Kind.INDEX,
                f"{state}. It cannot be used or deleted by the API; remove it with: "
                "karbor-manage bank remove-checkpoint",
                INDEX,
            )
        self._check_data(None)

    def _check_listings(self, record: CheckpointRecord) -> None:
        listings = self._store.indices
        section = listings.section
        if record.status != states.DELETED:
            for key in listings.keys_of(record):
                problem = _entry_problem(section, key, record.id)
                if problem:
                    self._add_absolute(
                        Kind.LISTING,
                        f"the listing entry {problem}. Mend it with: karbor-manage "
                        "bank rebuild-index",
                        section.prefix + key,
                    )
        if record.status in states.WORKING:
            key = indices.work_key(record.owner_id, record.id)
            if _is_missing(section, key):
                self._add_absolute(
                    Kind.WORK,
                    f"it is '{record.status}', but not among the work in hand, so no "
                    "sweep will end it. Mend it with: karbor-manage bank "
                    "rebuild-index",
                    section.prefix + key,
                )

    def _check_parts(
        self, record: CheckpointRecord
    ) -> dict[str, ResourceInventory] | None:
        """Look at the checkpoint's own objects.

        :returns: what its resources must keep, as far as that is known
        """
        checkpoint = Checkpoint(self._store, record)
        if record.status == states.AVAILABLE and not record.has_graph:
            self._add(Kind.GRAPH, "it is 'available' and has no graph", INDEX)
        self._read_part(
            Kind.GRAPH, record.resource_graph, lambda: checkpoint.resource_graph
        )
        self._read_part(
            Kind.STATUSES, record.resources_status, lambda: checkpoint.resources_status
        )
        expected: dict[str, ResourceInventory] | None = self._read_part(
            Kind.INVENTORY, record.inventory, lambda: checkpoint.inventory
        )
        named = (record.resource_graph, record.resources_status, record.inventory)
        for folder in _PARTS:
            for key in self._section.iterate_objects(f"{folder}/"):
                if key not in named:
                    self._leftover("no index names it", key)
        return expected if record.status == states.AVAILABLE else None

    def _read_part(self, kind: Kind, name: str | None, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except exception.InvalidResourceGraph as error:
            self._add(kind, str(error), name)
        except exception.CheckpointUnreadable as error:
            if isinstance(error.__cause__, exception.BankException):
                raise_if_away(error.__cause__)
            self._add(kind, str(error), name)
        return None

    def _check_data(
        self,
        status: str | None,
        *,
        is_old: bool = False,
        expected: dict[str, ResourceInventory] | None = None,
    ) -> None:
        found = set()
        for name in names_below(self._section, ""):
            if name == _RESOURCE_DATA:
                for resource_id in names_below(self._section, f"{name}/"):
                    found.add(resource_id)
                    self._check_resource(resource_id, status, is_old, expected)
            elif name == ABANDONED:
                self._check_tombstone()
            elif name != INDEX and name not in _PARTS:
                self._leftover("a checkpoint has nothing of this name", name)
        for resource_id in expected or ():
            if resource_id not in found:
                self._check_resource(resource_id, status, is_old, expected)

    def _check_tombstone(self) -> None:
        try:
            sealing.unseal(self._section.get_object(ABANDONED))
        except (exception.BankGetObjectFailed, sealing.SealBroken) as error:
            if isinstance(error, exception.BankException):
                raise_if_away(error)
            reason = f"{error}. It still says that the checkpoint was given up"
            self._add(Kind.MARK, reason, ABANDONED)

    def _check_resource(
        self,
        resource_id: str,
        status: str | None,
        is_old: bool,
        expected: dict[str, ResourceInventory] | None,
    ) -> None:
        ResourceCheck(
            self._section.get_sub_section(f"{_RESOURCE_DATA}/{resource_id}"),
            self._checking,
            functools.partial(self._add_absolute, resource_id=resource_id),
            is_whole=status == states.AVAILABLE,
            is_old=is_old,
            expected=(expected or {}).get(resource_id),
        ).run()

    def _leftover(self, reason: str, key: str) -> None:
        self._add(Kind.LEFTOVER, reason, key)

    def _add(self, kind: Kind, reason: str, key: str | None) -> None:
        """
        :param key: in the checkpoint's section
        """
        self._add_absolute(
            kind, reason, None if key is None else self._section.prefix + key
        )

    def _add_absolute(
        self, kind: Kind, reason: str, key: str | None, **where: Any
    ) -> None:
        if len(self._findings) < KEPT:
            self._findings.append(
                Finding(kind, reason, key, checkpoint_id=self._id, **where)
            )


def _entry_problem(section: BankSection, key: str, checkpoint_id: str) -> str | None:
    """What is wrong with an entry of a listing, None when nothing is."""
    try:
        value = section.get_object(key)
    except exception.BankGetObjectFailed as error:
        raise_if_away(error)
        if indices.is_there(section, key):
            return f"cannot be read: {error}"
        return "is missing, so no listing shows the checkpoint"
    return None if value == checkpoint_id else "does not hold the checkpoint's id"


def _is_missing(section: BankSection, key: str) -> bool:
    try:
        section.get_object(key)
    except exception.BankGetObjectFailed as error:
        raise_if_away(error)
        return not indices.is_there(section, key)
    return False
