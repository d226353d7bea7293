# SPDX-License-Identifier: Apache-2.0
"""A small Glance over real HTTP that keeps the data of its images."""

import collections
import hashlib
import json
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oslo_config import cfg

from karbor.services.protection.clients import glance as glance_client
from karbor.tests.fakes.web import Answer, Request, WebServer


class ImageServer:
    """Makes, fills, shows and deletes images.

    :ivar images: by id
    :ivar data: of each image that has some
    :ivar failing: HTTP statuses by method, answered once for each entry
    :ivar room: bytes that one image may have
    :ivar breaks: after how many bytes a download's connection breaks, once for each
        entry; None for one that does not
    :ivar knows_ranges: whether it gives a part of an image
    """

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.data: dict[str, bytes] = {}
        self.failing: dict[str, list[int]] = collections.defaultdict(list)
        self.room = 1024**3
        self.breaks: list[int | None] = []
        self.knows_ranges = True
        self._web = WebServer(self._answer)

    @property
    def requests(self) -> list[Request]:
        """What it was asked."""
        return self._web.requests

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Glance's endpoint."""
        glance_client.OPTIONS.register(conf)
        conf.set_override("glance_endpoint", self._web.url, "glance_client")

    @contextmanager
    def running(self) -> Iterator["ImageServer"]:
        """Serve until the block ends."""
        with self._web.running():
            yield self

    def make(self, **fields: Any) -> dict[str, Any]:
        """A queued image."""
        image_id = fields.get("id") or str(uuid.uuid4())
        self.images[image_id] = {
            "status": "queued",
            "size": None,
            **fields,
            "id": image_id,
        }
        return self.images[image_id]

    def fill(self, image_id: str, data: bytes) -> None:
        """Give an image its data, which makes it active."""
        self.data[image_id] = data
        self.images[image_id].update(
            status="active",
            size=len(data),
            checksum=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            os_hash_algo="sha512",
            os_hash_value=hashlib.sha512(data).hexdigest(),
        )

    def _answer(self, request: Request) -> Answer:
        if self.failing[request.method]:
            return _text(self.failing[request.method].pop(0), "made to fail")
        url = urllib.parse.urlsplit(request.path)
        image_id, _slash, below = (
            url.path.removeprefix("/v2/images").strip("/").partition("/")
        )
        if not image_id:
            if request.method == "POST":
                fields = json.loads(request.body)
                if fields.get("id") in self.images:
                    return _text(409, "there is such an image")
                return _json(self.make(**fields), 201)
            query = dict(urllib.parse.parse_qsl(url.query))
            return _json({"images": self._list(query)})
        if image_id not in self.images:
            return _text(404, "no such image")
        if below == "file":
            return self._file(image_id, request)
        if request.method == "DELETE":
            del self.images[image_id]
            self.data.pop(image_id, None)
            return _text(204, "")
        if request.method == "PATCH":
            for change in json.loads(request.body):
                self.images[image_id][change["path"][1:]] = change["value"]
        return _json(self.images[image_id])

    def _file(self, image_id: str, request: Request) -> Answer:
        if request.method == "GET":
            return self._download(self.data[image_id], request)
        if len(request.body) > self.room:
            return _text(413, "the store is full")
        self.fill(image_id, request.body)
        return _text(204, "")

    def _download(self, data: bytes, request: Request) -> Answer:
        sent = self.breaks.pop(0) if self.breaks else None
        kind = "application/octet-stream"
        asked = request.headers.get("Range")
        if asked is None or not self.knows_ranges:
            return Answer(200, data, kind, sent=sent)
        first = int(asked.removeprefix("bytes=").removesuffix("-"))
        if first >= len(data):
            return _text(416, "there is no such range")
        return Answer(206, data[first:], kind, sent=sent)

    def _list(self, query: dict[str, str]) -> list[dict[str, Any]]:
        found = list(self.images.values())
        if "name" in query:
            found = [image for image in found if image["name"] == query["name"]]
        if "id" in query:
            ids = query["id"].removeprefix("in:").split(",")
            found = [image for image in found if image["id"] in ids]
        return found


def _json(body: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode())


def _text(status: int, text: str) -> Answer:
    """As Glance answers errors."""
    return Answer(status, text.encode(), "text/plain")
