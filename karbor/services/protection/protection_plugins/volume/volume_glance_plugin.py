# SPDX-License-Identifier: Apache-2.0
"""Protects Cinder's volumes: their data into the bank, and back, by way of Glance."""

from typing import TYPE_CHECKING, Any

from oslo_config import cfg

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
from karbor.services.protection.protection_plugins.volume import settings
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

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

GROUP = "volume_glance_plugin"

OPTS = settings.OPTS

_NAME = "Volume Glance Backup"


class VolumeGlanceProtectionPlugin(DescribedPlugin):
    """``OS::Cinder::Volume``; configured in ``[volume_glance_plugin]``."""

    resource_types = (constants.VOLUME_RESOURCE_TYPE,)
    schemas = SCHEMAS

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__(config)
        self._settings = settings.VolumeSettings.from_conf(self.conf, GROUP)

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self._settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self._settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(_NAME, load_data)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return CopyOperation(_NAME, load_data, check_objects)

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(_NAME)

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
