# SPDX-License-Identifier: Apache-2.0
"""Protects Trove's databases: by backups that Trove keeps."""

from typing import TYPE_CHECKING, Any

from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.database import (
    database_backup_plugin_schemas,
)
from karbor.services.protection.protection_plugins.database.keep import (
    DeleteOperation,
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.database.protect import (
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.database.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.database.saved_database import (
    SavedDatabase,
)
from karbor.services.protection.protection_plugins.database.settings import (
    DatabaseSettings,
)
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.uncopied import UncopiedOperation

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class DatabaseBackupProtectionPlugin(DescribedPlugin[DatabaseSettings]):
    """``OS::Trove::Instance``; configured in ``[database_backup_plugin]``."""

    resource_types = (constants.DATABASE_RESOURCE_TYPE,)
    schemas = database_backup_plugin_schemas.SCHEMAS
    settings_class = DatabaseSettings

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self.settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(self.settings)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return UncopiedOperation(
            _("a database backup in Trove"),
            _("Take the database out of the plan, or replicate it by Trove."),
        )

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(self.settings)

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = SavedDatabase.find(metadata_store)
        if saved is None:
            return None
        return {
            "backup_id": saved.backup_id,
            "backup_name": saved.backup_name,
            "parent_id": saved.parent_id,
            "instance_metadata": saved.instance_metadata,
        }
