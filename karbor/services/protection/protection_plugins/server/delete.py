# SPDX-License-Identifier: Apache-2.0
"""Deleting what a bank keeps of a server."""

from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.section import DeleteOperation
from karbor.services.protection.protection_plugins.server.protect import NAME
from karbor.services.protection.protection_plugins.server.quiesce import quiesce_of
from karbor.services.protection.protection_plugins.server.settings import (
    ServerSettings,
)
from karbor.services.protection.waiting.until import Waits


class DeleteServerOperation(DeleteOperation):
    """Lets a server run first that the checkpoint's protection left standing still."""

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(NAME)
        self._settings = settings

    def on_prepare_begin(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        with failing(exception.DeleteResourceFailed, NAME, resource):
            quiesce = quiesce_of(checkpoint, resource)
            if quiesce.has_begun:
                yield from quiesce.end(self._settings.cloud(context))
