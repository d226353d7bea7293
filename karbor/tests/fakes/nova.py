# SPDX-License-Identifier: Apache-2.0
"""A small Nova over real HTTP: it lists servers in pages."""

import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager

from oslo_config import cfg

from karbor.services.protection.clients import nova as nova_client
from karbor.tests.fakes.web import Answer, Request, WebServer

PAGE = 100


class NovaServer:
    """Knows which image each server was booted from."""

    def __init__(self) -> None:
        self._servers: dict[str, str | None] = {}
        self._web = WebServer(self._answer)

    @property
    def requests(self) -> list[Request]:
        """What it was asked."""
        return self._web.requests

    def add(self, server_id: str, image_id: str | None) -> None:
        """A server; without an image it was booted from a volume."""
        self._servers[server_id] = image_id

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Nova's endpoint."""
        nova_client.OPTIONS.register(conf)
        conf.set_override("nova_endpoint", self._web.url + "/v2.1", "nova_client")

    @contextmanager
    def running(self) -> Iterator["NovaServer"]:
        """Serve until the block ends."""
        with self._web.running():
            yield self

    def _answer(self, request: Request) -> Answer:
        url = urllib.parse.urlsplit(request.path)
        last = url.path.rpartition("/")[2]
        if last == "detail":
            query = dict(urllib.parse.parse_qsl(url.query))
            ids = sorted(self._servers)
            if "marker" in query:
                ids = [name for name in ids if name > query["marker"]]
            servers = [self._show(name) for name in ids[:PAGE]]
            return Answer(body=json.dumps({"servers": servers}).encode())
        if last not in self._servers:
            missing = {"itemNotFound": {"code": 404, "message": "no such server"}}
            return Answer(status=404, body=json.dumps(missing).encode())
        return Answer(body=json.dumps({"server": self._show(last)}).encode())

    def _show(self, server_id: str) -> dict[str, object]:
        image_id = self._servers[server_id]
        image = {"id": image_id, "links": []} if image_id else ""
        return {"id": server_id, "name": server_id, "status": "ACTIVE", "image": image}
