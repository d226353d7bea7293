# SPDX-License-Identifier: Apache-2.0
"""What every Neutron knows: the kinds of things, their fields, who may set which."""

import dataclasses
from typing import Any


class Refused(Exception):
    """An answer that is no success, as Neutron words it."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who asks."""

    project_id: str
    is_admin: bool = False


#: Characters that a description may have.
LONGEST = 255
#: Tags that a thing may have.
MOST_TAGS = 50

_COMMON: dict[str, Any] = {"name": "", "description": ""}

#: The fields that may be set when a thing is made, with what they are otherwise.
FIELDS: dict[str, dict[str, Any]] = {
    "network": {
        **_COMMON,
        "admin_state_up": True,
        "shared": False,
        "router:external": False,
        "port_security_enabled": True,
        "mtu": 1450,
        "dns_domain": "",
        "availability_zone_hints": [],
        "provider:network_type": "vxlan",
        "provider:physical_network": None,
        "provider:segmentation_id": None,
    },
    "subnet": {
        **_COMMON,
        "network_id": None,
        "ip_version": 4,
        "cidr": None,
        "gateway_ip": None,
        "enable_dhcp": True,
        "allocation_pools": None,
        "dns_nameservers": [],
        "host_routes": [],
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        "service_types": [],
    },
    "router": {
        **_COMMON,
        "admin_state_up": True,
        "external_gateway_info": None,
        "availability_zone_hints": [],
        "flavor_id": None,
        "distributed": False,
        "ha": False,
    },
    "port": {
        **_COMMON,
        "network_id": None,
        "admin_state_up": True,
        "mac_address": None,
        "fixed_ips": None,
        "device_id": "",
        "device_owner": "",
        "security_groups": None,
        "port_security_enabled": True,
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "binding:vnic_type": "normal",
        "qos_policy_id": None,
    },
    "security_group": {**_COMMON, "stateful": True},
    "security_group_rule": {
        "description": "",
        "security_group_id": None,
        "direction": None,
        "ethertype": "IPv4",
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
        "remote_address_group_id": None,
    },
    "floatingip": {
        "description": "",
        "floating_network_id": None,
        "port_id": None,
        "fixed_ip_address": None,
    },
    "address_group": {**_COMMON, "addresses": []},
    "subnetpool": {**_COMMON, "prefixes": []},
}

#: Fields besides those that a listing shows.
SHOWN: dict[str, dict[str, Any]] = {"router": {"routes": []}}

#: What only an administrator may set, as other values than these.
ADMINS: dict[str, dict[str, Any]] = {
    "network": {
        "shared": False,
        "router:external": False,
        "provider:network_type": "vxlan",
        "provider:physical_network": None,
        "provider:segmentation_id": None,
    },
    "subnet": {"service_types": []},
    "router": {"distributed": False, "ha": False},
}
#: What only an administrator sees.
HIDDEN = {
    "network": {
        "provider:network_type",
        "provider:physical_network",
        "provider:segmentation_id",
    },
    "router": {"distributed", "ha"},
}
#: What only the owner of a port's network may choose.
NETWORK_OWNERS = ("mac_address", "port_security_enabled", "allowed_address_pairs")

GATEWAY_OWNER = "network:router_gateway"
INTERFACE_OWNER = "network:router_interface"
DHCP_OWNER = "network:dhcp"
FLOATING_OWNER = "network:floatingip"
