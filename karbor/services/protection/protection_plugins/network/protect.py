# SPDX-License-Identifier: Apache-2.0
"""Protecting a network: what it is, and all that is on it, into the bank."""

from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.network.scope import Scope
from karbor.services.protection.protection_plugins.network.settings import (
    NetworkSettings,
)
from karbor.services.protection.protection_plugins.network.survey import survey

NAME = "Network Backup"


class ProtectOperation(Operation):
    """Takes down what Neutron says; there is no data, and nothing temporary."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.CreateResourceFailed, NAME, resource):
            neutron = self._settings.neutron(context)
            scope = Scope.of(resource, checkpoint.resource_graph, context)
            survey(neutron, resource.id, scope).save(section)
