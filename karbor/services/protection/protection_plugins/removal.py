# SPDX-License-Identifier: Apache-2.0
"""Deleting what an operation has made in the cloud, and naming what is left of it."""

import time
from collections.abc import Callable, Collection, Generator, Iterable
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.waiting.patience import Patience
from karbor.services.protection.waiting.until import (
    Thing,
    Things,
    Until,
    Verdict,
    Waits,
)

LOG = logging.getLogger(__name__)

#: The statuses in which a service works on a thing, and refuses its deletion.
_BUSY = frozenset(
    {
        "attaching",
        "backing-up",
        "creating",
        "creating_from_snapshot",
        "deleting",
        "detaching",
        "downloading",
        "extending",
        "reserved",
        "restoring",
        "restoring-backup",
        "retyping",
        "uploading",
    }
)

#: The statuses of a thing that goes.
_GOING = ("deleting", "pending_delete")


class LeftBehind(exception.KarborException):
    """Something that nobody needs any more could not be deleted."""

    message = _("%(what)s %(id)s is left behind: %(reason)s. Delete it by hand")


class PerhapsLeftBehind(LeftBehind):
    """Something that nobody needs any more could not be looked for."""

    message = _(
        "%(what)s %(id)s may be left behind: %(reason)s. Delete it by hand if it is "
        "there"
    )


def left_behind(things: Iterable[str]) -> LeftBehind:
    """The error for what all could not be deleted.

    :param things: each with its id and why
    """
    told = "; ".join(things)
    return LeftBehind(_("Delete by hand what could not be deleted: %s") % told)


def remove(
    things: Things,
    delete: Callable[[str], Any],
    thing_id: str,
    *,
    patience: Patience,
    busy: Patience | None,
    going: Collection[str] = _GOING,
) -> Waits:
    """Delete something and wait until it is gone; it may be gone already.

    What the service is still working on is waited for. A deletion that fails because
    the service is away is asked for again.

    :param patience: for the service to answer, and for the deletion
    :param busy: for what is being done with it; None when that is nothing
    :param going: the statuses of a thing that is being deleted; any other one ends
        the wait for it. Empty: any goes on but those with ``error`` in them
    :raises ServiceFailed: when the service refuses
    :raises WaitFailed: when it does not come to an end
    """
    give_up = time.monotonic() + patience.timeout
    while True:
        if busy is not None:
            idle = busy.until(things, thing_id, _judge_idle, goal=_("idle"))
            if (yield idle) is None:
                return
        busy = busy or patience
        try:
            delete(thing_id)
        except ServiceFailed as error:
            if error.is_missing:
                return
            if not error.retryable or time.monotonic() >= give_up:
                raise
            LOG.info("Asking again: %s", error)
            continue
        yield patience.until_gone(things, thing_id, pending=going)
        return


def each(*steps: Callable[[], Generator[Until, Any, Any]]) -> Waits:
    """Take steps one after the other, also when one before has failed.

    :raises KarborException: what the only one raised that failed
    :raises LeftBehind: naming all that several said
    """
    failures = []
    for step in steps:
        try:
            yield from step()
        except exception.KarborException as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise LeftBehind(". ".join(str(error) for error in failures)) from failures[0]


def _judge_idle(status: str | None, thing: Thing | None) -> Verdict:
    return Verdict.NOT_YET if status in _BUSY else Verdict.READY
