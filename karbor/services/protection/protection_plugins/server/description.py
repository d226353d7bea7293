# SPDX-License-Identifier: Apache-2.0
"""Taking down what a server is."""

from collections.abc import Mapping, Sequence
from typing import Any

from karbor.services.protection.clients.neutron_networks import Kind
from karbor.services.protection.clients.nova_servers import image_id_of
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.protection_plugins.server.settings import Cloud

#: The key in the metadata of a server that is being restored, with a token.
MADE_BY = "karbor_restore"

#: The key in that of a server that is kept still, with the id of the checkpoint.
QUIESCED_FOR = "karbor_quiesced"

#: What is kept, and how Nova calls it. It tells user data and the root device to
#: administrators only, unless its policy says otherwise.
_FIELDS = {
    "access_ip_v4": "accessIPv4",
    "access_ip_v6": "accessIPv6",
    "addresses": "addresses",
    "availability_zone": "OS-EXT-AZ:availability_zone",
    "config_drive": "config_drive",
    "created": "created",
    "description": "description",
    "disk_config": "OS-DCF:diskConfig",
    "hostname": "OS-EXT-SRV-ATTR:hostname",
    "key_name": "key_name",
    "locked": "locked",
    "metadata": "metadata",
    "name": "name",
    "project_id": "tenant_id",
    "security_groups": "security_groups",
    "status": "status",
    "tags": "tags",
    "trusted_image_certificates": "trusted_image_certificates",
    "user_data": "OS-EXT-SRV-ATTR:user_data",
}
_ROOT_DEVICE = "OS-EXT-SRV-ATTR:root_device_name"

_PORT_FIELDS = (
    "id",
    "name",
    "description",
    "admin_state_up",
    "network_id",
    "mac_address",
    "fixed_ips",
    "security_groups",
    "allowed_address_pairs",
    "port_security_enabled",
    "extra_dhcp_opts",
    "binding:vnic_type",
    "qos_policy_id",
    "tags",
)
_FLOATING_FIELDS = (
    "id",
    "floating_ip_address",
    "floating_network_id",
    "fixed_ip_address",
    "description",
)


def describe(
    cloud: Cloud, server: Mapping[str, Any], flavor_ids: Mapping[str, str]
) -> SavedServer:
    """All of a server that can be taken down, in a handful of calls.

    :param server: as Nova shows it
    :param flavor_ids: by the names of the flavors
    :raises ServiceFailed: when a service cannot be asked
    """
    server_id = str(server["id"])
    image_id = image_id_of(dict(server))
    fields = {name: server[key] for name, key in _FIELDS.items() if key in server}
    fields["metadata"] = {
        key: value
        for key, value in fields["metadata"].items()
        if key not in (MADE_BY, QUIESCED_FOR)
    }
    groups = server.get("server_groups") or ()
    return SavedServer(
        server_id=server_id,
        fields=fields,
        flavor=_flavor(server["flavor"], flavor_ids),
        image_id=image_id,
        root_device=server.get(_ROOT_DEVICE),
        volumes=_volumes(
            cloud.compute.attachments(server_id),
            boots=image_id is None,
            root_device=server.get(_ROOT_DEVICE),
        ),
        ports=_ports(cloud, server),
        server_group_id=groups[0] if groups else None,
    )


def _flavor(embedded: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """What Nova embeds in a server has no id."""
    flavor = {key: value for key, value in embedded.items() if key != "original_name"}
    name = embedded["original_name"]
    return {**flavor, "name": name, "id": ids.get(name)}


def _volumes(
    attachments: Sequence[Mapping[str, Any]], *, boots: bool, root_device: str | None
) -> tuple[dict[str, Any], ...]:
    """
    :param boots: whether one of them is what the server was booted from: Nova does not
        say which, but it is the one with the root device, which comes first
    """
    volumes = [
        {
            "id": attachment["volumeId"],
            "device": attachment.get("device"),
            "tag": attachment.get("tag"),
            "delete_on_termination": bool(attachment.get("delete_on_termination")),
            "boot_index": None,
        }
        for attachment in attachments
    ]
    volumes.sort(key=lambda volume: _place(volume["device"], root_device))
    if boots and volumes:
        volumes[0]["boot_index"] = 0
    return tuple(volumes)


def _place(device: str | None, root_device: str | None) -> tuple[bool, bool, int, str]:
    """The root first; ``/dev/vdz`` before ``/dev/vdaa``; those without one last."""
    is_root = device is not None and device == root_device
    return (not is_root, device is None, len(device or ""), device or "")


def _ports(cloud: Cloud, server: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    found = cloud.neutron.list(Kind.PORT, device_id=server["id"])
    floating: dict[str, list[dict[str, Any]]] = {}
    addresses = cloud.neutron.by_ids(
        Kind.FLOATING_IP, (port["id"] for port in found), field="port_id"
    )
    for address in addresses.values():
        kept = {name: address.get(name) for name in _FLOATING_FIELDS}
        floating.setdefault(address["port_id"], []).append(kept)
    group_ids = {name for port in found for name in port.get("security_groups") or ()}
    groups = cloud.neutron.by_ids(Kind.SECURITY_GROUP, group_ids)
    # Neutron lists ports in no order; Nova tells addresses in that of the interfaces.
    order = [
        address.get("OS-EXT-IPS-MAC:mac_addr")
        for network in server["addresses"].values()
        for address in network
    ]
    found.sort(
        key=lambda port: (
            order.index(port["mac_address"])
            if port["mac_address"] in order
            else len(order),
            port["id"],
        )
    )
    return tuple(
        {
            **{name: port[name] for name in _PORT_FIELDS if name in port},
            "security_group_names": {
                name: groups[name]["name"]
                for name in port.get("security_groups") or ()
                if name in groups
            },
            "floating": floating.get(port["id"], []),
        }
        for port in found
    )
