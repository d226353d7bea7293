# SPDX-License-Identifier: Apache-2.0
"""Restoring a server: putting it together from what its volumes and all became."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.remarks import Remarks
from karbor.services.protection.protection_plugins.resumable import (
    Note,
    Notes,
    restore_notes,
)
from karbor.services.protection.protection_plugins.server.choices import Choices
from karbor.services.protection.protection_plugins.server.description import MADE_BY
from karbor.services.protection.protection_plugins.server.floating import (
    FloatingAddresses,
)
from karbor.services.protection.protection_plugins.server.interfaces import (
    Interfaces,
    port_name,
)
from karbor.services.protection.protection_plugins.server.protect import NAME
from karbor.services.protection.protection_plugins.server.removal import (
    NOTE,
    find_made,
    settle,
)
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.protection_plugins.server.settings import (
    Cloud,
    ServerSettings,
)
from karbor.services.protection.waiting.until import Until, Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

LOG = logging.getLogger(__name__)


class RestoreOperation(Operation):
    """Makes the server when all that it needs is restored.

    Until it is complete it carries a token in its metadata that the bank notes first,
    so a second run finds what the first one made, and a revert knows what to delete.
    Then the note has its id. A server that is complete when another resource's failure
    reverts the restore is kept.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        record = kwargs.get("restore")
        new_resources = kwargs["new_resources"]
        remarks = Remarks.of(record, resource)
        report(record, resource, constants.RESOURCE_STATUS_RESTORING, str(remarks))
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.RestoreResourceFailed, NAME, resource, record):
            restoration = _Restoration(
                cloud=self._settings.cloud(context),
                section=section,
                notes=restore_notes(section, record),
                new_resources=new_resources,
                parameters=parameters,
                remarks=remarks,
            )
            new_resources[resource.id] = yield from restoration.run()
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE, str(remarks))

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        notes = restore_notes(section, kwargs.get("restore"))
        is_whole = yield from settle(self._settings.cloud(context), section, notes)
        if not is_whole:
            kwargs.get("new_resources", {}).pop(resource.id, None)


class _Restoration:
    """One run of a restore's hook."""

    def __init__(
        self,
        cloud: Cloud,
        section: "BankSection",
        notes: Notes,
        new_resources: dict[str, str],
        parameters: dict[str, Any],
        remarks: Remarks,
    ) -> None:
        self._cloud = cloud
        self._notes = notes
        self._saved = SavedServer.load(section)
        self._new = new_resources
        self._remarks = remarks
        self._choices = Choices(cloud, self._saved, new_resources, parameters, remarks)
        self._interfaces = Interfaces(
            cloud, self._saved.ports, new_resources, parameters, remarks
        )
        self._floating = FloatingAddresses(
            cloud,
            {**new_resources, **(parameters.get("restore_networks") or {})},
            remarks,
        )

    def run(self) -> Generator[Until, Any, str]:
        """Restore, or finish what an earlier run began; gives the new server's id."""
        note = self._notes.find(NOTE)
        if note is not None and note.finished:
            server = self._cloud.compute.get(note.token)
            if server is not None:
                self._seal(server)
                return str(server["id"])
            # Somebody has deleted it since.
            note = self._notes.renew(NOTE)
        server = None if note is None else find_made(self._cloud, note.token)
        note = note or self._notes.take(NOTE)
        if server is None:
            server = self._make(note.token)
        server = yield self._cloud.until(server["id"], "active", passing=("build",))
        self._complete(server, note.token)
        # From here on it is found by its id, and can do without the token.
        self._notes.finish(Note(NOTE, server["id"]))
        self._seal(server)
        LOG.info("Restored server %s as %s.", self._saved.server_id, server["id"])
        return str(server["id"])

    def _make(self, token: str) -> dict[str, Any]:
        # First what may be refused without having made anything.
        fields = self._choices.server_fields(token)
        hints = self._choices.hints()
        ports = self._interfaces.make(token)
        networks: Any = [{"port": port_id} for port_id in ports] or "none"
        return self._cloud.compute.create({**fields, "networks": networks}, hints)

    def _complete(self, server: dict[str, Any], token: str) -> None:
        """Give a server that runs the rest without which it is not whole.

        Each step may have been done by an earlier run.
        """
        compute, server_id = self._cloud.compute, server["id"]
        ports = self._interfaces.made_for(server_id, token)
        for index, port in ports.items():
            saved = self._saved.ports[index]
            self._floating.give(saved["floating"], port["id"], token)
        attached = {one["volumeId"]: one for one in compute.attachments(server_id)}
        for volume in self._saved.volumes:
            volume_id = self._choices.volume_id(volume["id"])
            self._check_volume(volume, volume_id, attached.get(volume_id))

    def _seal(self, server: dict[str, Any]) -> None:
        """What comes when the server is complete, and may be wanting.

        Until then it may have to be deleted, and its volumes must not go with it.
        """
        compute, server_id = self._cloud.compute, server["id"]
        with self._remarking():
            self._let_volumes_end(server_id)
        with self._remarking():
            token = server["metadata"].get(MADE_BY)
            if token is not None:
                self._give_names(server_id, token)
                compute.delete_metadata(server_id, MADE_BY)
        with self._remarking():
            if self._saved.fields.get("locked") and not server["locked"]:
                compute.act(server_id, "lock")

    def _let_volumes_end(self, server_id: str) -> None:
        """Let those volumes end with the server that did, of those that were restored.

        One that was not is whoever's it was, and no part of what was made.
        """
        ending = [
            self._new[volume["id"]]
            for volume in self._saved.volumes
            if volume["delete_on_termination"] and volume["id"] in self._new
        ]
        if not ending:
            return
        for one in self._cloud.compute.attachments(server_id):
            if one["volumeId"] in ending and not one["delete_on_termination"]:
                self._cloud.compute.delete_with_server(server_id, one["volumeId"])

    def _give_names(self, server_id: str, token: str) -> None:
        """Take the token off its ports and floating addresses."""
        neutron, saved = self._cloud.neutron, self._saved.ports
        self._floating.finish(
            [one for port in saved for one in port["floating"]], token
        )
        for index, port in self._interfaces.made_for(server_id, token).items():
            if port["name"] != port_name(token, index):
                continue
            if saved[index].get("tags"):
                neutron.set_tags(Kind.PORT, port["id"], saved[index]["tags"])
            neutron.update(Kind.PORT, port["id"], {"name": saved[index]["name"]})

    @contextmanager
    def _remarking(self) -> Iterator[None]:
        """Say what fails, as it spoils nothing."""
        try:
            yield
        except ServiceFailed as error:
            self._remarks.add(" ".join(str(error).split()))

    def _check_volume(
        self,
        volume: dict[str, Any],
        volume_id: str,
        attachment: dict[str, Any] | None,
    ) -> None:
        if attachment is None:
            raise exception.InvalidParameterValue(
                err=_(
                    "Nova made the server without its volume %s. Look at Nova's log "
                    "for why."
                )
                % volume_id
            )
        if volume["device"] and attachment["device"] != volume["device"]:
            self._remarks.add(
                _(
                    "Its volume %(volume)s is %(new)s and was %(old)s: the hypervisor "
                    "names devices itself."
                )
                % {
                    "volume": volume_id,
                    "new": attachment["device"],
                    "old": volume["device"],
                }
            )
