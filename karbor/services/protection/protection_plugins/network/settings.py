# SPDX-License-Identifier: Apache-2.0
"""How the operations on networks reach Neutron."""

import dataclasses

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.neutron_networks import Neutron
from karbor.services.protection.protection_plugins.settings import Settings

OPTS: list[cfg.Opt] = [
    cfg.FloatOpt(
        "poll_interval",
        default=15.0,
        min=0.01,
        deprecated_for_removal=True,
        deprecated_reason="Neutron makes everything that is asked for at once, so "
        "there is nothing to look at again.",
        help="Without effect. Take it out of the file.",
    ),
]


@dataclasses.dataclass(frozen=True)
class NetworkSettings(Settings):
    """The plugin's options, and how its operations reach Neutron."""

    group = "neutron_backup_protection_plugin"
    opts = OPTS

    def neutron(self, context: RequestContext) -> Neutron:
        """What the caller sees of Neutron."""
        return Neutron(ClientFactory.create_client("neutron", context, self.conf))
