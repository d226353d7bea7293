# SPDX-License-Identifier: Apache-2.0
"""Giving a restored server floating addresses, the same ones where they can be had."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from oslo_log import log as logging

from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import EXTERNAL, Kind
from karbor.services.protection.protection_plugins.remarks import Remarks
from karbor.services.protection.protection_plugins.server.settings import Cloud
from karbor.services.protection.protection_plugins.wishes import is_refusal

LOG = logging.getLogger(__name__)


def mark(token: str) -> str:
    """The description of an address that was made for a server not yet complete."""
    return f"karbor-{token}"


class FloatingAddresses:
    """Finds or makes the floating addresses of one restored server.

    A server without one is still a server: what Neutron refuses becomes a remark.

    :param networks: the network in the place of an original one, by its id
    :param remarks: what a person should know of the restored server; added to
    """

    def __init__(
        self,
        cloud: Cloud,
        networks: Mapping[str, str],
        remarks: Remarks,
    ) -> None:
        self._cloud = cloud
        self._networks = networks
        self._remarks = remarks

    def give(
        self, saved: Sequence[Mapping[str, Any]], port_id: str, token: str
    ) -> None:
        """Give a port the floating addresses that another had.

        :param saved: those addresses
        :raises ServiceFailed: when Neutron cannot be asked
        """
        has = self._cloud.neutron.list(Kind.FLOATING_IP, port_id=port_id)
        addresses = {one["floating_ip_address"] for one in has}
        made_before = sum(one.get("description") == mark(token) for one in has)
        for one in saved:
            wanted = one["floating_ip_address"]
            if wanted in addresses:
                continue
            if made_before:
                made_before -= 1
                continue
            try:
                given = self._give(one, port_id, token)
            except ServiceFailed as error:
                if error.retryable:
                    raise
                self._remarks.add(
                    _(
                        "It has no floating address in the place of %(address)s: "
                        "%(error)s."
                    )
                    % {"address": wanted, "error": " ".join(str(error).split())}
                )
                continue
            if given != wanted:
                self._remarks.add(
                    _("Its floating address is %(new)s, as %(old)s cannot be had.")
                    % {"new": given, "old": wanted}
                )

    def finish(self, saved: Sequence[Mapping[str, Any]], token: str) -> None:
        """Give the addresses that were made the descriptions that they are to have.

        :param saved: all addresses of the server
        """
        texts = {one["floating_ip_address"]: one.get("description") for one in saved}
        for made in self._cloud.neutron.list(Kind.FLOATING_IP, description=mark(token)):
            text = texts.get(made["floating_ip_address"]) or ""
            self._cloud.neutron.update(
                Kind.FLOATING_IP, made["id"], {"description": text}
            )

    def _give(self, one: Mapping[str, Any], port_id: str, token: str) -> str:
        wanted = one["floating_ip_address"]
        place: dict[str, Any] = {"port_id": port_id}
        if one.get("fixed_ip_address"):
            port = self._cloud.neutron.get(Kind.PORT, port_id) or {"fixed_ips": []}
            fixed = {address["ip_address"] for address in port["fixed_ips"]}
            if one["fixed_ip_address"] in fixed:
                place["fixed_ip_address"] = one["fixed_ip_address"]
        for kept in self._cloud.neutron.list(
            Kind.FLOATING_IP, floating_ip_address=wanted
        ):
            is_own = kept["project_id"] == self._cloud.project_id
            if is_own and not kept["port_id"]:
                self._cloud.neutron.update(Kind.FLOATING_IP, kept["id"], place)
                return str(wanted)
        asked = {
            "floating_network_id": self._network(one.get("floating_network_id")),
            "description": mark(token),
            **place,
        }
        made = self._same(asked, wanted) or self._cloud.neutron.create(
            Kind.FLOATING_IP, asked
        )
        return str(made["floating_ip_address"])

    def _same(self, asked: Mapping[str, Any], wanted: str) -> dict[str, Any] | None:
        """Make just the address that is wanted; None when it cannot be had.

        To choose an address is the administrator's by Neutron's own policy, so where
        the caller may not, Karbor asks for the caller's project.
        """
        own = self._cloud.neutron_as_karbor
        for neutron, more in (
            (self._cloud.neutron, {}),
            (own, {"project_id": self._cloud.project_id}),
        ):
            if neutron is None:
                continue
            fields = {**asked, **more, "floating_ip_address": wanted}
            try:
                return neutron.create(Kind.FLOATING_IP, fields)
            except ServiceFailed as error:
                if not is_refusal(error):
                    raise
                LOG.info("Floating address %s cannot be had: %s", wanted, error)
                if error.status != HTTPStatus.FORBIDDEN:
                    break
        return None

    def _network(self, network_id: str | None) -> str:
        if network_id is not None:
            target = self._networks.get(network_id, network_id)
            if self._cloud.neutron.get(Kind.NETWORK, target) is not None:
                return target
        external = self._cloud.neutron.list(Kind.NETWORK, **{EXTERNAL: True})
        if len(external) == 1:
            return str(external[0]["id"])
        raise ServiceFailed(
            service="Neutron",
            action="find the network of floating addresses",
            reason=_(
                "network %s does not exist here. Name another one by restore_networks"
            )
            % network_id,
            status=HTTPStatus.NOT_FOUND,
        )
