# SPDX-License-Identifier: Apache-2.0
"""Checking one checkpoint, which somebody may be changing at the same time."""

import dataclasses
import functools
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

from karbor import exception
from karbor.services.protection.administration import legacy_check
from karbor.services.protection.administration.depth import Depth
from karbor.services.protection.administration.findings import (
    KEPT,
    Finding,
    Kind,
    Report,
)
from karbor.services.protection.administration.listings import workers
from karbor.services.protection.administration.stream_check import (
    StreamCheck,
    raise_if_away,
)
from karbor.services.protection.administration.walking import Walk, names_below
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.checkpoints import indices, states
from karbor.services.protection.checkpoints.checkpoint import Checkpoint
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import INDEX, CheckpointStore

_DATA = "/" + manifest.DATA
_MANIFESTS = "/" + manifest.MANIFESTS
_RESOURCE_DATA = "resource-data"
_PARTS = ("resource-graph", "resources-status")
#: A checkpoint that changes under the check is looked at anew so many times.
_ATTEMPTS = 3


@dataclasses.dataclass(frozen=True)
class Checking:
    """What checks of single checkpoints share.

    :param size_of: as :class:`StreamCheck` takes
    """

    store: CheckpointStore
    depth: Depth
    report: Report
    executor: Executor
    size_of: Any


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
            before = self._state()
            self._look(before)
            if not any(found.is_damage for found in self._findings):
                break
            if self._state() == before:
                break
        else:
            self._checking.report.unchecked.append(
                f"checkpoint {self._id} changes all the time; check again later"
            )
            return
        for found in self._findings:
            self._checking.report.add(found)

    def _state(self) -> CheckpointRecord | str | None:
        """The record, what is wrong with it, or None when there is none."""
        try:
            return self._store.read(self._id)
        except exception.CheckpointNotFound:
            return None
        except exception.CheckpointUnreadable as error:
            if isinstance(error.__cause__, exception.BankException):
                raise_if_away(error.__cause__)
            return str(error)

    def _look(self, state: CheckpointRecord | str | None) -> None:
        if isinstance(state, CheckpointRecord):
            if state.status == states.DELETED:
                self._leftover("Karbor 1.x has deleted it, and left this", INDEX)
            self._check_listings(state)
            if self._is_in_work(state):
                self._checking.report.in_work += 1
                return
            self._check_parts(state)
            self._check_data(state.status, is_old=state.legacy is not None)
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
                f"{state} It cannot be used or deleted by the API; remove it with: "
                "karbor-manage bank remove-checkpoint",
                INDEX,
            )
        self._check_data(None)

    def _is_in_work(self, record: CheckpointRecord) -> bool:
        return record.status in states.WORKING and self._store.is_owner_alive(
            record.owner_id
        )

    def _check_listings(self, record: CheckpointRecord) -> None:
        listings = self._store.indices
        section = listings.section
        if record.status != states.DELETED:
            for key in listings.keys_of(record):
                problem = _entry_problem(section, key, record.id)
                if problem:
                    self._add(
                        Kind.LISTING,
                        f"the listing entry {problem}. Mend it with: karbor-manage "
                        "bank rebuild-index",
                        section.prefix + key,
                        in_section=False,
                    )
        if record.status in states.WORKING:
            key = indices.work_key(record.owner_id, record.id)
            if not indices.is_there(section, key):
                self._add(
                    Kind.WORK,
                    f"it is '{record.status}', but not among the work in hand, so no "
                    "sweep will end it. Mend it with: karbor-manage bank "
                    "rebuild-index",
                    section.prefix + key,
                    in_section=False,
                )

    def _check_parts(self, record: CheckpointRecord) -> None:
        checkpoint = Checkpoint(self._store, record)
        for kind, name, read in (
            (Kind.GRAPH, record.resource_graph, lambda: checkpoint.resource_graph),
            (
                Kind.STATUSES,
                record.resources_status,
                lambda: checkpoint.resources_status,
            ),
        ):
            try:
                read()
            except exception.InvalidResourceGraph as error:
                self._add(kind, str(error), name)
            except exception.CheckpointUnreadable as error:
                if isinstance(error.__cause__, exception.BankException):
                    raise_if_away(error.__cause__)
                self._add(kind, str(error), name)
        if record.status == states.AVAILABLE and not record.has_graph:
            self._add(Kind.GRAPH, "it is 'available' and has no graph", INDEX)
        for folder in _PARTS:
            for key in self._section.iterate_objects(f"{folder}/"):
                if key not in (record.resource_graph, record.resources_status):
                    self._leftover("no index names it", key)

    def _check_data(self, status: str | None, *, is_old: bool = False) -> None:
        for name in names_below(self._section, ""):
            if name == _RESOURCE_DATA:
                for resource_id in names_below(self._section, f"{name}/"):
                    self._check_resource(resource_id, status, is_old)
            elif name != INDEX and name not in _PARTS:
                self._leftover("a checkpoint has nothing of this name", name)

    def _check_resource(
        self, resource_id: str, status: str | None, is_old: bool
    ) -> None:
        section = self._section.get_sub_section(f"{_RESOURCE_DATA}/{resource_id}")
        attempts: dict[tuple[str, str], str | None] = {}
        legacy_streams: set[str] = set()
        walk = Walk(section, "")
        for key in walk:
            path = "/" + key
            if _DATA in path:
                folder, _, rest = path.partition(_DATA)
                name = rest.partition("/")[0]
                data = (folder + _DATA)[1:] + name
                walk.skip(data)
                self._check_attempts(
                    resource_id, section, folder, name, attempts, status
                )
            elif _MANIFESTS in path:
                folder, _, name = path.partition(_MANIFESTS)
                attempts[folder, name] = self._check_stream(
                    resource_id, _descend(section, folder), name
                )
            elif is_old and (stream := legacy_check.stream_of(key)):
                legacy_streams.add(stream)
            else:
                self._check_object(resource_id, section, key)
        if is_old and status == states.AVAILABLE:
            self._check_legacy_streams(resource_id, section, legacy_streams)

    def _check_stream(
        self, resource_id: str, section: BankSection, name: str
    ) -> str | None:
        def add(kind: Kind, reason: str, key: str | None, chunk: Any = None) -> None:
            self._add(
                kind,
                reason,
                None if key is None else section.prefix + key,
                in_section=False,
                resource_id=resource_id,
                stream=name,
                chunk=chunk,
            )

        return StreamCheck(
            section,
            name,
            depth=self._checking.depth,
            damaged=add,
            leftover=functools.partial(add, Kind.LEFTOVER, "no page names it"),
            report=self._checking.report,
            size_of=self._checking.size_of,
            executor=self._checking.executor,
        ).run()

    def _check_legacy_streams(
        self, resource_id: str, section: BankSection, names: set[str]
    ) -> None:
        def damaged(kind: Kind, reason: str, key: str, stream: str) -> None:
            self._add(
                kind,
                reason,
                section.prefix + key,
                in_section=False,
                resource_id=resource_id,
                stream=stream,
            )

        legacy_check.LegacyCheck(
            section, self._checking.depth, self._checking.report, damaged
        ).run(names)

    def _check_attempts(
        self,
        resource_id: str,
        section: BankSection,
        folder: str,
        name: str,
        attempts: dict[tuple[str, str], str | None],
        status: str | None,
    ) -> None:
        """Look at the data of a stream for what its manifest does not name."""
        place = section if not folder else _descend(section, folder)
        data = f"{manifest.DATA}{name}/"
        where: dict[str, Any] = {
            "in_section": False,
            "resource_id": resource_id,
            "stream": name,
        }
        if (folder, name) not in attempts:
            if status == states.AVAILABLE:
                self._add(
                    Kind.STREAM,
                    "there is data of the stream, but its manifest is lost",
                    place.prefix + manifest.MANIFESTS + name,
                    **where,
                )
            else:
                self._leftover(
                    "data of a stream that was not finished, or is half deleted",
                    place.prefix + data,
                    **where,
                )
            return
        used = attempts[folder, name]
        if used is None:
            return
        for attempt in names_below(place, data):
            if attempt != used:
                self._leftover(
                    "data of an attempt that failed or was replaced",
                    place.prefix + data + attempt + "/",
                    **where,
                )

    def _check_object(self, resource_id: str, section: BankSection, key: str) -> None:
        self._checking.report.objects += 1
        if not self._checking.depth.takes():
            return
        try:
            value = section.get_object(key)
        except exception.BankGetObjectFailed as error:
            raise_if_away(error)
            self._add(
                Kind.OBJECT,
                str(error),
                section.prefix + key,
                in_section=False,
                resource_id=resource_id,
            )
            return
        if isinstance(value, bytes):
            self._checking.report.bytes_read += len(value)

    def _leftover(self, reason: str, key: str, **where: Any) -> None:
        self._add(Kind.LEFTOVER, reason, key, **where)

    def _add(
        self,
        kind: Kind,
        reason: str,
        key: str | None,
        *,
        in_section: bool = True,
        **where: Any,
    ) -> None:
        if key is not None and in_section:
            key = self._section.prefix + key
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


def _descend(section: BankSection, folder: str) -> BankSection:
    if not folder:
        return section
    return section.get_sub_section(folder, is_writable=section.is_writable)


def checkpoint_ids(store: CheckpointStore) -> Iterator[str]:
    """The names in the bank's folder of checkpoints, in order."""
    return names_below(store.bank, "/checkpoints/")
