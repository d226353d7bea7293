# SPDX-License-Identifier: Apache-2.0
"""Protects Nova's servers: what they are into the bank, and together again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation, ProtectionPlugin
from karbor.services.protection.protection_plugins.server import (
    server_plugin_schemas as schemas,
)
from karbor.services.protection.protection_plugins.server.keep import (
    CopyOperation,
    DeleteOperation,
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.server.protect import (
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.server.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.protection_plugins.server.settings import (
    ServerSettings,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class NovaProtectionPlugin(ProtectionPlugin):
    """``OS::Nova::Server``; configured in ``[nova_backup_protection_plugin]``."""

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__(config)
        self._settings = ServerSettings.from_conf(
            config if config is not None else cfg.CONF
        )

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self._settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self._settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(self._settings)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return CopyOperation()

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation()

    @classmethod
    def get_supported_resources_types(cls) -> Sequence[str]:
        return [constants.SERVER_RESOURCE_TYPE]

    @classmethod
    def get_options_schema(cls, resource_type: str) -> dict[str, Any]:
        return schemas.OPTIONS_SCHEMA

    @classmethod
    def get_restore_schema(cls, resource_type: str) -> dict[str, Any]:
        return schemas.RESTORE_SCHEMA

    @classmethod
    def get_verify_schema(cls, resource_type: str) -> dict[str, Any]:
        return schemas.VERIFY_SCHEMA

    @classmethod
    def get_saved_info_schema(cls, resource_type: str) -> dict[str, Any]:
        return schemas.SAVED_INFO_SCHEMA

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = SavedServer.find(metadata_store)
        if saved is None:
            return None
        # User data may hold secrets.
        shown = {
            key: value for key, value in saved.fields.items() if key != "user_data"
        }
        return {
            "server_metadata": {**shown, "image_id": saved.image_id},
            "flavor": saved.flavor,
            "attach_metadata": {
                volume["id"]: {key: volume[key] for key in volume if key != "id"}
                for volume in saved.volumes
            },
            "ports": list(saved.ports),
        }
