# SPDX-License-Identifier: Apache-2.0
"""Making the ports of a restored server as the original ones were."""

import functools
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import Kind, is_over_quota
from karbor.services.protection.protection_plugins.remarks import Remarks
from karbor.services.protection.protection_plugins.server.settings import Cloud

#: Answers of Neutron after which a port that asks for less may be had.
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)

#: https://docs.openstack.org/neutron/latest/admin/config-ipv6.html
_AUTOMATIC_MODES = ("slaac", "dhcpv6-stateless")

#: What a port asks for and connects the server without, too.
_MAC = ("mac_address",)
_ADDRESSES = ("fixed_ips",)
_OPTIONS = (
    "allowed_address_pairs",
    "port_security_enabled",
    "extra_dhcp_opts",
    "qos_policy_id",
    "binding:vnic_type",
)
_NAMES = {
    _MAC: _("its MAC address"),
    _ADDRESSES: _("its addresses"),
    _OPTIONS: _("its allowed address pairs and options"),
}
#: What is given up in one attempt after the other.
_ATTEMPTS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (),
    (_MAC,),
    (_ADDRESSES,),
    (_MAC, _ADDRESSES),
    (_MAC, _ADDRESSES, _OPTIONS),
)


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
        wanted = self._wanted(port, name)
        refusal: ServiceFailed | None = None
        for without in _ATTEMPTS:
            if not all(wanted.keys() & set(fields) for fields in without):
                continue
            given_up = {field for fields in without for field in fields}
            asked = {key: wanted[key] for key in wanted if key not in given_up}
            try:
                made = self._cloud.neutron.create(Kind.PORT, asked)
            except ServiceFailed as error:
                if error.status not in _REFUSALS or is_over_quota(error):
                    raise
                refusal = error
                continue
            if refusal is not None:
                self._remarks.add(
                    _("The port on network %(network)s came without %(what)s: %(why)s.")
                    % {
                        "network": asked["network_id"],
                        "what": ", ".join(_NAMES[fields] for fields in without),
                        "why": " ".join(str(refusal).split()),
                    }
                )
            return str(made["id"])
        assert refusal is not None
        raise refusal

    def _wanted(self, port: Mapping[str, Any], name: str) -> dict[str, Any]:
        old_id = port["network_id"]
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
        asked = {
            "name": name,
            "description": port.get("description"),
            "network_id": network_id,
            "mac_address": port.get("mac_address"),
            "fixed_ips": self._addresses(port, network),
            "allowed_address_pairs": _pairs(port),
            "extra_dhcp_opts": port.get("extra_dhcp_opts"),
            "qos_policy_id": port.get("qos_policy_id"),
        }
        if port.get("binding:vnic_type") not in (None, "normal"):
            asked["binding:vnic_type"] = port["binding:vnic_type"]
        asked = {key: value for key, value in asked.items() if value}
        if port.get("admin_state_up") is False:
            asked["admin_state_up"] = False
        if port.get("port_security_enabled") is False:
            return {**asked, "port_security_enabled": False}
        groups = self._groups(port)
        return {**asked, "security_groups": groups} if groups is not None else asked

    def _addresses(
        self, port: Mapping[str, Any], network: Mapping[str, Any]
    ) -> list[dict[str, str]]:
        """Each address, in the subnet that took the place of its own."""
        fixed_ips = port.get("fixed_ips") or ()
        automatic: set[str] = set()
        if any(":" in fixed["ip_address"] for fixed in fixed_ips):
            automatic = self._automatic_subnets(network)
        asked = []
        for fixed in fixed_ips:
            subnet_id = self._new.get(fixed["subnet_id"], fixed["subnet_id"])
            if subnet_id in automatic:
                asked.append({"subnet_id": subnet_id})
                continue
            address = {"ip_address": fixed["ip_address"]}
            if subnet_id in network["subnets"]:
                address["subnet_id"] = subnet_id
            # Else Neutron finds the subnet that has this address, or refuses.
            asked.append(address)
        return asked

    def _automatic_subnets(self, network: Mapping[str, Any]) -> set[str]:
        """Where an address follows from the MAC, and cannot be asked for."""
        subnets = self._cloud.neutron.by_ids(Kind.SUBNET, network["subnets"])
        return {
            subnet["id"]
            for subnet in subnets.values()
            if subnet.get("ipv6_address_mode") in _AUTOMATIC_MODES
        }

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
