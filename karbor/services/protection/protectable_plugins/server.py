# SPDX-License-Identifier: Apache-2.0
"""Finds servers: those of a project."""

from typing import Any

from karbor.common import constants
from karbor.context import RequestContext
from karbor.services.protection.clients.nova_servers import PASSING, RESTING
from karbor.services.protection.protectable_plugins.listed import (
    ListedProtectablePlugin,
    States,
)
from karbor.services.protection.protectable_plugins.listing import Listing, Thing
from karbor.services.protection.protectable_plugins.server_listing import (
    open_servers,
)

_ABSENT = frozenset({"BUILD", "DELETED", "SOFT_DELETED"})
STATES = States(
    protectable=frozenset(status.upper() for status in RESTING | PASSING) - _ABSENT,
    absent=_ABSENT,
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
