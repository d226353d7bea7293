# SPDX-License-Identifier: Apache-2.0
"""Keeping a server still while its volumes are snapshotted."""

import dataclasses
import time
from collections.abc import Generator, Mapping
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.nova_servers import PASSING
from karbor.services.protection.protection_plugins.resumable import (
    Notes,
    protect_notes,
)
from karbor.services.protection.protection_plugins.server.description import (
    QUIESCED_FOR,
)
from karbor.services.protection.protection_plugins.server.settings import Cloud
from karbor.services.protection.waiting.until import Until, Waits

LOG = logging.getLogger(__name__)

#: Nothing that the server does reaches its disks in these.
_STILL = frozenset({"paused", "suspended", "shutoff", "shelved", "shelved_offloaded"})
_RUNNING = "active"
_NOTE = "quiesce"


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to keep a server still.

    :param begin: Nova's action
    :param end: the action that undoes it
    :param status: of the server in between
    """

    begin: str
    end: str
    status: str


WAYS = {
    "pause": Way(begin="pause", end="unpause", status="paused"),
    "suspend": Way(begin="suspend", end="resume", status="suspended"),
}


#: The statuses in between, with the ways that lead there.
_WAY_BY_STATUS = {way.status: way for way in WAYS.values()}

#: Seconds before Nova is asked again for the first time; they double each time.
_FIRST_DELAY = 1.0


class Quiesce:
    """Pauses or suspends one server, and lets it run again.

    While it is still, the server has the checkpoint's id in its metadata: when nobody
    is left who lets it run, the next protection of it does. A server that was still
    before, without such a mark, is left alone. Every method may run again after a
    crash in the middle of it.

    Whether it has begun is kept in memory, too. A bank that cannot be reached
    meanwhile must leave no server standing still.

    :param checkpoint_id: for which the server is to be still
    :param notes: of the protect operation on the server
    """

    def __init__(self, server_id: str, checkpoint_id: str, notes: Notes) -> None:
        self._id = server_id
        self._checkpoint_id = checkpoint_id
        self._notes = notes
        #: None when another process would know.
        self._is_begun: bool | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the server is still because of Karbor, or is about to be.

        :raises KarborException: when only the bank could tell, and does not
        """
        if self._is_begun is not None:
            return self._is_begun
        return self._notes.find(_NOTE) is not None

    def begin(self, cloud: Cloud, way: Way | None, server: Mapping[str, Any]) -> Waits:
        """Keep the server still from now on.

        One that another protection keeps still, or has left so, is taken over: this
        one lets it run.

        :param way: None for leaving it as it is
        :param server: as Nova shows it, at rest
        :raises KarborException: when its status does not allow that
        """
        status = server["status"].lower()
        is_marked = QUIESCED_FOR in server["metadata"] and status in _WAY_BY_STATUS
        if not is_marked and (way is None or not self._needs(way, server, cloud)):
            self._is_begun = False
            return
        self._notes.take(_NOTE)
        self._is_begun = True
        cloud.compute.set_metadata(self._id, QUIESCED_FOR, self._checkpoint_id)
        if is_marked:
            LOG.info("Server %s is still '%s' for a protection.", self._id, status)
            # Until the mark was set, whoever had set another may have let it run.
            rested = yield from self._at_rest(cloud)
            status = _RUNNING if rested is None else rested["status"].lower()
        if way is not None and status == _RUNNING:
            LOG.info(
                "Quiescing server %s by %s until its volumes have snapshots.",
                self._id,
                way.begin,
            )
            cloud.compute.act(self._id, way.begin)
            yield cloud.until(self._id, way.status, passing=PASSING)
            LOG.info("Server %s is %s.", self._id, way.status)

    def end(self, cloud: Cloud) -> Generator[Until, Any, bool]:
        """Let the server run again, when it was Karbor who kept it still.

        A Nova that is away is asked again, for as long as ``status_timeout`` says.

        :returns: False when the server does not exist any more
        :raises KarborException: when it does not run again
        """
        if not self.has_begun:
            return True
        server = yield from self._at_rest(cloud)
        if server is not None:
            holder = server["metadata"].get(QUIESCED_FOR)
            if holder == self._checkpoint_id or (holder is None and self._is_begun):
                yield from self._let_run(cloud, server)
                self._take_mark_off(cloud)
            else:
                LOG.info("It is not for this protection that server %s is.", self._id)
        self._is_begun = False
        self._forget()
        return server is not None

    def _needs(self, way: Way, server: Mapping[str, Any], cloud: Cloud) -> bool:
        """Whether a server must be made still.

        :raises InvalidParameterValue: when it cannot be
        """
        status = server["status"].lower()
        if status in _STILL:
            LOG.info("Server %s is '%s' and needs no %s.", self._id, status, way.begin)
            return False
        if status != _RUNNING:
            reason = _("is '%s', and only an active one can be") % status
        elif server.get("locked") and not cloud.is_admin:
            reason = _("is locked, and only an administrator's can then be")
        else:
            return True
        raise exception.InvalidParameterValue(
            err=_(
                "the server %(reason)s quiesced by '%(way)s'. Bring it into order, or "
                "give '%(type)s#%(id)s' the parameter quiesce=none."
            )
            % {
                "reason": reason,
                "way": way.begin,
                "type": constants.SERVER_RESOURCE_TYPE,
                "id": self._id,
            }
        )

    def _let_run(self, cloud: Cloud, server: Mapping[str, Any] | None) -> Waits:
        give_up, delay = time.monotonic() + cloud.status_timeout, _FIRST_DELAY
        while server is not None:
            status = server["status"].lower()
            way = _WAY_BY_STATUS.get(status)
            if way is None:
                LOG.info("Server %s is '%s', not quiesced any more.", self._id, status)
                return
            LOG.info("Ending the %s of server %s: %s.", way.begin, self._id, way.end)
            try:
                cloud.compute.act(self._id, way.end)
            except ServiceFailed as error:
                if not error.retryable or time.monotonic() >= give_up:
                    raise
                LOG.warning("Server %s is asked again to run: %s", self._id, error)
                server = yield cloud.until_rest(self._id, delay=delay)
                delay *= 2
                continue
            yield cloud.until(self._id, _RUNNING, passing=PASSING)
            LOG.info("Server %s is active again.", self._id)
            return

    def _at_rest(self, cloud: Cloud) -> Generator[Until, Any, Mapping[str, Any] | None]:
        """The server, when it is not on its way into or out of stillness."""
        try:
            server = cloud.compute.get(self._id)
        except ServiceFailed as error:
            if not error.retryable:
                raise
            LOG.info("Looking again: %s", error)
        else:
            if server is None or not server.get("OS-EXT-STS:task_state"):
                return server
        return (yield cloud.until_rest(self._id))

    def _take_mark_off(self, cloud: Cloud) -> None:
        try:
            cloud.compute.delete_metadata(self._id, QUIESCED_FOR)
        except ServiceFailed as error:
            # That it runs is what counts.
            LOG.warning(
                "Server %s runs again, and still has '%s' in its metadata. Delete "
                "that, or its next quiesce does: %s",
                self._id,
                QUIESCED_FOR,
                error,
            )

    def _forget(self) -> None:
        try:
            self._notes.forget(_NOTE)
        except exception.KarborException as error:
            LOG.warning(
                "The note that server %s is quiesced could not be deleted, and is "
                "passed over from now on: %s",
                self._id,
                error,
            )


def quiesce_of(checkpoint: Any, resource: Resource) -> Quiesce:
    """That of a server for a checkpoint."""
    section = checkpoint.get_resource_bank_section(resource.id)
    return Quiesce(resource.id, str(checkpoint.id), protect_notes(section))
