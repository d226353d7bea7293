# SPDX-License-Identifier: Apache-2.0
"""What a collection of garbage has done, and what it waits for."""

import dataclasses
import datetime
from typing import Any

#: Findings, and refusals, that a report holds; further ones are left out.
KEPT = 1000


@dataclasses.dataclass
class ProjectReport:
    """One project.

    :param phase: how far its collection is; None when none is under way
    :param found: objects to which nothing referred when it was looked last
    :param condemned: objects that were condemned
    :param deleted: objects that were deleted
    :param kept: condemned objects that are needed, when it was looked last
    :param refused: condemned objects that the bank did not delete, likewise
    :param waits_for: what must come before it goes on, for people
    :param more: there was more garbage than one collection condemns
    """

    phase: str | None = None
    found: int = 0
    condemned: int = 0
    deleted: int = 0
    kept: int = 0
    refused: int = 0
    waits_for: list[str] = dataclasses.field(default_factory=list)
    more: bool = False


@dataclasses.dataclass
class Report:
    """A whole bank, by project.

    :param until: the earliest moment at which something that waits for time goes on
    :param has_progressed: the last step has changed something
    :param cleared: checkpoints without an index of which leftovers were deleted
    :param ended: checkpoints whose late commit was taken back
    :param findings: what keeps something from being collected, for people
    :param refusals: what the bank did not delete and why, for people
    """

    projects: dict[str, ProjectReport] = dataclasses.field(default_factory=dict)
    until: datetime.datetime | None = None
    cleared: list[str] = dataclasses.field(default_factory=list)
    ended: list[str] = dataclasses.field(default_factory=list)
    findings: list[str] = dataclasses.field(default_factory=list)
    refusals: list[str] = dataclasses.field(default_factory=list)
    is_cancelled: bool = False
    has_progressed: bool = False

    @property
    def is_waiting(self) -> bool:
        """Something goes on when operations have ended, or time has passed."""
        return self.until is not None or any(
            project.waits_for for project in self.projects.values()
        )

    @property
    def is_done(self) -> bool:
        """Nothing is under way any more, and nothing was in the way."""
        return not (
            self.is_cancelled
            or self.is_waiting
            or self.findings
            or self.refusals
            or any(project.phase or project.more for project in self.projects.values())
        )

    def begin_step(self) -> None:
        """Forget where it had come to; what was done is added up."""
        self.until = None
        self.findings = []
        self.has_progressed = False
        for project in self.projects.values():
            project.phase = None
            project.waits_for = []

    def of(self, project_id: str) -> ProjectReport:
        """The part of one project."""
        return self.projects.setdefault(project_id, ProjectReport())

    def find(self, finding: str) -> None:
        """Note what is in the way."""
        _note(self.findings, finding)

    def refuse(self, refusal: str) -> None:
        """Note what the bank did not delete."""
        _note(self.refusals, refusal)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            **dataclasses.asdict(self),
            "until": None if self.until is None else self.until.isoformat(),
            "done": self.is_done,
        }


def _note(notes: list[str], note: str) -> None:
    if len(notes) < KEPT and note not in notes:
        notes.append(note)
