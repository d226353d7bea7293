# SPDX-License-Identifier: Apache-2.0
"""Making the ports of a restored server as the original ones were."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.neutron_networks import Kind, is_dynamic
from karbor.services.protection.protection_plugins import wishes
from karbor.services.protection.protection_plugins.port_wishes import (
    address_wish,
    has_security,
    port_wishes,
)
from karbor.services.protection.protection_plugins.remarks import Remarks
from karbor.services.protection.protection_plugins.server.settings import Cloud
from karbor.services.protection.protection_plugins.wishes import Wish


def port_name(token: str, index: int) -> str:
    """How a port is called until the server that it belongs to is complete."""
    return f"karbor-{token}-{index}"


class Interfaces:
    """Makes and finds the ports of one restored server.

    :param ports: of the original server, as saved
    :param new_resources: the new ids of what was restored before, by the original ones
    :param parameters: of the restore
    :param remarks: what a person should know of the restored server; added to
    """

    def __init__(
        self,
        cloud: Cloud,
        ports: Sequence[Mapping[str, Any]],
        new_resources: Mapping[str, str],
        parameters: Mapping[str, Any],
        remarks: Remarks,
    ) -> None:
        self._cloud = cloud
        self._ports = ports
        self._new = new_resources
        self._parameters = parameters
        self._remarks = remarks

    def make(self, token: str) -> list[str]:
        """The id of a free port in the place of each; those that are there are used.

        :param token: by which the ports are found again
        :raises KarborException: when a port cannot be made at all
        """
        names = [port_name(token, index) for index in range(len(self._ports))]
        made = {
            port["name"]: port["id"]
            for port in (
                self._cloud.neutron.list(Kind.PORT, name=names) if names else ()
            )
        }
        return [
            made.get(name) or self._original(port) or self._create(port, name)
            for name, port in zip(names, self._ports, strict=True)
        ]

    def made_for(self, server_id: str, token: str) -> dict[int, dict[str, Any]]:
        """The server's ports by the places of the original ones.

        Without those that have got their own names again, which comes last.
        """
        has = self._cloud.neutron.list(Kind.PORT, device_id=server_id)
        found = {}
        for index, port in enumerate(self._ports):
            original_id = self._new.get(port["id"], port["id"])
            for one in has:
                if one["name"] == port_name(token, index) or one["id"] == original_id:
                    found[index] = one
        return found

    def _chosen_network(self, network_id: str) -> str | None:
        networks = self._parameters.get("restore_networks") or {}
        return networks.get(network_id) or self._parameters.get("restore_net_id")

    def _original(self, port: Mapping[str, Any]) -> str | None:
        """The port itself, or what it became, when it still waits for a server."""
        if self._chosen_network(port["network_id"]) is not None:
            return None
        if self._parameters.get("restore_security_groups") is not None:
            return None
        port_id = self._new.get(port["id"], port["id"])
        found = self._cloud.neutron.get(Kind.PORT, port_id)
        is_free = (
            found is not None
            and not found["device_id"]
            and found["project_id"] == self._cloud.project_id
        )
        return port_id if is_free else None

    def _create(self, port: Mapping[str, Any], name: str) -> str:
        """Make a port with as much as Neutron allows of what the original one had."""
        network = self._network(port["network_id"])
        asked: dict[str, Any] = {"name": name, "network_id": network["id"]}
        if port.get("description"):
            asked["description"] = port["description"]
        if port.get("admin_state_up") is False:
            asked["admin_state_up"] = False
        groups = self._groups(port) if has_security(port) else None
        if groups is not None:
            asked["security_groups"] = groups
        wanted = list(port_wishes(port, self._addresses(port, network)))
        made, refused = wishes.create(self._cloud.neutron, Kind.PORT, asked, wanted)
        for text in refused:
            self._remarks.add(
                _("The port on network %(network)s was made %(text)s")
                % {"network": network["id"], "text": text}
            )
        return str(made["id"])

    def _network(self, old_id: str) -> dict[str, Any]:
        network_id = self._chosen_network(old_id) or self._new.get(old_id, old_id)
        network = self._cloud.neutron.get(Kind.NETWORK, network_id)
        if network is None:
            raise exception.InvalidParameterValue(
                err=_(
                    "the network %s was not restored and does not exist here. "
                    "Restore it with the server, or name another one by "
                    "restore_networks or restore_net_id."
                )
                % network_id
            )
        return network

    def _addresses(
        self, port: Mapping[str, Any], network: Mapping[str, Any]
    ) -> Iterator[Wish]:
        """Each address in the subnet that took the place of its own; else any there.

        Where that is not known, Neutron finds the subnet that has the address.
        """
        fixed_ips = port.get("fixed_ips") or ()
        automatic: set[str] = set()
        if any(":" in fixed["ip_address"] for fixed in fixed_ips):
            automatic = self._automatic_subnets(network)
        chosen, ends = [], []
        for fixed in fixed_ips:
            subnet_id = self._new.get(fixed["subnet_id"], fixed["subnet_id"])
            end = {"subnet_id": subnet_id} if subnet_id in network["subnets"] else {}
            if subnet_id not in automatic:
                chosen.append(fixed["ip_address"])
                end["ip_address"] = fixed["ip_address"]
            ends.append(end)
        subnets = [
            {"subnet_id": end["subnet_id"]} for end in ends if "subnet_id" in end
        ]
        if subnets:
            yield Wish("a place on its subnets", {"fixed_ips": subnets})
        if chosen:
            yield address_wish(chosen, ends)

    def _automatic_subnets(self, network: Mapping[str, Any]) -> set[str]:
        """Where an address follows from the MAC, and cannot be asked for."""
        subnets = self._cloud.neutron.by_ids(Kind.SUBNET, network["subnets"])
        return {subnet["id"] for subnet in subnets.values() if is_dynamic(subnet)}

    def _groups(self, port: Mapping[str, Any]) -> list[str] | None:
        """The security groups; None: those that Neutron gives to any port."""
        here, by_name = self._groups_here
        chosen = self._parameters.get("restore_security_groups")
        names = port.get("security_group_names") or {}
        wanted = port.get("security_groups") or [] if chosen is None else chosen
        found = []
        for group_id in wanted:
            new_id = self._new.get(group_id, group_id)
            named = by_name.get(names.get(group_id, group_id), [])
            if new_id in here:
                found.append(new_id)
            elif len(named) == 1:
                found.append(named[0])
            elif chosen is not None:
                raise exception.InvalidParameterValue(
                    err=_(
                        "there is not just one security group '%s' as "
                        "restore_security_groups names it. Name it by its id."
                    )
                    % group_id
                )
            else:
                self._remarks.add(
                    _("Its security group %s does not exist here and was left out.")
                    % (names.get(group_id) or group_id)
                )
        if wanted and not found:
            self._remarks.add(_("The default security group took their place."))
            return None
        return found

    @functools.cached_property
    def _groups_here(self) -> tuple[set[str], dict[str, list[str]]]:
        """Those that can be used, and for each name those of the project."""
        groups = self._cloud.neutron.list(Kind.SECURITY_GROUP)
        by_name: dict[str, list[str]] = {}
        for group in groups:
            if group["project_id"] == self._cloud.project_id:
                by_name.setdefault(group["name"], []).append(group["id"])
        return {group["id"] for group in groups}, by_name
