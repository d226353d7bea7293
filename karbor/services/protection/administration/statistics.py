# SPDX-License-Identifier: Apache-2.0
"""What a bank holds, in numbers."""

import collections
import dataclasses
from typing import Any

from karbor import exception
from karbor.services.protection.administration.checking import raise_if_away
from karbor.services.protection.administration.listings import checkpoint_ids
from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.chunks.space import ROOT
from karbor.services.protection.bank.sections import Bank, BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.bank.walking import Walk
from karbor.services.protection.checkpoints.store import CheckpointStore

UNREADABLE = "unreadable"

_DATA = "/" + manifest.DATA
_MANIFESTS = "/" + manifest.MANIFESTS


@dataclasses.dataclass
class Usage:
    """What one project has in a bank, or all of them.

    :param checkpoints: with an index that can be read
    :param logical_bytes: of all streams, as they were protected
    :param chunk_objects: that hold their data, each counted once, whoever shares it
    :param stored_bytes: of these; what is not collected yet is among them
    """

    checkpoints: int = 0
    streams: int = 0
    logical_bytes: int = 0
    chunk_objects: int = 0
    stored_bytes: int = 0

    @property
    def ratio(self) -> float | None:
        """Logical bytes for each that is stored; None when none is."""
        return self.logical_bytes / self.stored_bytes if self.stored_bytes else None

    def add(self, other: "Usage") -> None:
        """Count another's as well."""
        for field in dataclasses.fields(self):
            total = getattr(self, field.name) + getattr(other, field.name)
            setattr(self, field.name, total)

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON can say them."""
        ratio = None if self.ratio is None else round(self.ratio, 3)
        return {**dataclasses.asdict(self), "ratio": ratio}


@dataclasses.dataclass
class Statistics:
    """Counts over a whole bank.

    :param checkpoints: how many there are of each status
    :param projects: what each has, by its id
    :param chunks: of streams, each as often as streams have it
    :param objects: of the bank, by the top folder that they are in
    :param unreadable_streams: streams whose manifest cannot be read, whose bytes are
        not counted
    """

    checkpoints: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    projects: dict[str, Usage] = dataclasses.field(default_factory=dict)
    chunks: int = 0
    unreadable_streams: int = 0
    objects: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    @property
    def total(self) -> Usage:
        """What all projects have."""
        total = Usage()
        for usage in self.projects.values():
            total.add(usage)
        return total

    def project(self, project_id: str | None) -> Usage:
        """What to count a project's under.

        :param project_id: None when it cannot be told
        """
        return self.projects.setdefault(project_id or UNREADABLE, Usage())

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON can say them, with the sums."""
        return {
            **self.total.to_dict(),
            "checkpoints": dict(sorted(self.checkpoints.items())),
            "checkpoints_total": self.checkpoints.total(),
            "projects": {
                name: usage.to_dict() for name, usage in sorted(self.projects.items())
            },
            "chunks": self.chunks,
            "unreadable_streams": self.unreadable_streams,
            "objects": dict(sorted(self.objects.items())),
            "objects_total": self.objects.total(),
        }


def statistics(bank: Bank) -> Statistics:
    """Count what is in a bank.

    Costs a listing of everything, and an index for each checkpoint and a manifest
    for each stream; the sizes of chunks are in their names. Memory grows with the
    number of projects only.

    :raises BankException: when the bank cannot be asked
    """
    found = Statistics()
    store = CheckpointStore(bank)
    for checkpoint_id in checkpoint_ids(store):
        _count_checkpoint(store, checkpoint_id, found)
    for key in Walk(bank, "/"):
        top, _, rest = key[1:].partition("/")
        found.objects[top] += 1
        if top == ROOT:
            _count_chunk(rest, found)
    return found


def _count_checkpoint(
    store: CheckpointStore, checkpoint_id: str, found: Statistics
) -> None:
    project_id = None
    try:
        record = store.read(checkpoint_id)
        project_id = record.project_id
        found.checkpoints[record.status] += 1
        found.project(project_id).checkpoints += 1
    except exception.CheckpointNotFound:
        # Just being made or deleted, or left so.
        return
    except exception.CheckpointUnreadable:
        found.checkpoints[UNREADABLE] += 1
    section = store.section(checkpoint_id)
    walk = Walk(section, "resource-data/")
    for key in walk:
        if _DATA in key:
            walk.skip(key[: key.index(_DATA) + len(_DATA) - 1])
        elif _MANIFESTS in key:
            folder, _, name = key.partition(_MANIFESTS)
            place = section.get_sub_section(folder)
            _count_stream(place, name, project_id, found)


def _count_stream(
    section: BankSection, name: str, project_id: str | None, found: Statistics
) -> None:
    try:
        stored = StoredStream(section, name)
    except exception.DataKeyUnavailable:
        found.unreadable_streams += 1
        return
    except exception.BankException as error:
        raise_if_away(error)
        found.unreadable_streams += 1
        return
    usage = found.project(project_id or stored.manifest.project_id)
    usage.streams += 1
    usage.logical_bytes += stored.info.length
    found.chunks += stored.info.chunk_count


def _count_chunk(key: str, found: Statistics) -> None:
    """Count an object of the chunk spaces, if it is a chunk."""
    project_id, _, in_space = key.partition("/")
    try:
        name = names.from_key(in_space)
    except names.NameInvalid:
        return
    usage = found.project(project_id)
    usage.chunk_objects += 1
    usage.stored_bytes += names.parse(name).stored_length
