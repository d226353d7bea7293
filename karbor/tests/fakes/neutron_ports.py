# SPDX-License-Identifier: Apache-2.0
"""A small Neutron over real HTTP: ports on networks, with floating addresses."""

import json
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from oslo_config import cfg

from karbor.services.protection.clients import neutron as neutron_client
from karbor.tests.fakes.web import Answer, Request, WebServer

#: Says of what is asked for why it is refused, with the status; None: it is not.
Refusal = Callable[[str, dict[str, Any]], tuple[int, str] | None]


class PortsServer:
    """Keeps things by kind (``ports``, ``floatingips``, …) and id.

    An address, MAC or floating address is given out once.

    :ivar things: of each kind, by id
    :ivar refusals: asked about each thing before it is made
    """

    def __init__(self, project_id: str) -> None:
        self.project_id = project_id
        self._web = WebServer(self._answer)
        self.things: dict[str, dict[str, dict[str, Any]]] = {
            kind: {}
            for kind in (
                "networks",
                "subnets",
                "ports",
                "floatingips",
                "security_groups",
            )
        }
        self.refusals: list[Refusal] = []
        self._count = 100

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Neutron's endpoint."""
        neutron_client.OPTIONS.register(conf)
        conf.set_override("neutron_endpoint", self._web.url, "neutron_client")

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the block ends."""
        with self._web.running():
            yield self

    def add(self, kind: str, **fields: Any) -> str:
        """A thing; gives its id."""
        thing_id = fields.pop("id", None) or str(uuid.uuid4())
        self.things[kind][thing_id] = {
            "id": thing_id,
            "name": "",
            "description": "",
            "project_id": self.project_id,
            **fields,
        }
        return thing_id

    def add_port(self, network_id: str, address: str, mac: str, **fields: Any) -> str:
        """A port; gives its id."""
        return self.add(
            "ports",
            **{
                "network_id": network_id,
                "device_id": "",
                "mac_address": mac,
                "fixed_ips": [{"subnet_id": f"of-{network_id}", "ip_address": address}],
                "security_groups": [],
                "allowed_address_pairs": [],
                "port_security_enabled": True,
                **fields,
            },
        )

    def bind(self, port_id: str, device_id: str) -> None:
        """Let a port belong to a server."""
        port = self.things["ports"][port_id]
        assert not port["device_id"], "the port is in use"
        port["device_id"] = device_id

    def unbind(self, device_id: str) -> None:
        """Free the ports of a server."""
        for port in self.ports_of(device_id):
            port["device_id"] = ""

    def ports_of(self, device_id: str) -> list[dict[str, Any]]:
        """The ports of a server."""
        ports = self.things["ports"].values()
        return [port for port in ports if port["device_id"] == device_id]

    def delete_port(self, port_id: str) -> None:
        """Delete a port; its floating addresses stay."""
        self.things["ports"].pop(port_id, None)
        for floating in self.things["floatingips"].values():
            if floating["port_id"] == port_id:
                floating["port_id"] = None

    def _answer(self, request: Request) -> Answer:
        url = urllib.parse.urlsplit(request.path)
        kind, *rest = url.path.removeprefix("/v2.0/").replace("-", "_").split("/")
        thing_id = rest[0].replace("_", "-") if rest else None
        one = kind.removesuffix("s")
        body = json.loads(request.body)[one] if request.body else {}
        things = self.things[kind]
        if request.method == "GET":
            found = self._matching(kind, urllib.parse.parse_qs(url.query))
            return _json(200, {kind: found})
        if request.method == "POST":
            refused = self._refused(kind, body)
            if refused is not None:
                status, text = refused
                error = {"type": "Refused", "message": text, "detail": ""}
                return _json(status, {"NeutronError": error})
            return _json(201, {one: things[self._make(kind, body)]})
        if thing_id not in things:
            error = {"type": "NotFound", "message": "no such thing", "detail": ""}
            return _json(404, {"NeutronError": error})
        if request.method == "PUT":
            things[thing_id].update(body)
            return _json(200, {one: things[thing_id]})
        if kind == "ports":
            self.delete_port(thing_id)
        else:
            del things[thing_id]
        return Answer(204, b"")

    def _matching(self, kind: str, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        filters = {
            name: values
            for name, values in query.items()
            if name not in ("limit", "fields", "marker")
        }
        return [
            thing
            for thing in self.things[kind].values()
            if all(str(thing.get(name)) in values for name, values in filters.items())
        ]

    def _refused(self, kind: str, asked: dict[str, Any]) -> tuple[int, str] | None:
        for refusal in (*self.refusals, self._in_use):
            refused = refusal(kind, asked)
            if refused is not None:
                return refused
        return None

    def _in_use(self, kind: str, asked: dict[str, Any]) -> tuple[int, str] | None:
        ports = self.things["ports"].values()
        if asked.get("mac_address") in {port["mac_address"] for port in ports}:
            return 409, f"MAC {asked['mac_address']} is in use"
        used = {one["ip_address"] for port in ports for one in port["fixed_ips"]}
        for one in asked.get("fixed_ips", ()):
            if one.get("ip_address") in used:
                return 409, f"IP {one['ip_address']} is in use"
        floating = self.things["floatingips"].values()
        addresses = {one["floating_ip_address"] for one in floating}
        if asked.get("floating_ip_address") in addresses:
            return 409, f"floating {asked['floating_ip_address']} is in use"
        return None

    def _make(self, kind: str, asked: dict[str, Any]) -> str:
        self._count += 1
        if kind == "ports":
            fields = {
                "device_id": "",
                "mac_address": f"fa:16:3e:00:00:{self._count}",
                "fixed_ips": [
                    {
                        "subnet_id": f"of-{asked['network_id']}",
                        "ip_address": f"10.9.9.{self._count}",
                    }
                ],
                "security_groups": ["default-id"],
            }
        else:
            fields = {"floating_ip_address": f"172.24.4.{self._count}"}
        for fixed in asked.get("fixed_ips", ()):
            fixed.setdefault("ip_address", "automatic")
        return self.add(kind, **{**fields, **asked})


def _json(status: int, given: Any) -> Answer:
    return Answer(status, json.dumps(given).encode())
