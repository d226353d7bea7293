# SPDX-License-Identifier: Apache-2.0
"""Servers that Karbor 1.x protected, read as those of today."""

from collections.abc import Mapping
from typing import Any


def is_legacy(saved: Mapping[str, Any]) -> bool:
    """Whether an object was written by Karbor 1.x."""
    return "server_metadata" in saved


def converted(saved: Mapping[str, Any]) -> dict[str, Any]:
    """The same in the shape of today.

    Karbor 1.x took down each network once, no fixed address, and floating addresses
    without their ports; and no name.
    """
    server, boot = saved["server_metadata"], saved["boot_metadata"]
    return {
        "server_id": saved["resource_id"],
        "fields": {
            "key_name": server.get("key_name"),
            "availability_zone": server.get("availability_zone"),
        },
        "flavor": {"id": server["flavor"]},
        "image_id": boot.get("boot_image_id"),
        "root_device": None,
        "volumes": _volumes(saved.get("attach_metadata", {}), boot),
        "ports": _ports(server),
        "server_group_id": None,
    }


def _volumes(
    attached: Mapping[str, Mapping[str, Any]], boot: Mapping[str, Any]
) -> list[dict[str, Any]]:
    volumes = [
        {
            "id": volume_id,
            "device": volume.get("device"),
            "tag": None,
            "delete_on_termination": False,
            "boot_index": 0 if volume_id == boot.get("boot_volume_id") else None,
        }
        for volume_id, volume in attached.items()
    ]
    return sorted(volumes, key=lambda volume: volume["device"] or "~")


def _ports(server: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [group["name"] for group in server.get("security_groups") or ()]
    ports: list[dict[str, Any]] = [
        {
            "id": f"legacy-{index}",
            "name": "",
            "network_id": network_id,
            "fixed_ips": [],
            "security_groups": names,
            "security_group_names": {name: name for name in names},
            "floating": [],
        }
        for index, network_id in enumerate(server.get("networks") or ())
    ]
    if ports:
        ports[0]["floating"] = [
            {"floating_ip_address": address, "floating_network_id": None}
            for address in server.get("floating_ips") or ()
        ]
    return ports
