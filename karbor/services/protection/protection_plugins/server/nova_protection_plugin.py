# SPDX-License-Identifier: Apache-2.0
"""Protects Nova's servers: what they are into the bank, and together again."""

from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.section import CopyOperation
from karbor.services.protection.protection_plugins.server.delete import (
    DeleteServerOperation,
)
from karbor.services.protection.protection_plugins.server.flavors import FlavorIds
from karbor.services.protection.protection_plugins.server.protect import (
    NAME,
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.server.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.protection_plugins.server.server_plugin_schemas import (
    SCHEMAS,
)
from karbor.services.protection.protection_plugins.server.settings import (
    ServerSettings,
)
from karbor.services.protection.protection_plugins.server.verify import (
    VerifyOperation,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class NovaProtectionPlugin(DescribedPlugin[ServerSettings]):
    """``OS::Nova::Server``; configured in ``[nova_backup_protection_plugin]``."""

    resource_types = (constants.SERVER_RESOURCE_TYPE,)
    schemas = SCHEMAS
    settings_class = ServerSettings

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__(config)
        self._flavor_ids = FlavorIds()

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self.settings, self._flavor_ids)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(self.settings)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return CopyOperation(NAME, SavedServer.load)

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteServerOperation(self.settings)

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
