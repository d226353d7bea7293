# SPDX-License-Identifier: Apache-2.0
"""Protects Cinder's volumes: their data into the bank, and back, by way of Glance."""

import functools
from typing import TYPE_CHECKING, Any

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.image.verify import (
    VerifyOperation,
    check_objects,
)
from karbor.services.protection.protection_plugins.section import (
    CopyOperation,
    DeleteOperation,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.leftovers import (
    clean_up_all,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.protect import (
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.saved import (
    SavedVolume,
    load_data,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.schemas import (
    SCHEMAS,
)
from karbor.services.protection.protection_plugins.volume.settings import (
    GlanceCopySettings,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


_NAME = "Volume Glance Backup"


class VolumeGlanceProtectionPlugin(DescribedPlugin[GlanceCopySettings]):
    """``OS::Cinder::Volume``; configured in ``[volume_glance_plugin]``."""

    resource_types = (constants.VOLUME_RESOURCE_TYPE,)
    schemas = SCHEMAS
    settings_class = GlanceCopySettings

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self.settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(_NAME, load_data)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return CopyOperation(_NAME, load_data, check_objects)

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(_NAME, functools.partial(clean_up_all, self.settings))

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = SavedVolume.find(metadata_store)
        if saved is None:
            return None
        return {
            "volume_metadata": dict(saved.described.fields),
            "backup_name": saved.backup_name,
            "description": saved.backup_description,
            "size": saved.data.size if saved.data is not None else None,
        }
