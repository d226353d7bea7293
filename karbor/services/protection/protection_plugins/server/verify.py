# SPDX-License-Identifier: Apache-2.0
"""Verifying what a bank keeps of a server."""

from collections.abc import Iterator
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.remarks import Remarks
from karbor.services.protection.protection_plugins.server.choices import Choices
from karbor.services.protection.protection_plugins.server.protect import NAME
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.protection_plugins.server.settings import (
    Cloud,
    ServerSettings,
)


class VerifyOperation(Operation):
    """Checks that the description is whole, and what it needs in the checkpoint too.

    That the server could not be made as it was in the cloud as it is now is no
    damage: the record remarks it.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        record = kwargs.get("verify")
        report(record, resource, constants.RESOURCE_STATUS_VERIFYING)
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        with failing(exception.VerifyResourceFailed, NAME, resource, record):
            saved = SavedServer.load(section.uncached)
            lacking = sorted(_lacking(checkpoint.resource_graph, saved))
            if lacking:
                raise exception.BankDataCorrupted(
                    reason=_(
                        "the checkpoint lacks what the server needs: %s. Protect "
                        "it again, with a provider that protects volumes."
                    )
                    % ", ".join(lacking)
                )
            remarks = _remarks(self._settings.cloud(context), saved)
            image_remark = saved.image_remark(checkpoint.resource_graph)
            if image_remark is not None:
                remarks.add(image_remark)
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE, str(remarks))


def _lacking(graph: Any, saved: SavedServer) -> Iterator[str]:
    """The volumes that the server needs and the checkpoint does not have."""
    if graph is None:
        return
    has = {
        resource.id
        for resource in graph.resources
        if resource.type == constants.VOLUME_RESOURCE_TYPE
    }
    for volume_id in saved.volume_ids:
        if volume_id not in has:
            yield f"{constants.VOLUME_RESOURCE_TYPE} {volume_id}"


def _remarks(cloud: Cloud, saved: SavedServer) -> Remarks:
    """What would not be as it was if the server were restored now."""
    remarks = Remarks()
    try:
        Choices(cloud, saved, {}, {}, remarks).check()
    except ServiceFailed as error:
        remarks.add(
            _("Whether it could be restored as it was is not known: %s") % error
        )
    except exception.KarborException as error:
        remarks.add(str(error))
    return remarks
