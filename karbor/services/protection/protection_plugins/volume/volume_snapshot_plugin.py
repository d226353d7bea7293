# SPDX-License-Identifier: Apache-2.0
"""Protects Cinder's volumes by snapshots that stay in Cinder."""

from typing import TYPE_CHECKING, Any

from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.uncopied import UncopiedOperation
from karbor.services.protection.protection_plugins.volume.cinder_snapshot import (
    protect,
)
from karbor.services.protection.protection_plugins.volume.cinder_snapshot import (
    schemas as snapshot_schemas,
)
from karbor.services.protection.protection_plugins.volume.kept.keep import (
    DeleteOperation,
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.volume.kept.keeping import (
    SNAPSHOT,
    SavedVolume,
)
from karbor.services.protection.protection_plugins.volume.kept.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.volume.settings import (
    SnapshotSettings,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class VolumeSnapshotProtectionPlugin(DescribedPlugin[SnapshotSettings]):
    """``OS::Cinder::Volume``; configured in ``[volume_snapshot_plugin]``."""

    resource_types = (constants.VOLUME_RESOURCE_TYPE,)
    schemas = snapshot_schemas.SCHEMAS
    settings_class = SnapshotSettings

    def get_protect_operation(self, resource: Resource) -> Operation:
        return protect.ProtectOperation(self.settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings, SNAPSHOT)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(self.settings, SNAPSHOT)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return UncopiedOperation(
            _("a snapshot in Cinder"),
            _("Use karbor-volume-glance-plugin for checkpoints that are copied."),
        )

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(self.settings, SNAPSHOT)

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = SavedVolume.find(metadata_store, SNAPSHOT)
        if saved is None:
            return None
        return {
            SNAPSHOT.id_field: saved.kept_id,
            **saved.details,
            "volume_metadata": dict(saved.described.fields),
        }
