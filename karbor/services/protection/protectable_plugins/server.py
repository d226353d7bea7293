# SPDX-License-Identifier: Apache-2.0
"""Finds servers: those of a project."""

from typing import Any

from karbor.common import constants
from karbor.context import RequestContext
from karbor.services.protection.protectable_plugins.listed import (
    ListedProtectablePlugin,
    States,
)
from karbor.services.protection.protectable_plugins.listing import Listing, Thing
from karbor.services.protection.protectable_plugins.server_listing import (
    open_servers,
)

#: https://docs.openstack.org/api-guide/compute/server_concepts.html
#: ERROR is among them: what such a server has on its volumes is all the more wanted.
STATES = States(
    protectable=frozenset(
        {
            "ACTIVE",
            "ERROR",
            "HARD_REBOOT",
            "MIGRATING",
            "PASSWORD",
            "PAUSED",
            "REBOOT",
            "REBUILD",
            "RESCUE",
            "RESIZE",
            "REVERT_RESIZE",
            "SHELVED",
            "SHELVED_OFFLOADED",
            "SHUTOFF",
            "SUSPENDED",
            "VERIFY_RESIZE",
        }
    ),
    absent=frozenset({"BUILD", "DELETED", "SOFT_DELETED"}),
)


class ServerProtectablePlugin(ListedProtectablePlugin):
    """``OS::Nova::Server``. A project depends on the servers that it owns."""

    service = "nova"
    resource_type = constants.SERVER_RESOURCE_TYPE
    states = STATES

    def _open(self, context: RequestContext) -> Listing:
        return open_servers(context, self._configuration)

    def _extra_info(self, thing: Thing) -> dict[str, Any] | None:
        zone = thing.get("OS-EXT-AZ:availability_zone")
        return {"availability_zone": zone} if zone else None
