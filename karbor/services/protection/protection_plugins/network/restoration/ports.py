# SPDX-License-Identifier: Apache-2.0
"""Restoring the ports of a network that belong to no other service."""

from collections.abc import Iterator, Mapping

from karbor.i18n import _
from karbor.services.protection.clients.neutron_networks import (
    OWNER,
    SERVER_PREFIX,
    Kind,
    is_dynamic,
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
from karbor.services.protection.protection_plugins.port_wishes import (
    address_wish,
    has_security,
    port_wishes,
)
from karbor.services.protection.protection_plugins.wishes import Wish


def restore_ports(
    target: Target, topology: Topology, network: Thing, new: Thing
) -> list[Thing]:
    """The ports of a network that was protected, on the one that stands for it.

    Whoever restores a server makes its ports; a port of a server that is there stands
    for itself.

    :returns: all ports of the project on the new network, as they were before
    :raises ServiceFailed: when Neutron refuses one
    """
    mine = {OWNER: target.project_id}
    there = target.neutron.list(Kind.PORT, network_id=new["id"], **mine)
    ports = topology.ports_of(network["id"])
    found = target.match(Kind.PORT, ports, there)
    for port in ports:
        thing = found.get(port["id"])
        if thing is None and is_free(port):
            thing = _Making(target, topology, port).make(new["id"])
        if thing is not None:
            target.new_ids[port["id"]] = thing["id"]
        elif not is_interface(port) and not port["device_owner"].startswith(
            SERVER_PREFIX
        ):
            target.remarks.add(
                _("The port %(port)s belonged to %(owner)s, which is to make it anew")
                % {"port": title(port), "owner": port["device_owner"]}
            )
    return there


def is_free(port: Thing) -> bool:
    """Whether a port belongs to the project alone, and to no other service."""
    return not port["device_owner"]


def new_end(
    end: Thing, new_ids: Mapping[str, str], subnets: Mapping[str, Thing]
) -> Thing:
    """An address for a new port.

    :param end: the original's
    :param subnets: the original ones, by id
    """
    new = {"subnet_id": new_ids[end["subnet_id"]]}
    if is_dynamic(subnets[end["subnet_id"]]):
        # Such an address follows from the MAC address, and nobody may choose it.
        return new
    return {**new, "ip_address": end["ip_address"]}


class _Making:
    """Makes one port anew."""

    def __init__(self, target: Target, topology: Topology, port: Thing) -> None:
        self._target = target
        self._port = port
        self._subnets = {one["id"]: one for one in topology.subnets}

    def make(self, network_id: str) -> Thing:
        """A port on a network.

        :raises ServiceFailed: when Neutron refuses it
        """
        port = self._port
        fields = {
            "name": port["name"],
            "network_id": network_id,
            "admin_state_up": port["admin_state_up"],
            "fixed_ips": [{"subnet_id": new} for _end, new in self._ends()],
        }
        if port.get("device_id"):
            fields["device_id"] = port["device_id"]
        if has_security(port):
            fields["security_groups"] = self._groups()
        return self._target.make(Kind.PORT, port, fields, list(self._wishes()))

    def _wishes(self) -> Iterator[Wish]:
        ends = self._ends()
        addresses = [end["ip_address"] for end, _new in ends]
        wish = address_wish(addresses, [self._new_end(end) for end, _new in ends])
        return port_wishes(self._port, [wish] if ends else [])

    def _ends(self) -> list[tuple[Thing, str]]:
        """The port's addresses, with the subnets in which it is to have them."""
        found = []
        for end in self._port["fixed_ips"]:
            new = self._target.new_ids.get(end["subnet_id"])
            if new is not None:
                found.append((end, new))
            else:
                self._target.remarks.add(
                    _("The port %(port)s was made without the address %(address)s")
                    % {"port": title(self._port), "address": end["ip_address"]}
                )
        return found

    def _new_end(self, end: Thing) -> Thing:
        return new_end(end, self._target.new_ids, self._subnets)

    def _groups(self) -> list[str]:
        groups = []
        for group_id in self._port.get("security_groups") or ():
            new = self._target.new_ids.get(group_id)
            if new is not None:
                groups.append(new)
            else:
                self._target.remarks.add(
                    _(
                        "The port %(port)s was made outside of security group "
                        "%(group)s, which was not visible when it was protected"
                    )
                    % {"port": title(self._port), "group": group_id}
                )
        return groups
