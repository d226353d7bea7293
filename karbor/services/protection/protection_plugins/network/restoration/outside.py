# SPDX-License-Identifier: Apache-2.0
"""Networks of others: what stands for those that the project does not own."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.neutron_networks import EXTERNAL, Kind
from karbor.services.protection.protection_plugins.network.restoration.target import (
    Target,
)
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    title,
)

#: The restore's parameters for it; the second is what Karbor 1.x knew.
MAP = "external_networks"
ANY = "public_network_id"


@dataclasses.dataclass(frozen=True)
class Outside:
    """Finds the networks of others in the target.

    :param choices: by the original's id or name, the id or name of what to use
    :param fallback: the id or name of the external network to use for any that is not
        found
    """

    target: Target
    choices: Mapping[str, str]
    fallback: str | None = None

    @classmethod
    def from_parameters(cls, target: Target, parameters: Mapping[str, Any]) -> Self:
        """As the restore's parameters say."""
        return cls(target, parameters.get(MAP) or {}, parameters.get(ANY))

    def gateway(self, network: Thing) -> Thing | None:
        """The external network for a router's gateway; None when there is none.

        :param network: that it was on; with its id at least
        :raises InvalidParameterValue: when the parameters name one that is not there
        """
        found = self.chosen(network)
        if found is None:
            there = self.target.find(Kind.NETWORK, [network]).get(network["id"])
            found = there if there and there.get(EXTERNAL) else None
        if found is None and network.get("name"):
            found = self.namesake({**network, EXTERNAL: True})
        if found is None and self.fallback:
            found = self._named(self.fallback, ANY)
        return found

    def chosen(self, network: Thing) -> Thing | None:
        """What the parameters say to use for a network.

        :raises InvalidParameterValue: when that is not there
        """
        wanted = self.choices.get(network["id"])
        if wanted is None:
            wanted = self.choices.get(network.get("name") or "")
        return None if wanted is None else self._named(wanted, MAP)

    def namesake(self, network: Thing) -> Thing | None:
        """A network of others with the same name; None when there is none.

        :raises InvalidParameterValue: when there are several
        """
        kind = EXTERNAL if network.get(EXTERNAL) else "shared"
        found = [
            one
            for one in self.target.neutron.list(Kind.NETWORK, name=network["name"])
            if one.get(kind)
        ]
        if len(found) > 1:
            raise exception.InvalidParameterValue(
                err=_(
                    "%(count)d networks may stand for %(network)s: %(ids)s. Name one "
                    "of them in '%(map)s'."
                )
                % {
                    "count": len(found),
                    "network": title(network),
                    "ids": ", ".join(one["id"] for one in found),
                    "map": MAP,
                }
            )
        return found[0] if found else None

    def _named(self, wanted: str, parameter: str) -> Thing:
        neutron = self.target.neutron
        found = neutron.get(Kind.NETWORK, wanted)
        if found is not None:
            return found
        named = neutron.list(Kind.NETWORK, name=wanted)
        if len(named) != 1:
            raise exception.InvalidParameterValue(
                err=_(
                    "'%(parameter)s' names network '%(wanted)s', and the restore's "
                    "user sees %(count)d of that id or name. Name one by its id."
                )
                % {"parameter": parameter, "wanted": wanted, "count": len(named)}
            )
        return named[0]
