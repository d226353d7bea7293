# SPDX-License-Identifier: Apache-2.0
"""What a small Neutron lets be changed and deleted, and what it does not."""

import ipaddress
from typing import Any

from karbor.tests.fakes.neutron import addressing, facts
from karbor.tests.fakes.neutron.facts import Caller, Refused
from karbor.tests.fakes.neutron.state import State, Thing


class Changes(State):
    """A :class:`State` with everything that happens to what there is."""

    def update(self, kind: str, thing_id: str, fields: Thing, caller: Caller) -> Thing:
        """Set fields of a thing."""
        thing = self.find(kind, thing_id, caller)
        if thing["project_id"] != caller.project_id and not caller.is_admin:
            raise Refused(403, "PolicyNotAuthorized", f"update_{kind} is disallowed")
        known = {**facts.FIELDS[kind], **facts.SHOWN.get(kind, {})}
        for name in fields:
            if name not in known:
                raise Refused(400, "HTTPBadRequest", f"Unrecognized '{name}' in PUT")
        if kind == "router" and "routes" in fields:
            self._check_routes(thing, fields["routes"])
        if kind == "floatingip" and "port_id" in fields:
            self._associate(thing, fields)
        else:
            thing.update(fields)
        return self._whole(kind, thing)

    def set_tags(
        self, kind: str, thing_id: str, tags: list[str], caller: Caller
    ) -> None:
        """Replace the tags of a thing."""
        thing = self.find(kind, thing_id, caller)
        if any(len(tag) > 60 or "," in tag for tag in tags):
            raise Refused(400, "InvalidInput", f"Invalid tags {tags}")
        if len(tags) > facts.MOST_TAGS:
            raise Refused(400, "InvalidInput", f"There are {len(tags)} tags")
        thing["tags"] = sorted(tags)

    def delete(self, kind: str, thing_id: str, caller: Caller) -> None:
        """Delete a thing, unless something uses it."""
        thing = self.find(kind, thing_id, caller)
        if thing["project_id"] != caller.project_id and not caller.is_admin:
            raise Refused(404, "NotFound", f"{kind} {thing_id} could not be found.")
        check = getattr(self, f"_deleting_{kind}", None)
        if check is not None:
            check(thing)
        del self.things[kind][thing_id]

    def _deleting_network(self, network: Thing) -> None:
        ports = self.ports(network_id=network["id"])
        if [port for port in ports if port["device_owner"] != facts.DHCP_OWNER]:
            raise Refused(
                409, "NetworkInUse", f"There are ports on network {network['id']}."
            )
        for port in ports:
            del self.things["port"][port["id"]]
        for subnet in list(self.things["subnet"].values()):
            if subnet["network_id"] == network["id"]:
                del self.things["subnet"][subnet["id"]]

    def _deleting_subnet(self, subnet: Thing) -> None:
        users = [
            port
            for port in self.ports(network_id=subnet["network_id"])
            if any(end["subnet_id"] == subnet["id"] for end in port["fixed_ips"])
        ]
        if [port for port in users if port["device_owner"] != facts.DHCP_OWNER]:
            raise Refused(409, "SubnetInUse", f"Subnet {subnet['id']} is in use.")
        for port in users:
            del self.things["port"][port["id"]]

    def _deleting_port(self, port: Thing) -> None:
        if port["device_owner"].startswith("network:router"):
            raise Refused(
                409,
                "ServicePortInUse",
                f"Port {port['id']} cannot be deleted directly via the port API.",
            )
        for floating in self.things["floatingip"].values():
            if floating["port_id"] == port["id"]:
                floating.update(port_id=None, fixed_ip_address=None)

    def _deleting_router(self, router: Thing) -> None:
        ports = self.ports(device_id=router["id"])
        if [one for one in ports if one["device_owner"] == facts.INTERFACE_OWNER]:
            raise Refused(
                409, "RouterInUse", f"Router {router['id']} has ports still attached."
            )
        for port in ports:
            del self.things["port"][port["id"]]

    def _deleting_security_group(self, group: Thing) -> None:
        if group["name"] == "default":
            raise Refused(409, "SecurityGroupCannotRemoveDefault", "Not the default")
        if [one for one in self.ports() if group["id"] in one["security_groups"]]:
            raise Refused(
                409, "SecurityGroupInUse", f"Security Group {group['id']} in use."
            )
        for rule in list(self.things["security_group_rule"].values()):
            if group["id"] in (rule["security_group_id"], rule["remote_group_id"]):
                del self.things["security_group_rule"][rule["id"]]

    def _deleting_floatingip(self, floating: Thing) -> None:
        for port in self.ports(device_id=floating["id"]):
            del self.things["port"][port["id"]]

    # Routers.

    def add_interface(self, router_id: str, body: Thing, caller: Caller) -> Thing:
        """Join a router to a subnet, or take a port for it."""
        router = self.find("router", router_id, caller)
        if "port_id" in body:
            port = self.find("port", body["port_id"], caller)
            if port["device_id"]:
                raise Refused(409, "PortInUse", f"Port {port['id']} is in use.")
            subnets = [
                self.things["subnet"][end["subnet_id"]] for end in port["fixed_ips"]
            ]
            self._check_join(router, subnets)
        else:
            subnet = self.find("subnet", body["subnet_id"], caller)
            if subnet["gateway_ip"] is None:
                raise Refused(400, "BadRequest", "Subnet must have a gateway IP")
            self._check_join(router, [subnet])
            port = self._gateway_port(router, subnet, caller)
        port.update(device_id=router_id, device_owner=facts.INTERFACE_OWNER)
        return {"id": router_id, "port_id": port["id"]}

    def _gateway_port(self, router: Thing, subnet: Thing, caller: Caller) -> Thing:
        end = {"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}
        # All IPv6 subnets of a network are on one port.
        for port in self.ports(device_id=router["id"], network_id=subnet["network_id"]):
            versions = {":" in one["ip_address"] for one in port["fixed_ips"]}
            if subnet["ip_version"] == 6 and versions == {True}:
                port["fixed_ips"] += self._ends(port, [end])
                return port
        made = {
            "network_id": subnet["network_id"],
            "device_owner": facts.INTERFACE_OWNER,
            "fixed_ips": [end],
            "security_groups": [],
        }
        return self.create("port", made, Caller(router["project_id"], is_admin=True))

    def _check_join(self, router: Thing, subnets: list[Thing]) -> None:
        joined = self._joined(router)
        for subnet in subnets:
            for other in joined:
                if other["id"] == subnet["id"]:
                    raise Refused(
                        400, "BadRequest", "Router already has a port on the subnet"
                    )
                if addressing.overlap(other["cidr"], subnet["cidr"]):
                    raise Refused(
                        400,
                        "BadRequest",
                        f"Cidr {subnet['cidr']} overlaps with cidr {other['cidr']}",
                    )

    def _joined(self, router: Thing) -> list[Thing]:
        return [
            self.things["subnet"][end["subnet_id"]]
            for port in self.ports(device_id=router["id"])
            for end in port["fixed_ips"]
        ]

    def remove_interface(self, router_id: str, body: Thing, caller: Caller) -> Thing:
        """Take a router off a network."""
        router = self.find("router", router_id, caller)
        port = self.find("port", body["port_id"], caller)
        if port["device_id"] != router_id:
            raise Refused(404, "RouterInterfaceNotFound", "Not joined by this port")
        subnets = {end["subnet_id"] for end in port["fixed_ips"]}
        for route in router["routes"]:
            if any(
                _holds(self.things["subnet"][one]["cidr"], route) for one in subnets
            ):
                raise Refused(
                    409, "RouterInterfaceInUseByRoute", "A route leads over the port"
                )
        del self.things["port"][port["id"]]
        return {"id": router_id, "port_id": port["id"]}

    def _check_routes(self, router: Thing, routes: list[Thing]) -> None:
        cidrs = [subnet["cidr"] for subnet in self._joined(router)]
        for route in routes:
            if not any(_holds(cidr, route) for cidr in cidrs):
                raise Refused(
                    400,
                    "InvalidRoutes",
                    f"Invalid format for routes: {route}, the nexthop is not connected "
                    "with router",
                )


def _holds(cidr: str, route: dict[str, Any]) -> bool:
    return ipaddress.ip_address(route["nexthop"]) in ipaddress.ip_network(cidr)
