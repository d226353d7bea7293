# SPDX-License-Identifier: Apache-2.0
"""What the small services that only list have in common."""

import dataclasses
import json
import urllib.parse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar, Self

from oslo_config import cfg

from karbor.tests.fakes.web import Answer, Request, WebServer

#: The user to whom these services show all projects.
ADMIN = "root"

Thing = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Question:
    """A request as a service without Keystone reads it.

    :param path: the last part of ``whole_path``
    """

    whole_path: str
    path: str
    query: dict[str, list[str]]
    user: str
    project: str

    @classmethod
    def of(cls, request: Request) -> Self:
        url = urllib.parse.urlsplit(request.path)
        token = request.headers.get("X-Auth-Token", "")
        user, _colon, project = token.rpartition(":")
        return cls(
            url.path,
            urllib.parse.unquote(url.path.rpartition("/")[2]),
            urllib.parse.parse_qs(url.query),
            user,
            project,
        )

    @property
    def is_admin(self) -> bool:
        return self.user == ADMIN

    def get(self, name: str) -> str | None:
        """The first value of a parameter."""
        return self.query.get(name, [None])[0]


class ListingService:
    """Holds things by id, and answers for them over real HTTP.

    :param page: how many things it gives at once, whatever it is asked for
    """

    #: The module with the options of its client.
    client: ClassVar[ModuleType]
    #: What follows the host in its endpoint.
    root: ClassVar[str] = ""

    def __init__(self, page: int = 100) -> None:
        self.page = page
        self.things: dict[str, Thing] = {}
        #: The status of every answer, when it has failed.
        self.failure: int | None = None
        self._web = WebServer(self._answer)

    @property
    def requests(self) -> list[Request]:
        """What it was asked."""
        return self._web.requests

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._web.url

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name its endpoint."""
        described = self.client.OPTIONS
        described.register(conf)
        conf.set_override(
            f"{described.service}_endpoint", self.url + self.root, described.group
        )
        conf.set_override("retries", 0, described.group)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the block ends."""
        with self._web.running():
            yield self

    def put(self, thing_id: str, **fields: Any) -> None:
        """A thing that it has from now on."""
        self.things[thing_id] = {
            "id": thing_id,
            "name": f"name of {thing_id}",
            **fields,
        }

    def answer(self, question: Question) -> Any:
        """What it says, or None for a 404."""
        raise NotImplementedError

    def after(self, things: Iterable[Thing], marker: str | None) -> list[Thing]:
        """One page of things by their ids, after a marker, and one thing more."""
        found = sorted(things, key=lambda thing: str(thing["id"]))
        if marker is not None:
            found = [thing for thing in found if thing["id"] > marker]
        return found[: self.page + 1]

    def _answer(self, request: Request) -> Answer:
        if self.failure is not None:
            fault = {"fault": {"code": self.failure, "message": "it is broken"}}
            return Answer(self.failure, json.dumps(fault).encode())
        said = self.answer(Question.of(request))
        if said is None:
            return Answer(404, json.dumps({"error": {"message": "no such"}}).encode())
        return Answer(body=json.dumps(said).encode())
