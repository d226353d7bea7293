# SPDX-License-Identifier: Apache-2.0
"""What Karbor 1.x kept: all networks of a project as one resource.

It kept a mapping by id for each kind of thing, of what it listed for the project.
"""

from collections.abc import Mapping
from typing import Any

from karbor.services.protection.clients.neutron_networks import (
    INTERFACE_OWNERS,
    OWN_PREFIX,
)

_KINDS = {
    "networks": "network_metadata",
    "subnets": "subnet_metadata",
    "ports": "port_metadata",
    "routers": "router_metadata",
    "security_groups": "security-group_metadata",
}


def is_legacy(saved: Mapping[str, Any]) -> bool:
    """Whether Karbor 1.x wrote this object."""
    return _KINDS["networks"] in saved


def converted(saved: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a topology."""
    project_id = saved["resource_id"]
    found = {
        name: [
            {**thing, "project_id": thing.get("tenant_id", project_id)}
            for thing in saved.get(kept, {}).values()
        ]
        for name, kept in _KINDS.items()
    }
    networks = {one["id"] for one in found["networks"]}
    subnets = [one for one in found["subnets"] if one["network_id"] in networks]
    ports = [
        port
        for port in found["ports"]
        if port["network_id"] in networks and _is_kept(port)
    ]
    return {
        "project_id": project_id,
        "networks": found["networks"],
        "subnets": subnets,
        "ports": ports,
        "routers": [{**one, "interfaces": []} for one in found["routers"]],
        "security_groups": found["security_groups"],
        "address_groups": [],
        "external_networks": [],
        "floating_ips": [],
    }


def _is_kept(port: Mapping[str, Any]) -> bool:
    owner = port["device_owner"]
    return owner in INTERFACE_OWNERS or not owner.startswith(OWN_PREFIX)
