# SPDX-License-Identifier: Apache-2.0
"""Protecting a server: what it is into the bank, and still while that is prepared."""

from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.nova_servers import PASSING, RESTING
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.server.description import describe
from karbor.services.protection.protection_plugins.server.flavors import FlavorIds
from karbor.services.protection.protection_plugins.server.quiesce import (
    WAYS,
    Quiesce,
    quiesce_of,
)
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.protection_plugins.server.settings import (
    Cloud,
    ServerSettings,
)
from karbor.services.protection.waiting.until import Until, Waits

LOG = logging.getLogger(__name__)

NAME = "Server Backup"

_ADVICE = {
    "SOFT_DELETED": _("Restore it in Nova, or leave it out of the plan."),
    "DELETED": _("Leave it out of the plan."),
}
_OTHER_ADVICE = _("Bring it into another, or leave it out of the plan.")


class ProtectOperation(Operation):
    """Describes the server before, and keeps it still while, all below it prepares.

    What is below it begins to prepare after ``on_prepare_begin`` and has prepared, as
    volumes that have been snapshotted, before ``on_prepare_finish``.
    """

    def __init__(self, settings: ServerSettings, flavor_ids: FlavorIds) -> None:
        self._settings = settings
        self._flavor_ids = flavor_ids
        self._quiesce: Quiesce | None = None

    def on_prepare_begin(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        with _failing(resource):
            cloud = self._settings.cloud(context)
            quiesce = self._quiesce_of(checkpoint, resource)
            server = yield from _settled(cloud, resource)
            # In a second run it may be paused, and it was not when it was described.
            if not quiesce.has_begun or SavedServer.find(section) is None:
                saved = describe(cloud, server, self._flavor_ids.of(cloud, context))
                saved.save(section)
                remark = saved.image_remark(checkpoint.resource_graph)
                if remark is not None:
                    LOG.warning("Server %s: %s.", resource.id, remark)
            way = WAYS.get(parameters.get("quiesce") or "none")
            yield from quiesce.begin(cloud, way, server)

    def on_prepare_finish(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        with _failing(resource):
            cloud = self._settings.cloud(context)
            is_there = yield from self._quiesce_of(checkpoint, resource).end(cloud)
            if not is_there:
                raise _missing(
                    resource, _("it was deleted while its volumes were snapshotted")
                )

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        with _failing(resource):
            SavedServer.load(checkpoint.get_resource_bank_section(resource.id))

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        with _failing(resource):
            cloud = self._settings.cloud(context)
            yield from self._quiesce_of(checkpoint, resource).end(cloud)

    def _quiesce_of(self, checkpoint: Any, resource: Resource) -> Quiesce:
        """One for all hooks, as it knows what they did."""
        if self._quiesce is None:
            self._quiesce = quiesce_of(checkpoint, resource)
        return self._quiesce


def _settled(cloud: Cloud, resource: Resource) -> Generator[Until, Any, dict[str, Any]]:
    """The server at rest in a status that it can be protected in.

    :raises KarborException: when it is in another, or is gone
    """
    server = cloud.compute.get(resource.id)
    if server is None:
        raise _missing(resource, _("Nova has no such server"))
    if _is_changing(server):
        server = yield cloud.until(resource.id, *RESTING, passing=PASSING)
    if server["status"].lower() not in RESTING:
        status = f"{server['status']}. {_ADVICE.get(server['status'], _OTHER_ADVICE)}"
        raise exception.ProtectableResourceInvalidStatus(
            id=resource.id, type=resource.type, status=status
        )
    return server


def _is_changing(server: dict[str, Any]) -> bool:
    return bool(
        server.get("OS-EXT-STS:task_state") or server["status"].lower() in PASSING
    )


def _missing(resource: Resource, reason: str) -> exception.ProtectableResourceNotFound:
    if resource.name:
        reason = _("%(reason)s; it was called '%(name)s'") % {
            "reason": reason,
            "name": resource.name,
        }
    return exception.ProtectableResourceNotFound(
        id=resource.id, type=resource.type, reason=reason
    )


def _failing(resource: Resource) -> AbstractContextManager[None]:
    return failing(exception.CreateResourceFailed, NAME, resource)
