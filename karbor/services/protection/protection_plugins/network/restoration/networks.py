# SPDX-License-Identifier: Apache-2.0
"""Restoring networks and their subnets."""

from collections.abc import Mapping
from typing import Any

from karbor.i18n import _
from karbor.services.protection.clients.neutron_networks import (
    EXTERNAL,
    Kind,
    is_dynamic,
)
from karbor.services.protection.protection_plugins.network.restoration.addresses import (  # noqa: E501
    pools_without,
)
from karbor.services.protection.protection_plugins.network.restoration.outside import (
    Outside,
)
from karbor.services.protection.protection_plugins.network.restoration.target import (
    Target,
)
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    Topology,
    title,
)
from karbor.services.protection.protection_plugins.wishes import (
    Wish,
)

#: A field that Neutron lets its user set, and how people call it. Those that only
#: administrators may set come last.
_NETWORK_WISHES = (
    ("port_security_enabled", "its port security setting"),
    ("dns_domain", "its DNS domain"),
    ("availability_zone_hints", "its availability zone hints"),
    ("mtu", "its MTU"),
    ("qos_policy_id", "its QoS policy"),
    ("vlan_transparent", "VLAN transparency"),
    ("qinq", "QinQ"),
)
_SUBNET_WISHES = (
    ("subnetpool_id", "its subnet pool"),
    ("service_types", "its service types"),
    ("segment_id", "its segment"),
)
#: What a network on a physical one is made of. A tunnel's number means nothing anew.
_PROVIDER = (
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
)


def restore_network(
    target: Target, topology: Topology, network: Thing, outside: Outside, name: str
) -> Thing:
    """The network that stands for one that was protected.

    :param name: of a new one
    :raises ServiceFailed: when Neutron refuses it
    """
    is_own = topology.owns(network)
    found = None if is_own else outside.chosen(network)
    found = found or target.find(Kind.NETWORK, [network]).get(network["id"])
    if found is None and not is_own:
        found = outside.namesake(network)
    if found is None:
        found = _make(target, topology, network, name)
    target.new_ids[network["id"]] = found["id"]
    return found


def _make(target: Target, topology: Topology, network: Thing, name: str) -> Thing:
    wanted = [
        Wish(what, {field: network[field]})
        for field, what in _NETWORK_WISHES
        if network.get(field) not in (None, "", [])
    ]
    if topology.owns(network):
        wanted += _administrators_wishes(network)
    else:
        target.remarks.add(
            _(
                "The network %s was another project's, and there is none of its name "
                "now; the project has a private one instead. To use another one, name "
                "it in 'external_networks'"
            )
            % title(network)
        )
    fields = {"name": name, "admin_state_up": network["admin_state_up"]}
    return target.make(Kind.NETWORK, network, fields, wanted)


def _administrators_wishes(network: Thing) -> list[Wish]:
    wanted = []
    if network.get("shared"):
        wanted.append(Wish("being shared", {"shared": True}))
    if network.get(EXTERNAL):
        wanted.append(Wish("being external", {EXTERNAL: True}))
    if network.get("provider:physical_network"):
        provider = {
            name: network[name] for name in _PROVIDER if network.get(name) is not None
        }
        wanted.append(Wish("its place on a physical network", provider))
    return wanted


def restore_subnets(
    target: Target, topology: Topology, network: Thing, new: Thing
) -> None:
    """The subnets of a network that was protected, on the one that stands for it.

    Where there is a subnet with the same addresses, it is used.

    :raises ServiceFailed: when Neutron refuses one
    """
    subnets = topology.subnets_of(network["id"])
    there = target.neutron.list(Kind.SUBNET, network_id=new["id"])
    found = target.match(Kind.SUBNET, subnets, there)
    by_cidr = {one["cidr"]: one for one in there}
    for subnet in subnets:
        name = subnet["id"]
        thing = found.get(name) or by_cidr.get(subnet["cidr"])
        if thing is None and not target.owns(new):
            target.remarks.add(
                _("The network %(network)s has no subnet %(cidr)s, as %(subnet)s was")
                % {
                    "network": title(new),
                    "cidr": subnet["cidr"],
                    "subnet": title(subnet),
                }
            )
            continue
        if thing is None:
            thing = _make_subnet(target, topology, subnet, new["id"])
        target.new_ids[name] = thing["id"]


def _make_subnet(
    target: Target, topology: Topology, subnet: Thing, network_id: str
) -> Thing:
    fields = {
        "name": subnet["name"],
        "network_id": network_id,
        "ip_version": subnet["ip_version"],
        "cidr": subnet["cidr"],
        "gateway_ip": subnet["gateway_ip"] or None,
        "enable_dhcp": subnet["enable_dhcp"],
        "dns_nameservers": subnet["dns_nameservers"],
        "host_routes": subnet["host_routes"],
        "allocation_pools": _first_pools(topology, subnet),
    }
    for mode in ("ipv6_ra_mode", "ipv6_address_mode"):
        if subnet.get(mode):
            fields[mode] = subnet[mode]
    wanted = [
        Wish(what, {field: subnet[field]})
        for field, what in _SUBNET_WISHES
        if subnet.get(field)
    ]
    return target.make(Kind.SUBNET, subnet, fields, wanted)


def _first_pools(topology: Topology, subnet: Thing) -> list[dict[str, str]]:
    """Pools without the addresses that ports and servers are to have again.

    Else whatever comes first may take them, such as Neutron's own DHCP port.
    """
    if is_dynamic(subnet):
        return list(subnet["allocation_pools"])
    taken = [
        end["ip_address"]
        for port in topology.ports
        for end in port["fixed_ips"]
        if end["subnet_id"] == subnet["id"]
    ]
    return pools_without(subnet["allocation_pools"], taken)


def open_pools(target: Target, topology: Topology, network: Thing) -> None:
    """Give the subnets that this restore has made the pools that they had.

    :raises ServiceFailed: when Neutron refuses it
    """
    subnets = topology.subnets_of(network["id"])
    there = target.neutron.list(Kind.SUBNET, network_id=target.new_ids[network["id"]])
    made = target.match(Kind.SUBNET, subnets, there, is_reusing=False)
    for subnet in subnets:
        thing = made.get(subnet["id"])
        if thing is not None and not _has_pools(thing, subnet):
            pools = {"allocation_pools": subnet["allocation_pools"]}
            target.neutron.update(Kind.SUBNET, thing["id"], pools)


def _has_pools(thing: Mapping[str, Any], subnet: Mapping[str, Any]) -> bool:
    pools = [
        sorted((pool["start"], pool["end"]) for pool in one["allocation_pools"])
        for one in (thing, subnet)
    ]
    return pools[0] == pools[1]
