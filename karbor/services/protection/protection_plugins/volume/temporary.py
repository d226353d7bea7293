# SPDX-License-Identifier: Apache-2.0
"""Things that an operation makes in the cloud and that carry its token as their name.

Whoever runs a hook again finds them by it, and so does whoever reverts the operation.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from oslo_log import log as logging

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.protection_plugins.resumable import Notes, mark_of
from karbor.services.protection.protection_plugins.volume.settings import VolumeCloud
from karbor.services.protection.waiting.until import Things, Waits

LOG = logging.getLogger(__name__)


class Named(Protocol):
    """Where things of one kind are made and found."""

    def named(self, name: str, /) -> dict[str, Any] | None:
        """The one that has a name; None when there is none."""

    def delete(self, thing_id: str, /) -> Any:
        """Ask for its deletion."""


class LeftBehind(exception.KarborException):
    """Something temporary could not be deleted."""

    message = _("%(what)s %(id)s is left behind: %(reason)s. Delete it by hand")


def find_or_make(
    notes: Notes, note_name: str, things: Named, make: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    """What an earlier run made, or a new one.

    :param make: gets the name that it is to have
    """
    note = notes.find(note_name)
    if note is None:
        note = notes.renew(note_name)
    else:
        found = things.named(mark_of(note.token))
        if found is not None:
            return found
    return make(mark_of(note.token))


def find(notes: Notes, note_name: str, things: Named) -> dict[str, Any] | None:
    """What was made; None when nothing was, or when it is gone."""
    note = notes.find(note_name)
    return None if note is None else things.named(mark_of(note.token))


def remove(
    cloud: VolumeCloud,
    things: Things,
    delete: Callable[[str], Any],
    thing_id: str,
    *,
    is_idle: bool = False,
) -> Waits:
    """Delete something and wait until it is gone; it may be gone already.

    What Cinder is still working on is waited for. A deletion that fails because the
    service is away is asked for again.

    :param is_idle: whether nothing is being done with it
    :raises ServiceFailed: when the service refuses
    :raises WaitFailed: when it does not come to an end
    """
    give_up = time.monotonic() + cloud.status_timeout
    while True:
        if not is_idle and (yield cloud.until_idle(things, thing_id)) is None:
            return
        is_idle = False
        try:
            delete(thing_id)
        except ServiceFailed as error:
            if error.is_missing:
                return
            if not error.retryable or time.monotonic() >= give_up:
                raise
            LOG.info("Asking again: %s", error)
            continue
        yield cloud.until_gone(things, thing_id)
        return


def clean_up(
    cloud: VolumeCloud,
    notes: Notes,
    note_name: str,
    things: Things,
    store: Named,
) -> Waits:
    """Delete what an operation made, if it did, and forget the note.

    :param things: of its kind
    :param store: where it is made and found
    :raises LeftBehind: naming it, when it could not be deleted
    """
    made = find(notes, note_name, store)
    if made is not None:
        try:
            yield from remove(cloud, things, store.delete, made["id"])
        except exception.KarborException as error:
            raise LeftBehind(what=things.kind, id=made["id"], reason=error) from error
        LOG.info("Deleted temporary %s %s.", things.kind, made["id"])
    notes.forget(note_name)
