# SPDX-License-Identifier: Apache-2.0
"""Keeping a server still while its volumes are snapshotted."""

import dataclasses
from collections.abc import Generator, Mapping
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.i18n import _
from karbor.services.protection.protection_plugins.resumable import Notes
from karbor.services.protection.protection_plugins.server.settings import Cloud
from karbor.services.protection.waiting.until import Until, Waits

LOG = logging.getLogger(__name__)

#: Nothing that the server does reaches its disks in these.
_STILL = frozenset({"paused", "suspended", "shutoff", "shelved", "shelved_offloaded"})
_RUNNING = "active"
_NOTE = "quiesce"

#: Statuses that pass by themselves.
#: https://docs.openstack.org/api-guide/compute/server_concepts.html
PASSING = frozenset(
    {
        "build",
        "hard_reboot",
        "migrating",
        "password",
        "reboot",
        "rebuild",
        "resize",
        "revert_resize",
    }
)


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


class Quiesce:
    """Pauses or suspends one server, and lets it run again.

    A note says that it was Karbor who did so: a server that was still before is left
    alone. Every method may run again after a crash in the middle of it.

    :param notes: of the protect operation on the server
    """

    def __init__(self, cloud: Cloud, server_id: str, notes: Notes) -> None:
        self._cloud = cloud
        self._id = server_id
        self._notes = notes

    @property
    def has_begun(self) -> bool:
        """Whether the server is still because of Karbor, or is about to be."""
        return self._notes.find(_NOTE) is not None

    def begin(self, way: Way, server: Mapping[str, Any]) -> Waits:
        """Keep the server still from now on.

        :param server: as Nova shows it, at rest
        :raises KarborException: when its status does not allow that
        """
        status = server["status"].lower()
        if not self.has_begun:
            if status in _STILL:
                LOG.info(
                    "Server %s is '%s' and needs no %s.", self._id, status, way.begin
                )
                return
            if status != _RUNNING:
                raise exception.InvalidParameterValue(
                    err=_(
                        "the server is '%(status)s', and only an active one can be "
                        "quiesced by '%(way)s'. Repair it, or give "
                        "'%(type)s#%(id)s' the parameter quiesce=none."
                    )
                    % {
                        "status": status,
                        "way": way.begin,
                        "type": constants.SERVER_RESOURCE_TYPE,
                        "id": self._id,
                    }
                )
            self._notes.take(_NOTE)
        if status == _RUNNING:
            LOG.info(
                "Quiescing server %s by %s until its volumes have snapshots.",
                self._id,
                way.begin,
            )
            self._cloud.compute.act(self._id, way.begin)
            yield self._cloud.until(self._id, way.status, passing=PASSING)
        LOG.info("Server %s is %s.", self._id, way.status)

    def end(self) -> Generator[Until, Any, bool]:
        """Let the server run again, when it was Karbor who kept it still.

        :returns: False when the server does not exist any more
        :raises KarborException: when it does not run again
        """
        if not self.has_begun:
            return True
        compute = self._cloud.compute
        server = compute.get(self._id)
        if server is not None and server.get("OS-EXT-STS:task_state"):
            # It is on its way into or out of stillness.
            server = yield self._cloud.until(
                self._id, _RUNNING, *_STILL, "error", passing=PASSING
            )
        if server is None:
            self._notes.forget(_NOTE)
            return False
        status = server["status"].lower()
        way = next((way for way in WAYS.values() if way.status == status), None)
        if way is None:
            LOG.info("Server %s is '%s' and not quiesced any more.", self._id, status)
        else:
            LOG.info("Ending the %s of server %s: %s.", way.begin, self._id, way.end)
            compute.act(self._id, way.end)
            yield self._cloud.until(self._id, _RUNNING, passing=PASSING)
            LOG.info("Server %s is active again.", self._id)
        self._notes.forget(_NOTE)
        return True
