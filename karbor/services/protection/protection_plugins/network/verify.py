# SPDX-License-Identifier: Apache-2.0
"""Verifying what a bank keeps of a network."""

from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.network.protect import NAME
from karbor.services.protection.protection_plugins.network.topology import Topology
from karbor.services.protection.protection_plugins.records import report


class VerifyOperation(Operation):
    """Checks that the description is there, can be read and is whole."""

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
            Topology.load(section.uncached)
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE)
