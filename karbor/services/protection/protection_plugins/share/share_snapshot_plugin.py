# SPDX-License-Identifier: Apache-2.0
"""Protects Manila's shares: by snapshots that stay in Manila."""

from typing import TYPE_CHECKING, Any

from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.share import (
    share_snapshot_plugin_schemas,
)
from karbor.services.protection.protection_plugins.share.keep import (
    DeleteOperation,
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.share.protect import (
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.share.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.share.saved_share import SavedShare
from karbor.services.protection.protection_plugins.share.settings import ShareSettings
from karbor.services.protection.protection_plugins.uncopied import UncopiedOperation

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class ManilaSnapshotProtectionPlugin(DescribedPlugin[ShareSettings]):
    """``OS::Manila::Share``; configured in ``[manila_snapshot_plugin]``."""

    resource_types = (constants.SHARE_RESOURCE_TYPE,)
    schemas = share_snapshot_plugin_schemas.SCHEMAS
    settings_class = ShareSettings

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self.settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(self.settings)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return UncopiedOperation(
            _("a share snapshot in Manila"),
            _("Take the share out of the plan, or replicate it by Manila."),
        )

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(self.settings)

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = SavedShare.find(metadata_store)
        if saved is None:
            return None
        return {
            "snapshot_id": saved.snapshot_id,
            "snapshot_name": saved.snapshot_name,
            "share_metadata": saved.share_metadata,
        }
