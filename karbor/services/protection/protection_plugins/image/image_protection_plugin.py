# SPDX-License-Identifier: Apache-2.0
"""Protects Glance's images: data and description into the bank, and back."""

import functools
from typing import TYPE_CHECKING, Any

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.image.image_plugin_schemas import (
    SCHEMAS,
)
from karbor.services.protection.protection_plugins.image.protect import (
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.image.restore import (
    RestoreOperation,
    clean_up,
)
from karbor.services.protection.protection_plugins.image.saved_image import SavedImage
from karbor.services.protection.protection_plugins.image.settings import ImageSettings
from karbor.services.protection.protection_plugins.image.verify import (
    VerifyOperation,
    check_objects,
)
from karbor.services.protection.protection_plugins.section import (
    CopyOperation,
    DeleteOperation,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

_NAME = "Image Backup"


class GlanceProtectionPlugin(DescribedPlugin[ImageSettings]):
    """``OS::Glance::Image``; configured in ``[image_backup_plugin]``."""

    resource_types = (constants.IMAGE_RESOURCE_TYPE,)
    schemas = SCHEMAS
    settings_class = ImageSettings

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self.settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(_NAME, SavedImage.load)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return CopyOperation(_NAME, SavedImage.load, check_objects)

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(_NAME, functools.partial(clean_up, self.settings))

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = SavedImage.find(metadata_store)
        if saved is None:
            return None
        return {
            "image_metadata": saved.image_metadata,
            "backup_name": saved.backup_name,
        }
