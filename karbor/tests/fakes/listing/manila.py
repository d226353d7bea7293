# SPDX-License-Identifier: Apache-2.0
"""A small Manila that lists shares in pages."""

from typing import Any

from karbor.services.protection.clients import manila as manila_client
from karbor.tests.fakes.listing.service import ListingService, Question


class ManilaLists(ListingService):
    """Pages by numbers, sorted by id, and gives no more than a page of its own size."""

    client = manila_client
    root = "/v2"

    def add(
        self,
        share_id: str,
        project: str,
        *,
        status: str = "available",
        public: bool = False,
        replicas: int = 1,
    ) -> None:
        """A share; each of its replicas takes a place in the lists."""
        self.put(
            share_id,
            project_id=project,
            status=status,
            is_public=public,
            availability_zone="zone of shares",
            replicas=replicas,
        )

    def answer(self, question: Question) -> Any:
        if question.path != "detail":
            known = self.things.get(question.path)
            if known is None or not (
                question.is_admin or known["project_id"] == question.project
            ):
                return None
            return {"share": known}
        project = question.project
        if question.get("all_tenants") and question.is_admin:
            project = question.get("project_id") or project
        public = question.get("is_public") == "True"
        rows = [
            share_id
            for share_id, share in sorted(self.things.items())
            for _replica in range(share["replicas"])
            if share["project_id"] == project or (public and share["is_public"])
        ]
        start = int(question.get("offset") or 0)
        end = start + min(self.page, int(question.get("limit") or self.page))
        return {
            "shares": [self.things[name] for name in dict.fromkeys(rows[start:end])]
        }
