# SPDX-License-Identifier: Apache-2.0
"""Deleting what a bank keeps of a server."""

import functools
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.resumable import noted_restores
from karbor.services.protection.protection_plugins.section import DeleteOperation
from karbor.services.protection.protection_plugins.server.protect import NAME
from karbor.services.protection.protection_plugins.server.quiesce import quiesce_of
from karbor.services.protection.protection_plugins.server.removal import settle
from karbor.services.protection.protection_plugins.server.settings import (
    ServerSettings,
)
from karbor.services.protection.waiting.until import Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class DeleteServerOperation(DeleteOperation):
    """Ends before what operations on the checkpoint that were cut off left.

    That is a server that stands still for its protection, and those that restores have
    half made.
    """

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(NAME, self._settle_restores)
        self._settings = settings

    def _settle_restores(
        self, context: RequestContext, section: "BankSection"
    ) -> Waits:
        cloud = self._settings.cloud(context)
        yield from removal.each(
            *(
                functools.partial(settle, cloud, section, notes)
                for notes in noted_restores(section)
            )
        )

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
