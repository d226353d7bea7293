# SPDX-License-Identifier: Apache-2.0
"""The things of a small Neutron, and what it enforces about them."""

import collections
import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from karbor.tests.fakes.neutron import addressing, facts
from karbor.tests.fakes.neutron.facts import Caller, Refused

Thing = dict[str, Any]


class State:
    """Everything there is, and how it is made, changed and deleted.

    :ivar things: by kind, by id
    :ivar quotas: how many of a kind a project may have
    :ivar has_dhcp: whether each subnet with DHCP gets a port for it at once
    """

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Thing]] = collections.defaultdict(dict)
        self.quotas: dict[str, int] = {}
        self.has_dhcp = False
        self._count = itertools.count(1)

    # What is seen.

    def visible(self, kind: str, caller: Caller) -> Iterator[Thing]:
        """What a caller sees of a kind, without what others must not see."""
        if kind == "security_group":
            self._default_group(caller.project_id)
        for thing in list(self.things[kind].values()):
            if caller.is_admin:
                yield self._whole(kind, thing)
            elif self._is_seen(kind, thing, caller):
                hidden = facts.HIDDEN.get(kind, set())
                shown = self._whole(kind, thing)
                yield {k: v for k, v in shown.items() if k not in hidden}

    def find(self, kind: str, thing_id: Any, caller: Caller) -> Thing:
        """One thing; refused when the caller does not see it."""
        thing = self.things[kind].get(thing_id)
        if thing is None or not (caller.is_admin or self._is_seen(kind, thing, caller)):
            raise Refused(404, "NotFound", f"{kind} {thing_id} could not be found.")
        return thing

    def _is_seen(self, kind: str, thing: Thing, caller: Caller) -> bool:
        if thing["project_id"] == caller.project_id:
            return True
        if kind == "network":
            return bool(thing["shared"] or thing["router:external"])
        if kind == "subnet":
            network = self.things["network"][thing["network_id"]]
            return self._is_seen("network", network, caller)
        if kind == "port":
            network = self.things["network"][thing["network_id"]]
            return bool(network["project_id"] == caller.project_id)
        return bool(kind == "security_group" and thing.get("shared"))

    def _whole(self, kind: str, thing: Thing) -> Thing:
        """A thing with those that are shown as part of it."""
        if kind == "security_group":
            return {**thing, "security_group_rules": self._rules(thing["id"])}
        if kind == "network":
            subnets = self.things["subnet"].values()
            ids = [one["id"] for one in subnets if one["network_id"] == thing["id"]]
            return {**thing, "subnets": ids}
        return thing

    def _rules(self, group_id: str) -> list[Thing]:
        rules = self.things["security_group_rule"].values()
        return [rule for rule in rules if rule["security_group_id"] == group_id]

    def ports(self, **wanted: Any) -> list[Thing]:
        """The ports with some fields."""
        return [
            port
            for port in self.things["port"].values()
            if all(port[name] == value for name, value in wanted.items())
        ]

    def used(self, subnet_id: str) -> set[str]:
        """The addresses of a subnet that ports have."""
        return {
            end["ip_address"]
            for port in self.things["port"].values()
            for end in port["fixed_ips"]
            if end["subnet_id"] == subnet_id
        }

    # What is made.

    def create(self, kind: str, fields: Thing, caller: Caller) -> Thing:
        """Make a thing, or refuse it."""
        known = facts.FIELDS[kind]
        for name in fields:
            if name not in known and name not in ("project_id", "tenant_id"):
                raise Refused(400, "HTTPBadRequest", f"Unrecognized '{name}' in POST")
        if len(fields.get("description", "")) > facts.LONGEST:
            raise Refused(400, "HTTPBadRequest", "Invalid input for description")
        self._check_policy(kind, fields, caller)
        self._check_quota(kind, caller)
        made = {
            **known,
            **facts.SHOWN.get(kind, {}),
            **fields,
            "id": str(uuid.uuid4()),
            "project_id": caller.project_id,
            "tags": [],
            "status": "ACTIVE",
        }
        made.pop("tenant_id", None)
        check: Callable[..., None] | None = getattr(self, f"_new_{kind}", None)
        if check is not None:
            check(made, fields, caller)
        self.things[kind][made["id"]] = made
        self._after_creating(kind, made, caller)
        return self._whole(kind, made)

    def _check_policy(self, kind: str, fields: Thing, caller: Caller) -> None:
        if caller.is_admin:
            return
        rules = facts.ADMINS.get(kind, {})
        named = [
            name for name, value in rules.items() if fields.get(name, value) != value
        ]
        gateway = fields.get("external_gateway_info") or {}
        named += [name for name in gateway if name != "network_id"]
        if kind == "port":
            network = self.find("network", fields["network_id"], caller)
            if network["project_id"] != caller.project_id:
                named += [name for name in facts.NETWORK_OWNERS if name in fields]
                if any("ip_address" in end for end in fields.get("fixed_ips") or ()):
                    named.append("fixed_ips:ip_address")
        if named:
            rule = " and ".join(f"rule:create_{kind}:{name}" for name in named)
            raise Refused(
                403, "PolicyNotAuthorized", f"({rule}) is disallowed by policy"
            )

    def _check_quota(self, kind: str, caller: Caller) -> None:
        limit = self.quotas.get(kind)
        if limit is None:
            return
        owned = [
            one
            for one in self.things[kind].values()
            if one["project_id"] == caller.project_id
        ]
        if len(owned) >= limit:
            raise Refused(
                409, "OverQuota", f"Quota exceeded for resources: ['{kind}']."
            )

    def _after_creating(self, kind: str, made: Thing, caller: Caller) -> None:
        if kind == "security_group":
            for ethertype in ("IPv4", "IPv6"):
                self._add_rule(made, direction="egress", ethertype=ethertype)
        if kind == "subnet" and self.has_dhcp and made["enable_dhcp"]:
            self._internal_port(made["network_id"], facts.DHCP_OWNER, "dhcp", made)
        if kind == "router":
            self._plug_gateway(made)

    def _new_network(self, made: Thing, fields: Thing, caller: Caller) -> None:
        if made["mtu"] > 1450:
            raise Refused(
                400, "InvalidInput", "Requested MTU is too big, maximum is 1450."
            )
        made["port_security_enabled"] = bool(made["port_security_enabled"])

    def _new_subnet(self, made: Thing, fields: Thing, caller: Caller) -> None:
        network = self.find("network", made["network_id"], caller)
        if network["project_id"] != caller.project_id and not caller.is_admin:
            raise Refused(403, "PolicyNotAuthorized", "create_subnet is disallowed")
        if made["subnetpool_id"] is not None:
            self.find("subnetpool", made["subnetpool_id"], caller)
        for other in self.things["subnet"].values():
            is_beside = other["network_id"] == made["network_id"]
            if is_beside and addressing.overlap(other["cidr"], made["cidr"]):
                raise Refused(
                    400,
                    "InvalidInput",
                    f"Requested subnet with cidr: {made['cidr']} overlaps with "
                    f"another subnet on network {made['network_id']}",
                )
        addressing.complete(made, fields)

    def _new_port(self, made: Thing, fields: Thing, caller: Caller) -> None:
        self.find("network", made["network_id"], caller)
        mac = made["mac_address"] = made["mac_address"] or self._new_mac()
        beside = self.ports(network_id=made["network_id"])
        if mac in {port["mac_address"] for port in beside}:
            raise Refused(
                409, "MacAddressInUse", f"The mac address {mac} is in use on network."
            )
        network = self.things["network"][made["network_id"]]
        if "port_security_enabled" not in fields:
            made["port_security_enabled"] = network["port_security_enabled"]
        if made["security_groups"] is None:
            default = self._default_group(caller.project_id)
            secure = made["port_security_enabled"]
            made["security_groups"] = [default["id"]] if secure else []
        elif made["security_groups"] and not made["port_security_enabled"]:
            raise Refused(409, "PortSecurityAndIPRequired", "Port security is off")
        for group_id in made["security_groups"]:
            self.find("security_group", group_id, caller)
        if made["qos_policy_id"] is not None:
            raise Refused(404, "QosPolicyNotFound", "QoS policy could not be found.")
        made["fixed_ips"] = self._ends(made, made["fixed_ips"])

    def _ends(self, port: Thing, wanted: list[Thing] | None) -> list[Thing]:
        subnets = [
            one
            for one in self.things["subnet"].values()
            if one["network_id"] == port["network_id"]
        ]
        automatic = [one for one in subnets if addressing.is_automatic(one)]
        if wanted is None:
            first = [one for one in subnets if not addressing.is_automatic(one)][:1]
            wanted = [{"subnet_id": one["id"]} for one in [*first, *automatic]]
        elif wanted and not port["device_owner"]:
            named = {end.get("subnet_id") for end in wanted}
            wanted = [
                *wanted,
                *({"subnet_id": s["id"]} for s in automatic if s["id"] not in named),
            ]
        ends = []
        for end in wanted:
            subnet = self.things["subnet"].get(end["subnet_id"])
            if subnet is None or subnet["network_id"] != port["network_id"]:
                raise Refused(400, "InvalidInput", "Subnet is not on the network.")
            address = addressing.allocate(
                subnet,
                end.get("ip_address"),
                self.used(subnet["id"]) | {one["ip_address"] for one in ends},
                port["mac_address"],
                is_router=port["device_owner"] == facts.INTERFACE_OWNER,
            )
            ends.append({"subnet_id": subnet["id"], "ip_address": address})
        return ends

    def _new_security_group(self, made: Thing, fields: Thing, caller: Caller) -> None:
        self._default_group(caller.project_id)
        if made["name"] == "default":
            raise Refused(
                409, "SecurityGroupDefaultAlreadyExists", "Default group exists."
            )

    def _new_security_group_rule(
        self, made: Thing, fields: Thing, caller: Caller
    ) -> None:
        group = self.find("security_group", made["security_group_id"], caller)
        if made["remote_group_id"] is not None:
            self.find("security_group", made["remote_group_id"], caller)
        for rule in self._rules(group["id"]):
            if _key(rule) == _key(made):
                raise Refused(
                    409, "SecurityGroupRuleExists", f"Rule exists: {rule['id']}."
                )

    def _default_group(self, project_id: str) -> Thing:
        for group in self.things["security_group"].values():
            if group["project_id"] == project_id and group["name"] == "default":
                return group
        group = {
            **facts.FIELDS["security_group"],
            "id": str(uuid.uuid4()),
            "name": "default",
            "project_id": project_id,
            "tags": [],
        }
        self.things["security_group"][group["id"]] = group
        for ethertype in ("IPv4", "IPv6"):
            self._add_rule(group, direction="egress", ethertype=ethertype)
            self._add_rule(
                group,
                direction="ingress",
                ethertype=ethertype,
                remote_group_id=group["id"],
            )
        return group

    def _add_rule(self, group: Thing, **fields: Any) -> None:
        rule = {
            **facts.FIELDS["security_group_rule"],
            **fields,
            "id": str(uuid.uuid4()),
            "project_id": group["project_id"],
            "security_group_id": group["id"],
            "tags": [],
        }
        self.things["security_group_rule"][rule["id"]] = rule

    def _internal_port(
        self, network_id: str, owner: str, device_id: str, *subnets: Thing
    ) -> Thing:
        """A port that Neutron makes for itself."""
        network = self.things["network"][network_id]
        port = {
            **facts.FIELDS["port"],
            "id": str(uuid.uuid4()),
            "project_id": network["project_id"] if owner == facts.DHCP_OWNER else "",
            "network_id": network_id,
            "mac_address": self._new_mac(),
            "device_owner": owner,
            "device_id": device_id,
            "security_groups": [],
            "tags": [],
        }
        port["fixed_ips"] = self._ends(
            port, [{"subnet_id": one["id"]} for one in subnets] if subnets else None
        )
        self.things["port"][port["id"]] = port
        return port

    def _new_mac(self) -> str:
        number = next(self._count)
        return f"fa:16:3e:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"

    def _plug_gateway(self, router: Thing) -> None:
        gateway = router["external_gateway_info"]
        if gateway is None:
            return
        network = self.things["network"].get(gateway["network_id"])
        if network is None or not network["router:external"]:
            del self.things["router"][router["id"]]
            raise Refused(400, "BadRequest", "The gateway's network is not external")
        port = self._internal_port(network["id"], facts.GATEWAY_OWNER, router["id"])
        router["external_gateway_info"] = {
            "network_id": network["id"],
            "enable_snat": gateway.get("enable_snat", True),
            "external_fixed_ips": port["fixed_ips"],
        }

    def _new_floatingip(self, made: Thing, fields: Thing, caller: Caller) -> None:
        network = made["floating_network_id"]
        port = self._internal_port(network, facts.FLOATING_OWNER, made["id"])
        made["floating_ip_address"] = port["fixed_ips"][0]["ip_address"]
        made["router_id"] = None
        if made["port_id"] is not None:
            self._associate(made, {"port_id": made["port_id"]})

    def _associate(self, floating: Thing, fields: Thing) -> None:
        port = self.things["port"][fields["port_id"]] if fields["port_id"] else None
        address = fields.get("fixed_ip_address")
        if port is not None:
            address = address or port["fixed_ips"][0]["ip_address"]
            if address not in {end["ip_address"] for end in port["fixed_ips"]}:
                raise Refused(400, "BadRequest", "The port has no such address")
        floating.update(port_id=fields["port_id"], fixed_ip_address=address)


def _key(rule: Thing) -> tuple[Any, ...]:
    names = (*facts.FIELDS["security_group_rule"],)
    return tuple(str(rule[name]) for name in names if name != "description")
