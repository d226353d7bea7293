# SPDX-License-Identifier: Apache-2.0
"""Whatever a project's networks look like, they look so again."""

import hypothesis
from hypothesis import strategies

from karbor.services.protection.clients.neutron_networks import Kind
from karbor.tests.fakes.neutron.server import NeutronServer
from karbor.tests.unit.services.protection.protection_plugins.network.picture import (
    picture,
    wipe,
)
from karbor.tests.unit.services.protection.protection_plugins.network.rig import (
    AWAY,
    HOME,
    Rig,
)

_indices = strategies.integers(0, 2)
_few = strategies.sets(_indices, max_size=2)

networks = strategies.lists(
    strategies.fixed_dictionaries(
        {
            "versions": strategies.lists(
                strategies.sampled_from(["4", "4 no gateway", "slaac", "static 6"]),
                max_size=3,
                unique=True,
            ),
            "secure": strategies.booleans(),
            "ports": strategies.lists(_few, max_size=2),
            "routers": _few,
        }
    ),
    min_size=1,
    max_size=3,
)
rules = strategies.lists(
    strategies.tuples(
        _indices,
        strategies.sampled_from(["ingress", "egress"]),
        strategies.sampled_from(["IPv4", "IPv6"]),
        strategies.sampled_from([None, "tcp", "icmp"]),
        strategies.none() | _indices,
    ),
    max_size=5,
    unique_by=lambda rule: rule,
)
gateways = strategies.tuples(*[strategies.booleans()] * 3)


class Builder:
    """Makes in a project what was drawn."""

    def __init__(self, rig, rules, gateways):
        self.home = rig.home
        self.groups = [
            self.home.create(Kind.SECURITY_GROUP, {"name": f"group-{number}"})
            for number in range(3)
        ]
        for group, direction, ethertype, protocol, remote in rules:
            has_remote = remote is not None
            fields = {
                "security_group_id": self.groups[group]["id"],
                "direction": direction,
                "ethertype": ethertype,
                "protocol": protocol,
                "remote_group_id": self.groups[remote]["id"] if has_remote else None,
            }
            if direction == "ingress" or protocol or has_remote:
                self.home.create(Kind.RULE, fields)
        self.routers = [
            self.home.create(
                Kind.ROUTER,
                {
                    "name": f"router-{number}",
                    "external_gateway_info": {"network_id": rig.public["id"]}
                    if has_gateway
                    else None,
                },
            )
            for number, has_gateway in enumerate(gateways)
        ]

    def network(self, number, drawn):
        fields = {"name": f"net-{number}", "port_security_enabled": drawn["secure"]}
        network = self.home.create(Kind.NETWORK, fields)
        subnets = [self.subnet(number, network, kind) for kind in drawn["versions"]]
        for position, groups in enumerate(drawn["ports"]):
            names = [self.groups[one]["id"] for one in sorted(groups)]
            self.home.create(
                Kind.PORT,
                {
                    "name": f"port-{position}",
                    "network_id": network["id"],
                    "security_groups": names if drawn["secure"] else [],
                },
            )
        for place, router in enumerate(sorted(drawn["routers"])):
            for subnet in subnets:
                self.join(self.routers[router], subnet, place, drawn["versions"])
        return network

    def subnet(self, number, network, kind):
        fields = {"network_id": network["id"], "name": f"{kind} of {number}"}
        if kind in ("4", "4 no gateway"):
            third = number if kind == "4" else number + 10
            fields |= {"ip_version": 4, "cidr": f"10.0.{third}.0/24"}
        else:
            third = number if kind == "slaac" else number + 10
            fields |= {"ip_version": 6, "cidr": f"fd00:{third}::/64"}
        if kind == "4 no gateway":
            fields["gateway_ip"] = None
        if kind == "slaac":
            fields |= {"ipv6_ra_mode": kind, "ipv6_address_mode": kind}
        return self.home.create(Kind.SUBNET, fields)

    def join(self, router, subnet, place, versions):
        """The first router by the gateway's address, another by a port."""
        if place == 0 and subnet["gateway_ip"]:
            self.home.add_interface(router["id"], subnet_id=subnet["id"])
        elif "slaac" not in versions:
            ends = [{"subnet_id": subnet["id"]}]
            fields = {"fixed_ips": ends, "security_groups": []}
            port = {"network_id": subnet["network_id"], **fields}
            made = self.home.create(Kind.PORT, port)
            self.home.add_interface(router["id"], port_id=made["id"])


def reached(told):
    """A picture without what no network of it leads to."""
    used = {name for port in told["ports"] for name in port["groups"]} | {"default"}
    groups = {group["name"]: group for group in told["groups"]}
    while further := {
        rule["remote"] for name in used for rule in groups[name]["rules"]
    } - {None, *used}:
        used |= further
    joined = {router for router, _network, _address in told["interfaces"]}
    return {
        **told,
        "groups": [one for one in told["groups"] if one["name"] in used],
        "routers": [one for one in told["routers"] if one["name"] in joined],
    }


@hypothesis.given(networks, rules, gateways, strategies.sampled_from([HOME, AWAY]))
@hypothesis.settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    # An example takes a while; what is not simple can still be read.
    phases=[hypothesis.Phase.generate],
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
def test_what_is_restored_looks_like_what_was_protected(drawn, rules, gateways, target):
    with NeutronServer().running() as server:
        rig = Rig(server)
        builder = Builder(rig, rules, gateways)
        made = [builder.network(number, one) for number, one in enumerate(drawn)]
        before = picture(rig.state, HOME)
        checkpoint = rig.protect(*made)
        wipe(rig, HOME)
        run = rig.restore(checkpoint, *made, project=target)
        assert picture(rig.state, target) == reached(before)
        run.revert()
        left = picture(rig.state, target)
        assert [one["name"] for one in left.pop("groups")] == ["default"]
        assert not any(left.values())
