# SPDX-License-Identifier: Apache-2.0
"""Two networks with all that networks have, on one router."""

from karbor.services.protection.clients.neutron_networks import Kind


class Town:
    """``east`` and ``west``, joined to each other and the public network.

    :ivar east: its ``network``, ``subnet``, ``port`` and ``server`` port
    """

    def __init__(self, rig):
        home = rig.home
        self.web = home.create(Kind.SECURITY_GROUP, {"name": "web", "description": "w"})
        self.data = home.create(Kind.SECURITY_GROUP, {"name": "data"})
        self.unused = home.create(Kind.SECURITY_GROUP, {"name": "unused"})
        for group, fields in (
            (self.web, {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}),
            (self.web, {"remote_group_id": self.data["id"], "description": "why"}),
            (self.data, {"remote_group_id": self.web["id"], "protocol": "icmp"}),
            (self.data, {"remote_group_id": self.data["id"], "ethertype": "IPv6"}),
        ):
            rule = {"security_group_id": group["id"], "direction": "ingress", **fields}
            home.create(Kind.RULE, rule)
        egress = self.data["security_group_rules"][0]
        home.delete(Kind.RULE, egress["id"])
        home.set_tags(Kind.SECURITY_GROUP, self.web["id"], ["kept"])
        self.router = home.create(
            Kind.ROUTER,
            {
                "name": "router",
                "description": "edge",
                "external_gateway_info": {"network_id": rig.public["id"]},
            },
        )
        self.east = self._quarter(home, "east", 1)
        self.west = self._quarter(home, "west", 2)
        routes = [
            {"destination": f"192.168.{i}.0/24", "nexthop": f"10.{i}.0.77"}
            for i in (1, 2)
        ]
        routes.append({"destination": "192.168.3.0/24", "nexthop": "172.24.4.200"})
        home.update(Kind.ROUTER, self.router["id"], {"routes": routes})
        self.floating = home.create(
            Kind.FLOATING_IP, {"floating_network_id": rig.public["id"]}
        )
        port = {"port_id": self.east["port"]["id"], "fixed_ip_address": "10.1.0.77"}
        home.update(Kind.FLOATING_IP, self.floating["id"], port)

    @property
    def networks(self):
        return self.east["network"], self.west["network"]

    def _quarter(self, home, name, number):
        fields = {"name": name, "description": f"the {name}"}
        network = home.create(Kind.NETWORK, fields)
        home.set_tags(Kind.NETWORK, network["id"], ["town"])
        subnet = home.create(
            Kind.SUBNET,
            {
                "name": name,
                "network_id": network["id"],
                "ip_version": 4,
                "cidr": f"10.{number}.0.0/24",
                "dns_nameservers": ["9.9.9.9"],
                "host_routes": [
                    {"destination": "10.9.0.0/24", "nexthop": f"10.{number}.0.9"}
                ],
            },
        )
        modern = home.create(
            Kind.SUBNET,
            {
                "network_id": network["id"],
                "ip_version": 6,
                "cidr": f"fd00:{number}::/64",
                "ipv6_ra_mode": "slaac",
                "ipv6_address_mode": "slaac",
            },
        )
        for one in (subnet, modern):
            home.add_interface(self.router["id"], subnet_id=one["id"])
        server = home.create(
            Kind.PORT,
            {
                "network_id": network["id"],
                "device_owner": "compute:nova",
                "device_id": f"server-{name}",
                "fixed_ips": [
                    {"subnet_id": subnet["id"], "ip_address": f"10.{number}.0.2"}
                ],
            },
        )
        fixed = [{"subnet_id": subnet["id"], "ip_address": f"10.{number}.0.77"}]
        port = home.create(
            Kind.PORT,
            {
                "name": f"{name}-port",
                "network_id": network["id"],
                "fixed_ips": fixed,
                "security_groups": [self.web["id"]],
                "allowed_address_pairs": [{"ip_address": "10.8.0.0/24"}],
            },
        )
        open_port = home.create(
            Kind.PORT,
            {
                "name": f"{name}-open",
                "network_id": network["id"],
                "port_security_enabled": False,
                "security_groups": [],
            },
        )
        return {
            "network": network,
            "subnet": subnet,
            "port": port,
            "open": open_port,
            "server": server,
        }
