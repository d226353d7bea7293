# SPDX-License-Identifier: Apache-2.0
"""Protects Cinder's volumes by Cinder's backups."""

from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.uncopied import UncopiedOperation
from karbor.services.protection.protection_plugins.volume import settings
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


class CinderBackupProtectionPlugin(DescribedPlugin):
    """``OS::Cinder::Volume``; configured in ``[cinder_backup_protection_plugin]``."""

    resource_types = (constants.VOLUME_RESOURCE_TYPE,)
    schemas = SCHEMAS

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__(config)
        self._settings = settings.VolumeSettings.from_conf(self.conf, GROUP)
        self.conf.register_opts(OPTS, group=GROUP)
        self._from_snapshot: bool = self.conf[GROUP].backup_from_snapshot

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
