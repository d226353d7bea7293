# SPDX-License-Identifier: Apache-2.0
"""Protects Cinder's volumes by Cinder's backups."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation, ProtectionPlugin
from karbor.services.protection.protection_plugins.uncopied import UncopiedOperation
from karbor.services.protection.protection_plugins.volume import settings
from karbor.services.protection.protection_plugins.volume.cinder_backup import (
    protect,
    schemas,
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

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

GROUP = "cinder_backup_protection_plugin"

OPTS: tuple[cfg.Opt, ...] = (
    *settings.OPTS,
    cfg.BoolOpt(
        "backup_from_snapshot",
        default=True,
        help="Take a temporary snapshot of a volume first and back that up: the data "
        "is that of one moment, and the volume can be used meanwhile. Without it an "
        "attached volume is backed up only with force, and changes under the backup.",
    ),
)


class CinderBackupProtectionPlugin(ProtectionPlugin):
    """``OS::Cinder::Volume``; configured in ``[cinder_backup_protection_plugin]``."""

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__(config)
        options = config if config is not None else cfg.CONF
        self._settings = settings.VolumeSettings.from_conf(options, GROUP)
        options.register_opts(OPTS, group=GROUP)
        self._from_snapshot: bool = options[GROUP].backup_from_snapshot

    def get_protect_operation(self, resource: Resource) -> Operation:
        return protect.ProtectOperation(
            self._settings, from_snapshot=self._from_snapshot
        )

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self._settings, BACKUP)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(self._settings, BACKUP)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return UncopiedOperation(
            _("a backup in Cinder"),
            _("Use karbor-volume-glance-plugin for checkpoints that are copied."),
        )

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(self._settings, BACKUP)

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
        saved = SavedVolume.find(metadata_store, BACKUP)
        if saved is None:
            return None
        return {
            BACKUP.id_field: saved.kept_id,
            **saved.details,
            "volume_metadata": dict(saved.described.fields),
        }
