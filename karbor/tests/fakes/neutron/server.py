# SPDX-License-Identifier: Apache-2.0
"""A small Neutron over real HTTP."""

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.clients import neutron as neutron_client
from karbor.tests.fakes.neutron.changes import Changes
from karbor.tests.fakes.neutron.facts import FIELDS, Caller, Refused
from karbor.tests.fakes.neutron.state import Thing
from karbor.tests.fakes.web import Answer, Request, WebServer

ADMIN = "admin"
_PLURALS = {f"{kind}s": kind for kind in FIELDS}
_CONTROL = ("limit", "marker", "fields")

#: Which request breaks off, and whether that is after it was done.
Breaking = Callable[[int], bool | None]


class NeutronServer:
    """Answers as Neutron does for the project whose token it gets.

    :ivar state: what there is; tests look at it and change it
    :ivar breaking: asked with the number of each request that changes something; None
        lets it pass, False breaks it off before, True after it was done
    :ivar refusals: by ``METHOD kind``, answered instead, once for each entry
    """

    def __init__(self) -> None:
        self.state = Changes()
        self.breaking: Breaking = lambda number: None
        self.refusals: dict[str, list[Refused]] = {}
        self.changes = 0
        self._lock = threading.Lock()
        self._web = WebServer(self._answer)

    @property
    def requests(self) -> list[Request]:
        """What it was asked."""
        return self._web.requests

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Neutron's endpoint."""
        neutron_client.OPTIONS.register(conf)
        conf.set_override("neutron_endpoint", self._web.url, "neutron_client")
        conf.set_override("retries", 0, "neutron_client")

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the block ends."""
        with self._web.running():
            yield self

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            if request.method == "GET":
                return self._do(request)
            self.changes += 1
            is_after = self.breaking(self.changes)
            if is_after is None:
                return self._do(request)
            if is_after:
                self._do(request)
            return Answer(drop=True)

    def _do(self, request: Request) -> Answer:
        try:
            status, given = self._handle(request)
        except Refused as refused:
            error = {"type": refused.kind, "message": str(refused), "detail": ""}
            return _json(refused.status, {"NeutronError": error})
        return Answer(status, b"") if given is None else _json(status, given)

    def _handle(self, request: Request) -> tuple[int, Any]:
        url = urllib.parse.urlsplit(request.path)
        plural, *rest = url.path.removeprefix("/v2.0/").split("/")
        kind = _PLURALS.get(plural.replace("-", "_"), "")
        if not kind:
            raise Refused(404, "NotFound", f"There is no {plural}")
        refusals = self.refusals.get(f"{request.method} {kind}")
        if refusals:
            raise refusals.pop(0)
        caller = _caller(request)
        if request.method == "GET":
            query = urllib.parse.parse_qs(url.query)
            return 200, self._list(kind, url.path, query, caller)
        body = json.loads(request.body) if request.body else {}
        if request.method == "POST":
            return 201, self._create(kind, body, caller)
        if request.method == "DELETE":
            self.state.delete(kind, rest[0], caller)
            return 204, None
        return 200, self._put(kind, rest, body, caller)

    def _list(
        self, kind: str, path: str, query: dict[str, list[str]], caller: Caller
    ) -> Thing:
        filters = {k: v for k, v in query.items() if k not in _CONTROL}
        found = [
            thing
            for thing in self.state.visible(kind, caller)
            if all(_fits(thing, name, values) for name, values in filters.items())
        ]
        found.sort(key=lambda thing: str(thing["id"]))
        marker = query.get("marker", [""])[0]
        limit = int(query.get("limit", ["1000"])[0])
        rest = [thing for thing in found if thing["id"] > marker]
        page: Thing = {f"{kind}s": rest[:limit]}
        if len(rest) > limit:
            following = {**query, "marker": [rest[limit - 1]["id"]]}
            href = f"{self._web.url}{path}?{urllib.parse.urlencode(following, True)}"
            page[f"{kind}s_links"] = [{"rel": "next", "href": href}]
        return page

    def _create(self, kind: str, body: Thing, caller: Caller) -> Thing:
        if kind in body:
            return {kind: self.state.create(kind, body[kind], caller)}
        made: list[Thing] = []
        try:
            for fields in body[f"{kind}s"]:
                made.append(self.state.create(kind, fields, caller))
        except Refused:
            # All or nothing.
            for thing in made:
                self.state.delete(kind, thing["id"], caller)
            raise
        return {f"{kind}s": made}

    def _put(self, kind: str, rest: list[str], body: Thing, caller: Caller) -> Any:
        thing_id, *action = rest
        if action == ["tags"]:
            self.state.set_tags(kind, thing_id, body["tags"], caller)
            return body
        if action == ["add_router_interface"]:
            return self.state.add_interface(thing_id, body, caller)
        if action == ["remove_router_interface"]:
            return self.state.remove_interface(thing_id, body, caller)
        return {kind: self.state.update(kind, thing_id, body[kind], caller)}


def context_of(project_id: str, user_id: str = "member") -> RequestContext:
    """A caller of a project; the user ``admin`` sees and may do everything."""
    return RequestContext(user_id=user_id, project_id=project_id, overwrite=False)


def _caller(request: Request) -> Caller:
    # Karbor's token where no Keystone is asked.
    user, _, project_id = request.headers["X-Auth-Token"].partition(":")
    return Caller(project_id, is_admin=user == ADMIN)


def _fits(thing: Thing, name: str, values: list[str]) -> bool:
    if name == "tags":
        return set(values[0].split(",")) <= set(thing["tags"])
    return str(thing.get(name)) in values


def _json(status: int, given: Any) -> Answer:
    return Answer(status, json.dumps(given).encode())
