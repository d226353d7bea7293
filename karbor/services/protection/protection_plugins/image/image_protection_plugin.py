# SPDX-License-Identifier: Apache-2.0
"""Protects Glance's images: data and description into the bank, and back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation, ProtectionPlugin
from karbor.services.protection.protection_plugins.image import (
    image_plugin_schemas as schemas,
)
from karbor.services.protection.protection_plugins.image.keep import (
    CopyOperation,
    DeleteOperation,
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.image.protect import (
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.image.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.image.saved_image import SavedImage
from karbor.services.protection.protection_plugins.image.settings import ImageSettings

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class GlanceProtectionPlugin(ProtectionPlugin):
    """``OS::Glance::Image``; configured in ``[image_backup_plugin]``."""

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__(config)
        self._settings = ImageSettings.from_conf(
            config if config is not None else cfg.CONF
        )

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self._settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self._settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation()

    def get_copy_operation(self, resource: Resource) -> Operation:
        return CopyOperation()

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation()

    @classmethod
    def get_supported_resources_types(cls) -> Sequence[str]:
        return [constants.IMAGE_RESOURCE_TYPE]

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
        saved = SavedImage.find(metadata_store)
        if saved is None:
            return None
        return {
            "image_metadata": saved.image_metadata,
            "backup_name": saved.backup_name,
        }
