# SPDX-License-Identifier: Apache-2.0
"""What a port that is made anew is to have of the original one, if it may."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from karbor.services.protection.protection_plugins.wishes import Wish


def has_security(port: Mapping[str, Any]) -> bool:
    """Whether a port filters what goes through it."""
    return port.get("port_security_enabled") is not False


def address_wish(addresses: Iterable[str], ends: Iterable[Mapping[str, Any]]) -> Wish:
    """The same addresses again.

    :param ends: of the new port, each with its address, subnet or both
    """
    told = tuple(addresses)
    return Wish(f"the address {', '.join(told)}", {"fixed_ips": list(ends)}, told)


def port_wishes(port: Mapping[str, Any], addresses: Iterable[Wish]) -> Iterator[Wish]:
    """Those that every user is granted first.

    :param port: the original one
    :param addresses: the wishes for its addresses, in the same order
    """
    for field, what in (
        ("extra_dhcp_opts", "its DHCP options"),
        ("dns_name", "its DNS name"),
    ):
        if port.get(field):
            yield Wish(what, {field: port[field]})
    vnic_type = port.get("binding:vnic_type") or "normal"
    if vnic_type != "normal":
        yield Wish(f"the VNIC type {vnic_type}", {"binding:vnic_type": vnic_type})
    yield from addresses
    mac = port.get("mac_address")
    if mac:
        yield Wish(f"the MAC address {mac}", {"mac_address": mac}, (mac,))
    if not has_security(port):
        yield Wish(
            "port security switched off",
            {"port_security_enabled": False, "security_groups": []},
            ("port security",),
        )
    pairs = _pairs(port)
    if pairs:
        yield Wish(
            "its allowed address pairs",
            {"allowed_address_pairs": pairs},
            ("allowed address pair",),
        )
    policy = port.get("qos_policy_id")
    if policy:
        yield Wish("its QoS policy", {"qos_policy_id": policy}, (policy,))


def _pairs(port: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The allowed address pairs; Neutron puts the port's own MAC where there is none.

    That may be another one now.
    """
    return [
        {"ip_address": pair["ip_address"]}
        if pair.get("mac_address") == port.get("mac_address")
        else dict(pair)
        for pair in port.get("allowed_address_pairs") or ()
    ]
