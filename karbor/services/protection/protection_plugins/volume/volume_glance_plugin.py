# SPDX-License-Identifier: Apache-2.0
"""Protects Cinder's volumes: their data into the bank, and back, by way of Glance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation, ProtectionPlugin
from karbor.services.protection.protection_plugins.image.keep import (
    CopyOperation,
    DeleteOperation,
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.volume import settings
from karbor.services.protection.protection_plugins.volume.glance_copy import schemas
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

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

GROUP = "volume_glance_plugin"

OPTS = settings.OPTS

_NAME = "Volume Glance Backup"


class VolumeGlanceProtectionPlugin(ProtectionPlugin):
    """``OS::Cinder::Volume``; configured in ``[volume_glance_plugin]``."""

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__(config)
        self._settings = settings.VolumeSettings.from_conf(
            config if config is not None else cfg.CONF, GROUP
        )

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self._settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self._settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(_NAME, load_data)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return CopyOperation(_NAME, load_data)

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(_NAME)

    @classmethod
    def get_supported_resources_types(cls) -> Sequence[str]:
        return [constants.VOLUME_RESOURCE_TYPE]

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
        saved = SavedVolume.find(metadata_store)
        if saved is None:
            return None
        return {
            "volume_metadata": dict(saved.described.fields),
            "backup_name": saved.backup_name,
            "description": saved.backup_description,
            "size": saved.data.size if saved.data is not None else None,
        }
