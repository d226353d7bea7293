# SPDX-License-Identifier: Apache-2.0
"""A small Neutron that lists networks and ports in pages."""

from collections.abc import Iterable
from typing import Any

from karbor.services.protection.clients import neutron as neutron_client
from karbor.tests.fakes.listing.service import ListingService, Question, Thing


class NeutronLists(ListingService):
    """Shows a project its own networks and the shared ones, with filters as Neutron."""

    client = neutron_client

    def __init__(self, page: int = 100) -> None:
        super().__init__(page)
        self.ports: dict[str, Thing] = {}

    def add(self, network_id: str, project: str, *, shared: bool = False) -> None:
        self.put(network_id, project_id=project, shared=shared, status="ACTIVE")

    def plug(self, server_id: str, network_id: str) -> None:
        """Give a server a port on a network."""
        port_id = f"port-{len(self.ports):06}"
        self.ports[port_id] = {
            "id": port_id,
            "device_id": server_id,
            "network_id": network_id,
        }

    def answer(self, question: Question) -> Any:
        if question.path in ("ports", "ports.json"):
            return self._page("ports", self.ports.values(), question)
        seen = (
            network
            for network in self.things.values()
            if question.is_admin
            or network["shared"]
            or network["project_id"] == question.project
        )
        return self._page("networks", seen, question)

    def _page(self, kind: str, things: Iterable[Thing], question: Question) -> Any:
        filters = {
            name: values
            for name, values in question.query.items()
            if name in ("id", "project_id", "device_id")
        }
        found = self.after(
            (
                thing
                for thing in things
                if all(thing[name] in values for name, values in filters.items())
            ),
            question.get("marker"),
        )
        said: dict[str, Any] = {kind: found[: self.page]}
        if len(found) > self.page:
            query = [
                *(f"{name}={value}" for name in filters for value in filters[name]),
                f"marker={found[self.page - 1]['id']}",
            ]
            href = f"{self.url}/v2.0/{kind}?{'&'.join(query)}"
            said[f"{kind}_links"] = [{"rel": "next", "href": href}]
        return said
