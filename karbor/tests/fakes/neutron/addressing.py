# SPDX-License-Identifier: Apache-2.0
"""The addresses of subnets and ports."""

import ipaddress
from collections.abc import Iterator
from typing import Any

from karbor.tests.fakes.neutron.facts import Refused

_Thing = dict[str, Any]


def complete(subnet: _Thing, fields: _Thing) -> None:
    """Give a new subnet the gateway and pools that it was not given."""
    net = ipaddress.ip_network(subnet["cidr"])
    first = net.network_address + (1 if net.version == 4 else 0)
    if "gateway_ip" not in fields:
        subnet["gateway_ip"] = str(first)
    if subnet["allocation_pools"] is None:
        subnet["allocation_pools"] = list(_pools(net, subnet["gateway_ip"]))


def _pools(net: Any, gateway: str | None) -> Iterator[dict[str, str]]:
    start = net.network_address + 1
    end = net.broadcast_address - (1 if net.version == 4 else 0)
    if gateway is not None and start <= ipaddress.ip_address(gateway) <= end:
        middle = ipaddress.ip_address(gateway)
        if start < middle:
            yield {"start": str(start), "end": str(middle - 1)}
        start = middle + 1
    yield {"start": str(start), "end": str(end)}


def overlap(one: str, other: str) -> bool:
    """Whether two networks share addresses."""
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and first.overlaps(second)


def is_automatic(subnet: _Thing) -> bool:
    """Whether ports make their addresses themselves."""
    return subnet["ipv6_address_mode"] in ("slaac", "dhcpv6-stateless")


def allocate(
    subnet: _Thing, wanted: str | None, used: set[str], mac: str, *, is_router: bool
) -> str:
    """An address in a subnet."""
    net = ipaddress.ip_network(subnet["cidr"])
    if is_automatic(subnet) and not is_router:
        if wanted is not None and wanted != _from_mac(net, mac):
            raise Refused(
                400,
                "InvalidInput",
                f"IPv6 address {wanted} can not be directly assigned to a port on "
                f"subnet {subnet['id']}",
            )
        wanted = _from_mac(net, mac)
    if wanted is not None:
        if ipaddress.ip_address(wanted) not in net:
            raise Refused(
                400,
                "InvalidIpForSubnet",
                f"IP address {wanted} is not a valid IP for the specified subnet.",
            )
        if wanted in used:
            raise Refused(
                409,
                "IpAddressAlreadyAllocated",
                f"IP address {wanted} already allocated in subnet {subnet['id']}",
            )
        return wanted
    for pool in subnet["allocation_pools"]:
        address = ipaddress.ip_address(pool["start"])
        while address <= ipaddress.ip_address(pool["end"]):
            if str(address) not in used:
                return str(address)
            address += 1
    raise Refused(
        409,
        "IpAddressGenerationFailure",
        f"No more IP addresses available on network {subnet['network_id']}.",
    )


def _from_mac(net: Any, mac: str) -> str:
    parts = [int(part, 16) for part in mac.split(":")]
    parts[0] ^= 2
    bits = bytes([*parts[:3], 0xFF, 0xFE, *parts[3:]])
    return str(net.network_address + int.from_bytes(bits, "big"))
