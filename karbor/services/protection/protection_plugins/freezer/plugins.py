# SPDX-License-Identifier: Apache-2.0
"""Protects volumes and servers by Freezer, whose agents move the data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.freezer import (
    freezer_plugin_schemas,
)
from karbor.services.protection.protection_plugins.freezer.keep import (
    DeleteOperation,
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.freezer.protect import (
    Coverage,
    OneCoverage,
    ProjectCoverage,
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.freezer.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.freezer.saved_backup import (
    SavedBackup,
)
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)
from karbor.services.protection.protection_plugins.freezer.targets import (
    ServerKind,
    VolumeKind,
)
from karbor.services.protection.protection_plugins.noop_plugin import (
    NoopProtectionPlugin,
)
from karbor.services.protection.protection_plugins.uncopied import UncopiedOperation

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class _FreezerPlugin(DescribedPlugin[FreezerSettings]):
    """What the plugins share; configured in ``[freezer_protection_plugin]``."""

    schemas = freezer_plugin_schemas.SCHEMAS
    settings_class = FreezerSettings
    coverage: ClassVar[Coverage]

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self.settings, self.coverage)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation(self.settings)

    def get_copy_operation(self, resource: Resource) -> Operation:
        return UncopiedOperation(
            _("Freezer's storage"),
            _("Use a plugin that keeps the data in the bank, as those by Glance do."),
        )

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(self.settings)

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = SavedBackup.find(metadata_store)
        if saved is None:
            return None
        return {
            "backup_name": saved.backup_name,
            "storage": saved.storage,
            "container": saved.container,
            "size": saved.size,
            "resources": [
                {"id": target.id, "name": target.name} for target in saved.targets
            ],
        }


class FreezerProtectionPlugin(_FreezerPlugin):
    """``OS::Cinder::Volume``."""

    resource_types = (constants.VOLUME_RESOURCE_TYPE,)
    coverage = OneCoverage(VolumeKind())


class ServerFreezerProtectionPlugin(_FreezerPlugin):
    """``OS::Nova::Server``: its root disk, and a new server from it."""

    resource_types = (constants.SERVER_RESOURCE_TYPE,)
    coverage = OneCoverage(ServerKind())


class ProjectFreezerProtectionPlugin(_FreezerPlugin):
    """``OS::Keystone::Project``: all its servers by one job."""

    resource_types = (constants.PROJECT_RESOURCE_TYPE,)
    schemas = freezer_plugin_schemas.PROJECT_SCHEMAS
    coverage = ProjectCoverage()


class ImageFreezerProtectionPlugin(NoopProtectionPlugin):
    """``OS::Glance::Image``: nothing, as Freezer saves what a server has of it."""

    @classmethod
    def get_supported_resources_types(cls) -> Sequence[str]:
        return [constants.IMAGE_RESOURCE_TYPE]


class NetworkFreezerProtectionPlugin(NoopProtectionPlugin):
    """``OS::Neutron::Network``: nothing, as Freezer gives a server what is there."""

    @classmethod
    def get_supported_resources_types(cls) -> Sequence[str]:
        return [constants.NETWORK_RESOURCE_TYPE]
