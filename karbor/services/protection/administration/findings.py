# SPDX-License-Identifier: Apache-2.0
"""What a check of a bank finds."""

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

#: Findings that a report holds; more are counted only.
KEPT = 10_000


class Kind(enum.StrEnum):
    """What a finding is about."""

    INDEX = "index"
    GRAPH = "graph"
    STATUSES = "statuses"
    INVENTORY = "inventory"
    LISTING = "listing"
    WORK = "work"
    STREAM = "stream"
    CHUNK = "chunk"
    OBJECT = "object"
    KEY = "key"
    MARK = "mark"
    #: Not damage: it belongs to nothing, and costs space only.
    LEFTOVER = "leftover"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    :param reason: for a person to read
    :param key: of the object in the bank
    :param chunk: its number in the stream, from 0
    """

    kind: Kind
    reason: str
    key: str | None = None
    checkpoint_id: str | None = None
    resource_id: str | None = None
    stream: str | None = None
    chunk: int | None = None

    @property
    def is_damage(self) -> bool:
        """Whether something is wrong, rather than only unused."""
        return self.kind is not Kind.LEFTOVER

    def to_dict(self) -> dict[str, Any]:
        """What is known of it."""
        known = dataclasses.asdict(self)
        return {name: value for name, value in known.items() if value is not None}

    def __str__(self) -> str:
        where = [
            f"{name} {value}"
            for name, value in (
                ("checkpoint", self.checkpoint_id),
                ("resource", self.resource_id),
                ("stream", self.stream),
                ("chunk", self.chunk),
            )
            if value is not None
        ]
        if self.stream is None and self.key is not None:
            where.append(self.key)
        return f"{self.kind}: {', '.join(where)}: {self.reason}"


@dataclasses.dataclass
class Report:
    """What a check did and found; grows to :data:`KEPT` findings.

    :param in_work: checkpoints that a living owner works on, whose data was not
        looked at
    :param chunks: of streams, each as often as streams have it
    :param chunk_objects: that the chunk spaces hold, pages among them
    :param unreferenced: of these, those that no stream that was looked at needs; they
        are the collector's business
    :param unchecked: what could not be looked at, and why
    """

    depth: str
    checkpoints: int = 0
    in_work: int = 0
    streams: int = 0
    chunks: int = 0
    chunk_objects: int = 0
    unreferenced: int = 0
    objects: int = 0
    bytes_read: int = 0
    damage: int = 0
    leftovers: int = 0
    findings: list[Finding] = dataclasses.field(default_factory=list)
    unchecked: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Everything was looked at, and no damage was found."""
        return not self.damage and not self.unchecked

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it while there is room."""
        if finding.is_damage:
            self.damage += 1
        else:
            self.leftovers += 1
        if len(self.findings) < KEPT:
            self.findings.append(finding)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can say it."""
        return {
            **dataclasses.asdict(self),
            "sound": self.is_sound,
            "findings": [finding.to_dict() for finding in self.findings],
        }


#: Takes findings as they are made.
Found = Callable[[Finding], None]
