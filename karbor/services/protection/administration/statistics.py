# SPDX-License-Identifier: Apache-2.0
"""What a bank holds, in numbers."""

import collections
import dataclasses
from typing import Any

from karbor import exception
from karbor.services.protection.administration.checkpoint_check import checkpoint_ids
from karbor.services.protection.bank.sections import Bank, BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.walking import Walk, names_below
from karbor.services.protection.checkpoints.store import CheckpointStore

UNREADABLE = "unreadable"

_DATA = "/" + manifest.DATA
_MANIFESTS = "/" + manifest.MANIFESTS


@dataclasses.dataclass
class Statistics:
    """Counts over a whole bank.

    :param checkpoints: how many there are of each status
    :param logical_bytes: of all streams, as they were protected
    :param stored_bytes: of their chunks, as they are kept
    :param objects: of the bank, by the top folder that they are in
    :param unreadable_streams: streams whose manifest cannot be read, whose bytes are
        not counted
    """

    checkpoints: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    streams: int = 0
    chunks: int = 0
    logical_bytes: int = 0
    stored_bytes: int = 0
    unreadable_streams: int = 0
    objects: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    @property
    def ratio(self) -> float | None:
        """Logical bytes for each that is stored; None when none is."""
        return self.logical_bytes / self.stored_bytes if self.stored_bytes else None

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON can say them, with the sums."""
        return {
            **dataclasses.asdict(self),
            "checkpoints": dict(sorted(self.checkpoints.items())),
            "checkpoints_total": self.checkpoints.total(),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "objects": dict(sorted(self.objects.items())),
            "objects_total": self.objects.total(),
        }


def statistics(bank: Bank) -> Statistics:
    """Count what is in a bank.

    Costs a listing of everything, and an index for each checkpoint and a manifest
    for each stream; memory does not grow with the bank.

    :raises BankException: when the bank cannot be asked
    """
    found = Statistics()
    store = CheckpointStore(bank)
    for checkpoint_id in checkpoint_ids(store):
        _count_checkpoint(store, checkpoint_id, found)
    for name in names_below(bank, "/"):
        for _ in Walk(bank, f"/{name}"):
            found.objects[name] += 1
    return found


def _count_checkpoint(
    store: CheckpointStore, checkpoint_id: str, found: Statistics
) -> None:
    try:
        found.checkpoints[store.read(checkpoint_id).status] += 1
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
            _count_stream(section, key, found)


def _count_stream(section: BankSection, key: str, found: Statistics) -> None:
    try:
        info = manifest.Manifest.from_json(
            section.get_object(key), key.partition(_MANIFESTS)[2]
        ).info
    except (exception.BankGetObjectFailed, manifest.ManifestError):
        found.unreadable_streams += 1
        return
    found.streams += 1
    found.chunks += info.chunk_count
    found.logical_bytes += info.length
    found.stored_bytes += info.stored_length
