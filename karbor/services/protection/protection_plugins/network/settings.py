# SPDX-License-Identifier: Apache-2.0
"""How the operations on networks reach Neutron."""

import dataclasses

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.neutron_networks import Neutron

GROUP = "neutron_backup_protection_plugin"

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


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the group known to a configuration."""
    conf.register_opts(OPTS, group=GROUP)


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """What the operations on networks are configured with.

    :param conf: the provider's configuration
    """

    conf: cfg.ConfigOpts

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "NetworkSettings":
        """Read the plugin's group of a provider's configuration."""
        register_opts(conf)
        return cls(conf=conf)

    def neutron(self, context: RequestContext) -> Neutron:
        """What the caller sees of Neutron."""
        return Neutron(ClientFactory.create_client("neutron", context, self.conf))
