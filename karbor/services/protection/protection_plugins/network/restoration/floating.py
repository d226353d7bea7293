# SPDX-License-Identifier: Apache-2.0
"""Giving ports that belong to no server their floating addresses again."""

from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.services.protection.protection_plugins.network.restoration.ports import (
    is_free,
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
    first_line,
)


def restore_floating_ips(target: Target, topology: Topology) -> None:
    """Give ports the floating addresses that the project still has and does not use.

    Those of servers are the business of whoever restores the servers.

    :raises ServiceFailed: when Neutron cannot be asked
    """
    ports = {one["id"]: one for one in topology.ports if is_free(one)}
    wanted = [one for one in topology.floating_ips if one["port_id"] in ports]
    there = target.neutron.by_ids(Kind.FLOATING_IP, (one["id"] for one in wanted))
    for address in wanted:
        found = there.get(address["id"])
        port = ports[address["port_id"]]
        new_id = target.new_ids.get(port["id"])
        if found is None or not target.owns(found):
            _remark(target, address, port, _("the project has it no more"))
        elif found["port_id"] == new_id:
            continue
        elif found["port_id"] is not None:
            _remark(target, address, port, _("another port has it"))
        else:
            _give(target, address, port, new_id)


def _give(target: Target, address: Thing, port: Thing, port_id: str | None) -> None:
    fields = {"port_id": port_id, "fixed_ip_address": address["fixed_ip_address"]}
    try:
        target.neutron.update(Kind.FLOATING_IP, address["id"], fields)
    except ServiceFailed as error:
        if error.retryable:
            raise
        _remark(target, address, port, first_line(error))


def _remark(target: Target, address: Thing, port: Thing, reason: str) -> None:
    target.remarks.add(
        _("The port %(port)s is without its floating address %(address)s: %(reason)s")
        % {
            "port": title(port),
            "address": address["floating_ip_address"],
            "reason": reason,
        }
    )
