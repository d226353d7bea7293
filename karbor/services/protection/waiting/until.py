# SPDX-License-Identifier: Apache-2.0
"""What a hook waits for: a thing in a service, and the state that it is to reach."""

import abc
import dataclasses
import enum
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Hashable,
    Mapping,
    Sequence,
)
from typing import Any, ClassVar

from karbor import exception
from karbor.i18n import _

#: A thing as its service shows it.
Thing = Mapping[str, Any]

#: Seconds between two looks at most, where nobody says otherwise.
LONGEST_INTERVAL = 10.0


class WaitFailed(exception.KarborException):
    """What was waited for did not come; the text has the service's own words."""

    message = _("%(what)s %(reason)s")


class Verdict(enum.Enum):
    """What a look at a thing says about waiting for it."""

    READY = "ready"
    NOT_YET = "not yet"
    FAILED = "failed"


class Things(abc.ABC):
    """The things of one kind in one service, as one caller sees them.

    The watcher asks it from its own threads, for one :attr:`key` never twice at a
    time. Each question makes a call or a page of calls, whatever the number of ids.
    """

    #: As people read it: ``volume snapshot``.
    kind: ClassVar[str]

    @property
    @abc.abstractmethod
    def key(self) -> Hashable:
        """Equal for objects that show the same things: kind, endpoint, caller."""

    @property
    def service(self) -> Hashable:
        """Who answers: when it hangs, only what is waited for there may wait."""
        return self.kind

    @abc.abstractmethod
    def find(self, ids: Sequence[str]) -> Mapping[str, Thing]:
        """Those of the named things that exist, by id.

        :raises ServiceFailed: when the service refuses, or cannot be asked
        """

    def status_of(self, thing: Thing) -> str:
        """The status in lower case."""
        return str(thing.get("status") or "unknown").lower()

    def is_told(self, thing: Thing) -> bool:
        """Whether the service could say what became of it; else it is asked again."""
        return True

    def fault_of(self, thing: Thing) -> str | None:
        """Why the thing failed, in its service's words; may ask the service.

        :raises ServiceFailed: when it cannot be asked
        """
        return None

    def told_fault_of(self, thing: Thing) -> str | None:
        """For an error's text: as :meth:`fault_of`, or that it cannot be asked.

        It must not hide what the error is about.
        """
        try:
            return self.fault_of(thing)
        except exception.KarborException as error:
            return _("why cannot be asked (%s)") % error


#: Judges a thing by its status in lower case; None stands for a thing that is gone.
Judge = Callable[[str | None, Thing | None], Verdict]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Until:
    """What a hook yields to wait, without holding a thread::

        volume = yield until_status(
            Volumes(cinder), volume_id, "available", timeout=600
        )

    It gets the thing as its service shows it, None for one that is gone, or
    :class:`WaitFailed` is raised where it yielded.

    :param things: where to look
    :param id: of the thing
    :param judge: says whether it is what is waited for
    :param goal: what is waited for, as people read it: ``'available'``
    :param timeout: seconds after which waiting fails
    :param interval: seconds between two looks at most; looks begin more often
    :param hint: what to do when the time is over, such as an option to raise
    """

    things: Things
    id: str
    judge: Judge
    goal: str
    timeout: float
    interval: float = LONGEST_INTERVAL
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.things.kind} {self.id}"


#: What a hook that waits returns: a generator of its waits.
Waits = Generator[Until, Any, None]


def until_status(
    things: Things,
    thing_id: str,
    *ready: str,
    pending: Collection[str] = (),
    timeout: float,
    interval: float = LONGEST_INTERVAL,
    hint: str = "",
) -> Until:
    """Wait for one of some statuses.

    :param ready: the statuses, in lower case
    :param pending: the statuses on the way there; any other one, and a thing that is
        gone, ends the wait. Empty: any goes on but those with ``error`` in them.
    """

    def judge(status: str | None, thing: Thing | None) -> Verdict:
        if status in ready:
            return Verdict.READY
        if status is None:
            return Verdict.FAILED
        if pending:
            return Verdict.NOT_YET if status in pending else Verdict.FAILED
        return Verdict.FAILED if "error" in status else Verdict.NOT_YET

    return Until(
        things=things,
        id=thing_id,
        judge=judge,
        goal=" or ".join(f"'{status}'" for status in ready),
        timeout=timeout,
        interval=interval,
        hint=hint,
    )


def until_gone(
    things: Things,
    thing_id: str,
    *,
    pending: Collection[str] = (),
    timeout: float,
    interval: float = LONGEST_INTERVAL,
    hint: str = "",
) -> Until:
    """Wait until a thing does not exist any more.

    :param pending: as for :func:`until_status`; ``deleted`` counts as gone
    """

    def judge(status: str | None, thing: Thing | None) -> Verdict:
        if status is None or status == "deleted":
            return Verdict.READY
        if pending:
            return Verdict.NOT_YET if status in pending else Verdict.FAILED
        return Verdict.FAILED if "error" in status else Verdict.NOT_YET

    return Until(
        things=things,
        id=thing_id,
        judge=judge,
        goal=_("gone"),
        timeout=timeout,
        interval=interval,
        hint=hint,
    )
