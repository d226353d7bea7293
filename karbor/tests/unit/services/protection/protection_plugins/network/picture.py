# SPDX-License-Identifier: Apache-2.0
"""What a project has in a Neutron, told by names: to compare before and after."""

from karbor.services.protection.clients.neutron_networks import INTERFACE_OWNERS

_NETWORK = ("name", "description", "admin_state_up", "mtu", "port_security_enabled")
_SUBNET = (
    "name",
    "description",
    "ip_version",
    "cidr",
    "gateway_ip",
    "enable_dhcp",
    "allocation_pools",
    "dns_nameservers",
    "host_routes",
    "ipv6_ra_mode",
    "ipv6_address_mode",
)
_PORT = (
    "name",
    "description",
    "admin_state_up",
    "mac_address",
    "port_security_enabled",
    "allowed_address_pairs",
    "extra_dhcp_opts",
    "device_id",
    "binding:vnic_type",
)
_RULE = (
    "description",
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
)


def picture(state, project_id):
    """Everything of a project but servers' ports, without ids; sorted lists."""
    names = {
        thing["id"]: thing.get("name", "")
        for things in state.things.values()
        for thing in things.values()
    }
    mine = {
        kind: [one for one in things.values() if one["project_id"] == project_id]
        for kind, things in state.things.items()
    }
    ports = mine.get("port", [])
    return {
        "networks": _told(_fields(one, _NETWORK) for one in mine.get("network", [])),
        "subnets": _told(
            {**_fields(one, _SUBNET), "network": names[one["network_id"]]}
            for one in mine.get("subnet", [])
        ),
        "ports": _told(
            {
                **_fields(one, _PORT),
                "network": names[one["network_id"]],
                "addresses": _addresses(one),
                "groups": sorted(names[name] for name in one["security_groups"]),
            }
            for one in ports
            if not one["device_owner"]
        ),
        "routers": _told(
            {
                **_fields(one, ("name", "description", "admin_state_up")),
                "routes": _told(one["routes"]),
                "gateway": one["external_gateway_info"]
                and names[one["external_gateway_info"]["network_id"]],
            }
            for one in mine.get("router", [])
        ),
        "interfaces": _told(
            (names[one["device_id"]], names[one["network_id"]], address)
            for one in ports
            if one["device_owner"] in INTERFACE_OWNERS
            for address in _addresses(one)
        ),
        "groups": _told(
            {
                **_fields(one, ("name", "description", "stateful")),
                "rules": _told(_rules(state, names, one)),
            }
            for one in mine.get("security_group", [])
        ),
    }


def _rules(state, names, group):
    for rule in state.things["security_group_rule"].values():
        if rule["security_group_id"] == group["id"]:
            remote = rule["remote_group_id"]
            yield {**_fields(rule, _RULE), "remote": remote and names[remote]}


def _addresses(port):
    return sorted(end["ip_address"] for end in port["fixed_ips"])


def _fields(thing, names):
    return {name: thing[name] for name in names}


def _told(things):
    return sorted(things, key=str)


def wipe(rig, project_id):
    """Delete all that a project has; the addresses that float stay."""
    state = rig.state
    mine = [
        (kind, thing["id"])
        for kind in ("port", "router", "subnet", "network", "security_group")
        for thing in state.things[kind].values()
        if thing["project_id"] == project_id and thing.get("name") != "default"
    ]
    gone = {name for _kind, name in mine}
    for kind, name in mine:
        del state.things[kind][name]
    for kind, field in (
        ("port", "network_id"),
        ("port", "device_id"),
        ("security_group_rule", "security_group_id"),
        ("security_group_rule", "remote_group_id"),
    ):
        for thing in list(state.things[kind].values()):
            if thing[field] in gone:
                del state.things[kind][thing["id"]]
    for floating in state.things["floatingip"].values():
        if floating["port_id"] in gone:
            floating.update(port_id=None, fixed_ip_address=None)
