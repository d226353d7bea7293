# SPDX-License-Identifier: Apache-2.0
"""What the small OpenStack services of the tests have in common: JSON over HTTP."""

import collections
import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from karbor.tests.fakes.web import Answer, Request, WebServer


class NotFound(Exception):
    """Answered as 404."""


class Refused(Exception):
    """Answered with its status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class JsonService:
    """Answers ``METHOD first-part-of-the-path`` by the method that is named so.

    ``GET /v2/project/jobs/1`` below the root ``/v2/project`` is
    ``get_jobs(["1"], query, body)``, which gives what goes back as JSON.

    :ivar failing: HTTP status by ``"GET jobs"``, answered once for each entry
    """

    #: The path of the endpoint.
    root = ""

    def __init__(self) -> None:
        self.failing: dict[str, list[int]] = collections.defaultdict(list)
        self._web = WebServer(self._answer)

    @property
    def url(self) -> str:
        """The endpoint."""
        return self._web.url + self.root

    def calls(self, method: str, first: str) -> list[Request]:
        """What it was asked, by method and the first part of the path."""
        return [
            request
            for request in self._web.requests
            if request.method == method and self._parts(request.path)[0] == first
        ]

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the block ends."""
        with self._web.running():
            yield self

    def _parts(self, path: str) -> list[str]:
        below = urllib.parse.urlsplit(path).path.removeprefix(self.root).strip("/")
        return [urllib.parse.unquote(part) for part in below.split("/")]

    def _answer(self, request: Request) -> Answer:
        first, *rest = self._parts(request.path)
        name = f"{request.method} {first}"
        if self.failing[name]:
            return self._refusal(self.failing[name].pop(0), f"{name} is made to fail")
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.path).query))
        body = json.loads(request.body) if request.body else None
        handler = getattr(self, f"{request.method.lower()}_{first}".replace("-", "_"))
        try:
            status, given = handler(rest, query, body)
        except NotFound as error:
            return self._refusal(404, f"{error} could not be found")
        except Refused as error:
            return self._refusal(error.status, str(error))
        return Answer(status, b"" if given is None else json.dumps(given).encode())

    @staticmethod
    def _refusal(status: int, text: str) -> Answer:
        """As webob answers in most services."""
        told: dict[str, Any] = {"fault": {"code": status, "message": text}}
        return Answer(status, json.dumps(told).encode())
