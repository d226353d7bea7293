# SPDX-License-Identifier: Apache-2.0
"""What a bank keeps of a network: the object ``metadata``."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.neutron_networks import (
    DEFAULT_GROUP,
    INTERFACE_OWNERS,
    OWNER,
)
from karbor.services.protection.protection_plugins.network import legacy

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

METADATA = "metadata"
VERSION = 2

#: A thing of Neutron's, with the fields that the Networking API v2.0 documents.
Thing = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Topology:
    """Networks and what is on them, as Neutron showed it.

    One network, but where Karbor 1.x protected: it kept all of a project as one.

    :param project_id: whose ports, routers and security groups these are. A network
        that it does not own was shared with it or is external.
    :param networks: what was protected
    :param subnets: of these networks
    :param ports: on these networks, but those that Neutron makes for itself; with those
        that join them to routers
    :param routers: that are joined to these networks; each has ``interfaces``, which
        names all subnets that it was joined to, also those of other networks
    :param security_groups: that ports of these networks are in, those that their
        rules refer to, and the project's default group; with their rules. One network
        of a project has those, and the routers, that are of no use to any network
    :param address_groups: that rules refer to
    :param external_networks: that the routers have their gateways on
    :param floating_ips: of ports on these networks
    """

    project_id: str
    networks: tuple[Thing, ...] = ()
    subnets: tuple[Thing, ...] = ()
    ports: tuple[Thing, ...] = ()
    routers: tuple[Thing, ...] = ()
    security_groups: tuple[Thing, ...] = ()
    address_groups: tuple[Thing, ...] = ()
    external_networks: tuple[Thing, ...] = ()
    floating_ips: tuple[Thing, ...] = ()

    @classmethod
    def find(cls, section: "BankSection") -> "Topology | None":
        """What a resource's section keeps, or None when it keeps no network.

        :raises BankDataCorrupted: when it is in no form that this Karbor knows
        """
        if METADATA not in section.list_objects(prefix=METADATA):
            return None
        saved = section.get_object(METADATA)
        try:
            if legacy.is_legacy(saved):
                return cls._of(legacy.converted(saved))
            if saved["version"] != VERSION:
                raise exception.BankDataCorrupted(
                    reason=_(
                        "%(section)r is of version %(found)s, and this Karbor reads "
                        "%(known)s. Use the Karbor that wrote it, or a later one."
                    )
                    % {"section": section, "found": saved["version"], "known": VERSION}
                )
            return cls._of(saved)
        except (AttributeError, KeyError, TypeError) as error:
            raise exception.BankDataCorrupted(
                reason=_("%(section)r describes no network: %(error)r")
                % {"section": section, "error": error}
            ) from error

    @classmethod
    def load(cls, section: "BankSection") -> "Topology":
        """What a resource's section keeps of a wholly protected network.

        :raises BankDataCorrupted: when there is none, or parts of it are missing
        """
        saved = cls.find(section)
        if saved is None:
            raise exception.BankDataCorrupted(
                reason=_("%r holds no protected network. Use another checkpoint.")
                % section
            )
        missing = sorted(saved._missing())
        if missing:
            raise exception.BankDataCorrupted(
                reason=_("%(section)r lacks %(missing)s, which it refers to")
                % {"section": section, "missing": ", ".join(missing)}
            )
        return saved

    @classmethod
    def _of(cls, saved: dict[str, Any]) -> "Topology":
        fields = [field.name for field in dataclasses.fields(cls)][1:]
        return cls(
            project_id=saved["project_id"],
            **{name: tuple(dict(one) for one in saved[name]) for name in fields},
        )

    def save(self, section: "BankSection") -> None:
        """Keep it in a resource's section."""
        section.update_object(
            METADATA, {"version": VERSION, **dataclasses.asdict(self)}
        )

    def owns(self, thing: Thing) -> bool:
        """Whether the project that was protected owns something of this."""
        return bool(thing.get(OWNER) == self.project_id)

    def subnets_of(self, network_id: str) -> list[Thing]:
        """The subnets of one of the networks."""
        return [one for one in self.subnets if one["network_id"] == network_id]

    def ports_of(self, network_id: str) -> list[Thing]:
        """The ports on one of the networks."""
        return [one for one in self.ports if one["network_id"] == network_id]

    @property
    def interfaces(self) -> list[Thing]:
        """The ports that join the networks to routers."""
        return [one for one in self.ports if is_interface(one)]

    def _missing(self) -> Iterator[str]:
        networks = {one["id"] for one in self.networks}
        if not networks:
            yield "a network"
        for kind, things in (("subnet", self.subnets), ("port", self.ports)):
            for one in things:
                if one["network_id"] not in networks:
                    yield f"network {one['network_id']} of {kind} {one['id']}"
        for group in self.security_groups:
            if "security_group_rules" not in group:
                yield f"the rules of security group {group['id']}"


def is_interface(port: Thing) -> bool:
    """Whether a port joins its network to a router."""
    return port["device_owner"] in INTERFACE_OWNERS


def is_default_group(group: Thing) -> bool:
    """Whether a security group is the one that its project has from the beginning."""
    return bool(group["name"] == DEFAULT_GROUP)


def title(thing: Thing) -> str:
    """A thing as people know it: by its name, if it has one, and its id."""
    name = thing.get("name")
    return f"'{name}' ({thing['id']})" if name else str(thing["id"])
