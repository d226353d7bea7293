# SPDX-License-Identifier: Apache-2.0
"""A small Nova over real HTTP: it lists servers in pages."""

from collections.abc import Sequence
from typing import Any

from karbor.services.protection.clients import nova as nova_client
from karbor.tests.fakes.listing.service import ListingService, Question

PAGE = 100


class NovaServer(ListingService):
    """Knows which image each server was booted from, and its volumes."""

    client = nova_client
    root = "/v2.1"

    def __init__(self, page: int = PAGE) -> None:
        super().__init__(page)

    def add(
        self,
        server_id: str,
        image_id: str | None,
        *,
        volumes: Sequence[str] = (),
        project: str | None = None,
        status: str = "ACTIVE",
    ) -> None:
        """A server; without an image it was booted from a volume.

        :param project: that owns it; None: whoever asks
        """
        self.things[server_id] = {
            "id": server_id,
            "name": server_id,
            "status": status,
            "image": {"id": image_id, "links": []} if image_id else "",
            "tenant_id": project,
            "OS-EXT-AZ:availability_zone": "zone of servers",
            "os-extended-volumes:volumes_attached": [{"id": name} for name in volumes],
        }

    def answer(self, question: Question) -> Any:
        project = question.project
        if question.path != "detail":
            known = self._seen_by(question).get(question.path)
            return known and {"server": {**known, "tenant_id": _owner(known, project)}}
        if question.get("all_tenants") and question.is_admin:
            project = question.get("project_id") or project
        found = [
            {**server, "tenant_id": project}
            for server in self.things.values()
            if _owner(server, question.project) == project
        ]
        return {"servers": self.after(found, question.get("marker"))[: self.page]}

    def _seen_by(self, question: Question) -> dict[str, dict[str, Any]]:
        return {
            name: server
            for name, server in self.things.items()
            if question.is_admin or _owner(server, question.project) == question.project
        }


def _owner(server: dict[str, Any], caller: str) -> str:
    return server["tenant_id"] or caller
