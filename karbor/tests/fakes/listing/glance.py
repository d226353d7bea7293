# SPDX-License-Identifier: Apache-2.0
"""A small Glance that lists images in pages."""

import urllib.parse
from typing import Any

from karbor.services.protection.clients import glance as glance_client
from karbor.tests.fakes.listing.service import ListingService, Question, Thing


class GlanceLists(ListingService):
    """Lists, filters and pages as Glance does; shows every image to everyone."""

    client = glance_client

    def add(
        self,
        image_id: str,
        owner: str | None,
        *,
        status: str = "active",
        hidden: bool = False,
        **more: Any,
    ) -> None:
        self.put(image_id, status=status, owner=owner, os_hidden=hidden, **more)

    def answer(self, question: Question) -> Any:
        if question.path != "images":
            return self.things.get(question.path)
        hidden = question.get("os_hidden") == "true"
        found = [i for i in self.things.values() if i["os_hidden"] is hidden]
        if owner := question.get("owner"):
            found = [image for image in found if image["owner"] == owner]
        if ids := question.get("id"):
            wanted = ids.removeprefix("in:").split(",")
            found = [image for image in found if image["id"] in wanted]
        page = self.after(found, question.get("marker"))
        said: dict[str, Any] = {"images": page[: self.page]}
        if len(page) > self.page:
            query = {name: values[0] for name, values in question.query.items()}
            query["marker"] = page[self.page - 1]["id"]
            said["next"] = "/v2/images?" + urllib.parse.urlencode(query)
        return said


class EveryImage(ListingService):
    """Has an image for whatever id is asked, and none in the list of a project.

    For plans that name images which nobody made.

    :ivar missing: ids of which it has no image all the same
    """

    client = glance_client
    missing: frozenset[str] = frozenset()

    def answer(self, question: Question) -> Any:
        if question.path != "images":
            is_missing = question.path in self.missing
            return None if is_missing else _image(question.path)
        if question.get("os_hidden") == "true" or not question.get("id"):
            return {"images": []}
        ids = (question.get("id") or "").removeprefix("in:").split(",")
        return {"images": [_image(one) for one in ids if one not in self.missing]}


def _image(image_id: str) -> Thing:
    return {"id": image_id, "name": None, "status": "active", "owner": None}
