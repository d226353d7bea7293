# SPDX-License-Identifier: Apache-2.0
"""Protects Neutron's networks: what they are and all that is on them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.described import DescribedPlugin
from karbor.services.protection.protection_plugins.network import (
    network_plugin_schemas,
)
from karbor.services.protection.protection_plugins.network.protect import (
    NAME,
    ProtectOperation,
)
from karbor.services.protection.protection_plugins.network.restore import (
    RestoreOperation,
)
from karbor.services.protection.protection_plugins.network.settings import (
    NetworkSettings,
)
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    Topology,
)
from karbor.services.protection.protection_plugins.network.verify import (
    VerifyOperation,
)
from karbor.services.protection.protection_plugins.section import (
    CopyOperation,
    DeleteOperation,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection


class NeutronProtectionPlugin(DescribedPlugin[NetworkSettings]):
    """``OS::Neutron::Network``, with subnets, routers, ports and security groups."""

    resource_types = (constants.NETWORK_RESOURCE_TYPE,)
    schemas = network_plugin_schemas.SCHEMAS
    settings_class = NetworkSettings

    def get_protect_operation(self, resource: Resource) -> Operation:
        return ProtectOperation(self.settings)

    def get_restore_operation(self, resource: Resource) -> Operation:
        return RestoreOperation(self.settings)

    def get_verify_operation(self, resource: Resource) -> Operation:
        return VerifyOperation()

    def get_copy_operation(self, resource: Resource) -> Operation:
        return CopyOperation(NAME, Topology.load)

    def get_delete_operation(self, resource: Resource) -> Operation:
        return DeleteOperation(NAME)

    @classmethod
    def get_saved_info(
        cls, metadata_store: "BankSection", resource: Resource
    ) -> dict[str, Any] | None:
        saved = Topology.find(metadata_store)
        if saved is None:
            return None
        return {
            "networks": _named(saved.networks),
            "subnets": _named(saved.subnets, "cidr"),
            "routers": _named(saved.routers),
            "ports": _named(saved.ports, "device_owner", "mac_address", "fixed_ips"),
            "security_groups": _named(saved.security_groups),
            "floating_ips": [one["floating_ip_address"] for one in saved.floating_ips],
        }


def _named(things: Iterable[Thing], *further: str) -> list[dict[str, Any]]:
    return [
        {name: one.get(name) for name in ("id", "name", *further)} for one in things
    ]
