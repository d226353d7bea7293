# SPDX-License-Identifier: Apache-2.0
"""A small Trove that lists database instances in pages."""

from typing import Any

from karbor.services.protection.clients import trove as trove_client
from karbor.tests.fakes.listing.service import ListingService, Question, Thing


class TroveLists(ListingService):
    """Tells whose an instance is only in the management API, which is for admins."""

    client = trove_client
    root = "/v1.0"

    #: Whether that API takes a project, as newer ones do.
    filters = True

    def add(self, instance_id: str, project: str, *, status: str = "ACTIVE") -> None:
        self.put(instance_id, tenant_id=project, status=status)

    def answer(self, question: Question) -> Any:
        is_mgmt = "/mgmt/" in question.whole_path
        if question.path != "instances":
            known = self.things.get(question.path)
            is_seen = known is not None and (
                question.is_admin or known["tenant_id"] == question.project
            )
            return {"instance": _shown(known)} if known and is_seen else None
        if is_mgmt and not question.is_admin:
            return None
        wanted = question.get("project_id") if self.filters else None
        found = self.after(
            (
                instance
                for instance in self.things.values()
                if instance["tenant_id"] == (wanted or question.project)
                or (is_mgmt and wanted is None)
            ),
            question.get("marker"),
        )
        page = found[: self.page]
        said: dict[str, Any] = {
            "instances": page if is_mgmt else [_shown(one) for one in page]
        }
        if len(found) > self.page:
            href = f"{self.url}{question.whole_path}?marker={page[-1]['id']}"
            said["links"] = [{"rel": "next", "href": href}]
        return said


def _shown(instance: Thing) -> Thing:
    return {name: value for name, value in instance.items() if name != "tenant_id"}
