# SPDX-License-Identifier: Apache-2.0
"""Deleting what a failed restore of a server has made."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.services.protection.protection_plugins.removal import left_behind
from karbor.services.protection.protection_plugins.resumable import Notes
from karbor.services.protection.protection_plugins.server.description import MADE_BY
from karbor.services.protection.protection_plugins.server.floating import mark
from karbor.services.protection.protection_plugins.server.interfaces import port_name
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.protection_plugins.server.settings import (
    SOFT_DELETED,
    Cloud,
)
from karbor.services.protection.waiting.until import Until, Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

LOG = logging.getLogger(__name__)

#: What a restore notes of the server that it makes.
NOTE = "server"


def find_made(cloud: Cloud, token: str) -> dict[str, Any] | None:
    """The server that a restore made, by the token in its metadata.

    :raises ServiceFailed: when Nova cannot be asked
    """
    for server in cloud.compute.listed(cloud.project_id, all_tenants=False):
        # One whose cell is away has none; whose it may be must not keep all others.
        if server.get("metadata", {}).get(MADE_BY) == token:
            return server
    return None


def settle(
    cloud: Cloud, section: "BankSection", notes: Notes
) -> Generator[Until, Any, bool]:
    """Keep the server of a restore when it is whole, else delete it.

    Nothing will run again.

    :param section: what is kept of the server
    :param notes: of the restore
    :returns: whether it was whole, or there was none
    :raises LeftBehind: when something cannot be deleted
    """
    note = notes.find(NOTE)
    if note is None:
        return True
    if not note.finished:
        saved = SavedServer.load(section)
        yield from Removal(cloud, note.token, len(saved.ports)).run()
    notes.forget(NOTE)
    return note.finished


class Removal:
    """Deletes a half-made server with its ports and floating addresses.

    What was there before the restore is kept: a port or an address that was only used.

    :param token: that the made things carry
    :param port_count: how many ports the server was to have
    """

    def __init__(self, cloud: Cloud, token: str, port_count: int) -> None:
        self._cloud = cloud
        self._token = token
        self._names = [port_name(token, index) for index in range(port_count)]
        self._left: list[str] = []

    def run(self) -> Waits:
        """Delete all of it; what is gone already is fine.

        :raises LeftBehind: when something cannot be deleted
        """
        server = find_made(self._cloud, self._token)
        if server is not None:
            try:
                yield from self._delete_server(server["id"])
                LOG.info("Deleted server %s of a failed restore.", server["id"])
            except exception.KarborException as error:
                self._left.append(f"server {server['id']} ({error})")
        neutron = self._cloud.neutron
        self._delete_all(
            Kind.FLOATING_IP,
            lambda: neutron.list(Kind.FLOATING_IP, description=mark(self._token)),
        )
        if self._names:
            self._delete_all(
                Kind.PORT, lambda: neutron.list(Kind.PORT, name=self._names)
            )
        if self._left:
            raise left_behind(self._left)

    def _delete_server(self, server_id: str) -> Waits:
        compute = self._cloud.compute
        if not compute.delete(server_id):
            return
        kept = yield self._cloud.until_deleted(server_id)
        if kept is not None and kept["status"].lower() == SOFT_DELETED:
            # It has its volumes until Nova reclaims it.
            compute.act(server_id, "forceDelete")
            yield self._cloud.until_gone(server_id)

    def _delete_all(self, kind: Kind, find: Callable[[], list[dict[str, Any]]]) -> None:
        try:
            found = find()
        except exception.KarborException as error:
            self._left.append(f"each {kind.label} of karbor-{self._token} ({error})")
            return
        for thing in found:
            try:
                self._cloud.neutron.delete(kind, thing["id"])
                LOG.info("Deleted %s %s of a failed restore.", kind.label, thing["id"])
            except exception.KarborException as error:
                self._left.append(f"{kind.label} {thing['id']} ({error})")
