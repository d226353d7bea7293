# SPDX-License-Identifier: Apache-2.0
"""Protects nothing, for resources without data and for trying things out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation, ProtectionPlugin

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class NoopOperation(Operation):
    """Every hook is there and does nothing, so all of them become tasks."""

    def on_prepare_begin(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def on_prepare_finish(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def on_main(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def on_complete(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


class NoopProtectionPlugin(ProtectionPlugin):
    """All five operations for all of OpenStack's resource types, and no options."""

    def get_protect_operation(self, resource: Resource) -> Operation:
        return NoopOperation()

    def get_restore_operation(self, resource: Resource) -> Operation:
        return NoopOperation()

    def get_verify_operation(self, resource: Resource) -> Operation:
        return NoopOperation()

    def get_copy_operation(self, resource: Resource) -> Operation:
        return NoopOperation()

    def get_delete_operation(self, resource: Resource) -> Operation:
        return NoopOperation()

    @classmethod
    def get_supported_resources_types(cls) -> Sequence[str]:
        return constants.RESOURCE_TYPES

    @classmethod
    def get_options_schema(cls, resource_type: str) -> dict[str, Any]:
        return {}

    @classmethod
    def get_restore_schema(cls, resource_type: str) -> dict[str, Any]:
        return {}

    @classmethod
    def get_verify_schema(cls, resource_type: str) -> dict[str, Any]:
        return {}

    @classmethod
    def get_saved_info_schema(cls, resource_type: str) -> dict[str, Any]:
        return {}

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        return None
