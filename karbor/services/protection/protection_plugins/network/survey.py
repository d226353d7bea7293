# SPDX-License-Identifier: Apache-2.0
"""Asks a Neutron what a network and everything on it is.

One listing for each kind of thing, however many there are.
"""

from collections.abc import Iterable
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.i18n import _
from karbor.services.protection.clients.neutron_networks import (
    EXTERNAL,
    OWN_PREFIX,
    OWNER,
    Kind,
    Neutron,
)
from karbor.services.protection.protection_plugins.network.marks import (
    without_mark,
    without_marks,
)
from karbor.services.protection.protection_plugins.network.scope import Scope
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    Topology,
    is_default_group,
    is_interface,
)

#: Changes by itself, or means nothing elsewhere.
_DROPPED = frozenset(
    {
        "binding:host_id",
        "binding:profile",
        "binding:vif_details",
        "binding:vif_type",
        "created_at",
        "revision_number",
        "standard_attr_id",
        "status",
        "tenant_id",
        "updated_at",
    }
)


def survey(neutron: Neutron, network_id: str, scope: Scope) -> Topology:
    """A network, with what a project has on it.

    :raises ProtectableResourceNotFound: when there is no such network
    :raises ServiceFailed: when Neutron cannot be asked
    """
    network = neutron.get(Kind.NETWORK, network_id)
    if network is None:
        raise exception.ProtectableResourceNotFound(
            id=network_id,
            type=constants.NETWORK_RESOURCE_TYPE,
            reason=_("Neutron has no such network, or the caller does not see it"),
        )
    owner = _owner(neutron, network, scope)
    ports = _ports(neutron, network, owner)
    routers = _routers(neutron, ports, owner, with_unused=scope.has_unused)
    groups = _groups(neutron, ports, owner, with_unused=scope.has_unused)
    gateways = (router.get("external_gateway_info") or {} for router in routers)
    return Topology(
        project_id=owner,
        networks=_cleaned([network]),
        subnets=_cleaned(neutron.list(Kind.SUBNET, network_id=network_id)),
        ports=_cleaned(ports),
        routers=_cleaned(routers),
        security_groups=_cleaned(groups),
        address_groups=_cleaned(_address_groups(neutron, groups)),
        external_networks=_cleaned(
            _named(neutron, Kind.NETWORK, (one.get("network_id") for one in gateways))
        ),
        floating_ips=_cleaned(_floating_ips(neutron, ports, owner)),
    )


def _owner(neutron: Neutron, network: Thing, scope: Scope) -> str:
    """Whose things on the network are meant.

    An administrator who has nothing on another's network means that one's.
    """
    if scope.project_id is not None:
        return scope.project_id
    caller, owner = scope.caller_id, str(network[OWNER])
    if caller == owner or not (network.get("shared") or network.get(EXTERNAL)):
        return owner
    if scope.is_admin and not _ports(neutron, network, caller):
        return owner
    return caller


def _ports(neutron: Neutron, network: Thing, owner: str) -> list[Thing]:
    """The project's, and those that join the network to routers."""
    filters = {} if network[OWNER] == owner else {OWNER: owner}
    found = neutron.list(Kind.PORT, network_id=network["id"], **filters)
    return [
        port
        for port in found
        if is_interface(port)
        or (port[OWNER] == owner and not port["device_owner"].startswith(OWN_PREFIX))
    ]


def _routers(
    neutron: Neutron, ports: list[Thing], owner: str, *, with_unused: bool
) -> list[Thing]:
    """The owner's that join the network, and perhaps those that join none."""
    ids = {port["device_id"] for port in ports if is_interface(port)}
    if with_unused:
        found = neutron.list(Kind.ROUTER, **{OWNER: owner})
    else:
        found = [
            one for one in _named(neutron, Kind.ROUTER, ids) if one[OWNER] == owner
        ]
    if not found:
        return []
    joined = neutron.by_ids(
        Kind.PORT, (router["id"] for router in found), field="device_id"
    )
    interfaces = [port for port in joined.values() if is_interface(port)]
    elsewhere = {port["device_id"] for port in interfaces} - ids
    subnets = neutron.by_ids(
        Kind.SUBNET,
        (end["subnet_id"] for port in interfaces for end in port["fixed_ips"]),
    )
    return [
        {
            **router,
            "interfaces": [
                {
                    "network_id": port["network_id"],
                    **end,
                    "cidr": subnets.get(end["subnet_id"], {}).get("cidr"),
                }
                for port in interfaces
                if port["device_id"] == router["id"]
                for end in port["fixed_ips"]
            ],
        }
        for router in found
        if router["id"] not in elsewhere
    ]


def _groups(
    neutron: Neutron, ports: list[Thing], owner: str, *, with_unused: bool
) -> list[Thing]:
    """Those that ports are in, those that rules refer to, and the default one.

    :param with_unused: whether all others of the owner, too
    """
    known = {
        group["id"]: group
        for group in neutron.list(Kind.SECURITY_GROUP, **{OWNER: owner})
    }
    wanted = {name for port in ports for name in port.get("security_groups") or ()}
    wanted.update(
        name for name, group in known.items() if with_unused or is_default_group(group)
    )
    reached: dict[str, Thing] = {}
    while wanted:
        # Those of other projects, which may be shared with this one.
        known.update(neutron.by_ids(Kind.SECURITY_GROUP, wanted - known.keys()))
        new = [known[name] for name in wanted if name in known]
        reached.update((group["id"], group) for group in new)
        wanted = _remotes(new, "remote_group_id") - reached.keys()
    return list(reached.values())


def _address_groups(neutron: Neutron, groups: list[Thing]) -> list[Thing]:
    wanted = _remotes(groups, "remote_address_group_id")
    return _named(neutron, Kind.ADDRESS_GROUP, wanted)


def _floating_ips(neutron: Neutron, ports: list[Thing], owner: str) -> list[Thing]:
    ids = {port["id"] for port in ports}
    if not ids:
        return []
    found = neutron.list(Kind.FLOATING_IP, **{OWNER: owner})
    return [one for one in found if one["port_id"] in ids]


def _remotes(groups: Iterable[Thing], field: str) -> set[str]:
    return {
        rule[field]
        for group in groups
        for rule in group["security_group_rules"]
        if rule.get(field)
    }


def _named(neutron: Neutron, kind: Kind, ids: Iterable[Any]) -> list[Thing]:
    """Those of the named things that the caller sees; no call for none."""
    return list(neutron.by_ids(kind, (one for one in ids if one)).values())


def _cleaned(things: Iterable[Thing]) -> tuple[Thing, ...]:
    return tuple(_clean(thing) for thing in things)


def _clean(thing: Thing) -> Thing:
    kept = {name: value for name, value in thing.items() if name not in _DROPPED}
    if "tags" in kept:
        kept["tags"] = without_marks(kept["tags"])
    if "security_group_rules" in kept:
        kept["security_group_rules"] = [
            {**rule, "description": without_mark(rule.get("description") or "")}
            for rule in kept["security_group_rules"]
        ]
    return kept
