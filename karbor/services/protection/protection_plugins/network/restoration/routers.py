# SPDX-License-Identifier: Apache-2.0
"""Restoring routers, which networks of a restore share, and what joins them."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import Kind, is_over_quota
from karbor.services.protection.protection_plugins.network.restoration.outside import (
    ANY,
    MAP,
    Outside,
)
from karbor.services.protection.protection_plugins.network.restoration.ports import (
    new_end,
)
from karbor.services.protection.protection_plugins.network.restoration.target import (
    Target,
)
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    Topology,
    is_interface,
    title,
)
from karbor.services.protection.protection_plugins.wishes import (
    Wish,
    first_line,
)

_WISHES = (
    ("availability_zone_hints", "its availability zone hints"),
    ("flavor_id", "its flavor"),
    ("distributed", "being distributed"),
    ("ha", "being highly available"),
)


def restore_routers(
    target: Target, topology: Topology, outside: Outside, others: Collection[str]
) -> None:
    """See to it that there is a router for each that the networks were joined to.

    Runs alone in its restore. A router that is still there stays as it is.

    :param others: the ids of the other networks of the restore
    :raises ServiceFailed: when Neutron refuses one
    """
    left = [one for one in topology.routers if one["id"] not in target.new_ids]
    found = target.find(Kind.ROUTER, left)
    for router in left:
        thing = found.get(router["id"])
        if thing is None:
            thing = _make(target, topology, router, outside)
            _remark_unjoined(target, topology, router, others)
        target.new_ids[router["id"]] = thing["id"]


def _remark_unjoined(
    target: Target, topology: Topology, router: Thing, others: Collection[str]
) -> None:
    restored = {*others, *(one["id"] for one in topology.networks)}
    left = {one["network_id"] for one in router["interfaces"]} - restored
    for network_id in sorted(left):
        target.remarks.add(
            _(
                "The router %(router)s was made without its interface on network "
                "%(network)s, which is not part of this restore"
            )
            % {"router": title(router), "network": network_id}
        )


def _make(target: Target, topology: Topology, router: Thing, outside: Outside) -> Thing:
    fields: dict[str, Any] = {
        "name": router["name"],
        "admin_state_up": router.get("admin_state_up", True),
    }
    wanted = [
        Wish(what, {field: router[field]})
        for field, what in _WISHES
        if router.get(field)
    ]
    gateway = router.get("external_gateway_info")
    if gateway:
        external = _external_network(target, topology, router, gateway, outside)
        if external is not None:
            fields["external_gateway_info"] = {"network_id": external["id"]}
            wanted += _gateway_wishes(gateway, external)
    return target.make(Kind.ROUTER, router, fields, wanted)


def _external_network(
    target: Target,
    topology: Topology,
    router: Thing,
    gateway: Mapping[str, Any],
    outside: Outside,
) -> Thing | None:
    wanted = {"id": gateway["network_id"]}
    known = (one for one in topology.external_networks if one["id"] == wanted["id"])
    network = next(known, wanted)
    found = outside.gateway(network)
    if found is None:
        target.remarks.add(
            _(
                "The router %(router)s was made without a gateway: its external "
                "network %(network)s is not there, nor another of that name. Name "
                "one in '%(map)s' or '%(any)s'"
            )
            % {
                "router": title(router),
                "network": title(network),
                "map": MAP,
                "any": ANY,
            }
        )
    return found


def _gateway_wishes(gateway: Mapping[str, Any], external: Thing) -> list[Wish]:
    """What only administrators may say of a gateway."""
    wanted = []
    if gateway.get("enable_snat") is False:
        wanted.append(
            Wish(
                "address translation switched off",
                {"external_gateway_info": {"enable_snat": False}},
            )
        )
    ends = gateway.get("external_fixed_ips")
    if ends and external["id"] == gateway["network_id"]:
        addresses = tuple(end["ip_address"] for end in ends)
        wanted.append(
            Wish(
                f"the outer address {', '.join(addresses)}",
                {"external_gateway_info": {"external_fixed_ips": list(ends)}},
                addresses,
            )
        )
    return wanted


def restore_interfaces(
    target: Target, topology: Topology, network: Thing, new: Thing, there: list[Thing]
) -> None:
    """Join a network to the routers that it was joined to.

    :param there: the project's ports on the new network
    :raises ServiceFailed: when Neutron refuses to join two of which one is new
    """
    subnets = {one["id"]: one for one in topology.subnets}
    joined = {
        (port["device_id"], end["subnet_id"]): port["id"]
        for port in there
        if is_interface(port)
        for end in port["fixed_ips"]
    }
    routers = {one["id"] for one in topology.routers}
    for port in topology.ports_of(network["id"]):
        if not is_interface(port):
            continue
        if port["device_id"] not in routers:
            _remark_foreign(target, network, port)
            continue
        router_id = target.new_ids[port["device_id"]]
        interface = _Interface(target, port, subnets, router_id, new)
        made = interface.find_or_make(joined)
        if made is not None:
            target.new_ids[port["id"]] = made


def _remark_foreign(target: Target, network: Thing, port: Thing) -> None:
    if target.neutron.get(Kind.PORT, port["id"]) is None:
        target.remarks.add(
            _(
                "The network %(network)s was joined to router %(router)s of another "
                "project, which is to join it again"
            )
            % {"network": title(network), "router": port["device_id"]}
        )


class _Interface:
    """What joins a router to one network.

    :param port: that joined the originals
    :param subnets: of the original network, by id
    """

    def __init__(
        self,
        target: Target,
        port: Thing,
        subnets: Mapping[str, Thing],
        router_id: str,
        network: Thing,
    ) -> None:
        self._target = target
        self._port = port
        self._subnets = subnets
        self._router_id = router_id
        self._network = network

    def find_or_make(self, joined: Mapping[tuple[str, str], str]) -> str | None:
        """Join the subnets that are not joined yet.

        :param joined: the ports that join, by the ids of router and subnet
        :returns: the id of a port that joins them; None, with a remark, when a network
            that was there before does not take it
        :raises ServiceFailed: when a new network does not
        """
        ports: list[str | None] = []
        others = []
        for end in self._port["fixed_ips"]:
            subnet_id = self._target.new_ids.get(end["subnet_id"])
            if subnet_id is None:
                continue
            there = joined.get((self._router_id, subnet_id))
            if there is not None:
                ports.append(there)
            elif end["ip_address"] == self._subnets[end["subnet_id"]]["gateway_ip"]:
                ports.append(self._try(functools.partial(self._by_gateway, subnet_id)))
            else:
                others.append(end)
        if others:
            ports.append(self._try(functools.partial(self._by_port, others)))
        return next((port for port in ports if port is not None), None)

    def _try(self, join: Callable[[], str]) -> str | None:
        try:
            return join()
        except ServiceFailed as error:
            is_new = self._target.is_made(self._network)
            if is_new or error.retryable or is_over_quota(error):
                raise
            self._target.remarks.add(
                _("The router %(router)s does not join %(network)s: %(reason)s")
                % {
                    "router": self._router_id,
                    "network": title(self._network),
                    "reason": first_line(error),
                }
            )
            return None

    def _by_gateway(self, subnet_id: str) -> str:
        target = self._target
        made = target.neutron.add_interface(self._router_id, subnet_id=subnet_id)
        target.mark(Kind.PORT, self._port, made, name=self._port["name"])
        return made

    def _by_port(self, ends: Sequence[Thing]) -> str:
        target = self._target
        fields = {
            "name": self._port["name"],
            "network_id": self._network["id"],
            "fixed_ips": [new_end(end, target.new_ids, self._subnets) for end in ends],
            "security_groups": [],
        }
        found = target.find_made(Kind.PORT, [self._port]).get(self._port["id"])
        # What was found may be what a gateway's address is on already.
        port = found if found is not None and not found["device_id"] else None
        port = port or target.make(Kind.PORT, self._port, fields)
        return target.neutron.add_interface(self._router_id, port_id=port["id"])
