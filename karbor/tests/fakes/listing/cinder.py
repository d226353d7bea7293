# SPDX-License-Identifier: Apache-2.0
"""A small Cinder that lists volumes in pages."""

from typing import Any

from karbor.services.protection.clients import cinder as cinder_client
from karbor.tests.fakes.listing.service import ListingService, Question

OWNER = "os-vol-tenant-attr:tenant_id"


class CinderLists(ListingService):
    """To anyone but an admin it gives the caller's, whatever project is asked for."""

    client = cinder_client
    root = "/v3"

    def add(
        self,
        volume_id: str,
        project: str,
        *,
        status: str = "available",
        zone: str = "zone of volumes",
    ) -> None:
        self.put(volume_id, status=status, availability_zone=zone, **{OWNER: project})

    def answer(self, question: Question) -> Any:
        if question.path != "detail":
            known = self.things.get(question.path)
            if known is None or not (
                question.is_admin or known[OWNER] == question.project
            ):
                return None
            return {"volume": known}
        project = question.project
        if question.get("all_tenants") and question.is_admin:
            project = question.get("project_id") or project
        found = self.after(
            (volume for volume in self.things.values() if volume[OWNER] == project),
            question.get("marker"),
        )
        said: dict[str, Any] = {"volumes": found[: self.page]}
        if len(found) > self.page:
            path = f"/v3/{question.project}/volumes/detail"
            query = f"marker={found[self.page - 1]['id']}"
            if question.get("all_tenants"):
                query += f"&all_tenants=1&project_id={project}"
            said["volumes_links"] = [
                {"rel": "next", "href": f"{self.url}{path}?{query}"}
            ]
        return said
