# SPDX-License-Identifier: Apache-2.0
"""Protects Cinder's volumes by Cinder's backups."""

from typing import TYPE_CHECKING, Any

from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.uncopied import UncopiedOperation
from karbor.services.protection.protection_plugins.volume.cinder_backup import protect
from karbor.services.protection.protection_plugins.volume.cinder_backup.schemas import (
    SCHEMAS,
)
from karbor.services.protection.protection_plugins.volume.kept.keep import (
    DeleteOperation,
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.volume.kept.keeping import (
    BACKUP,
    SavedVolume,
)
from karbor.services.protection.protection_plugins.volume.kept.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.volume.settings import (
    BackupSettings,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class CinderBackupProtectionPlugin(DescribedPlugin[BackupSettings]):
    """``OS::Cinder::Volume``; configured in ``[cinder_backup_protection_plugin]``."""

    resource_types = (constants.VOLUME_RESOURCE_TYPE,)
    schemas = SCHEMAS
    settings_class = BackupSettings

    def get_protect_operation(self, resource: Resource) -> Operation:
        return protect.ProtectOperation(self.settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings, BACKUP)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(self.settings, BACKUP)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return UncopiedOperation(
            _("a backup in Cinder"),
            _("Use karbor-volume-glance-plugin for checkpoints that are copied."),
        )

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(self.settings, BACKUP)

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = SavedVolume.find(metadata_store, BACKUP)
        if saved is None:
            return None
        return {
            BACKUP.id_field: saved.kept_id,
            **saved.details,
            "volume_metadata": dict(saved.described.fields),
        }
