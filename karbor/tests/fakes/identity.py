# SPDX-License-Identifier: Apache-2.0
"""A small Keystone over real HTTP: it issues tokens to users, and checks them."""

import dataclasses
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclasses.dataclass
class User:
    """Who may log in, and to which project."""

    name: str
    password: str
    project_id: str = "11111111111111111111111111111111"
    project_name: str = "demo"
    domain: str = "Default"
    roles: tuple[str, ...] = ("member",)


class IdentityServer:
    """Answers ``/v3`` and ``/v3/auth/tokens``; remembers what it was asked."""

    def __init__(self, users: list[User], catalog: list[dict[str, Any]]) -> None:
        self.users = users
        self.catalog = catalog
        self.logins: list[dict[str, Any]] = []
        self.tokens: dict[str, User] = {}
        self._issued: dict[str, dict[str, Any]] = {}
        self.fail_with: int | None = None
        identity = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                if self.path.partition("?")[0] == "/v3/auth/tokens":
                    self._answer(*identity.validate(dict(self.headers.items())))
                    return
                version = {
                    "id": "v3.14",
                    "status": "stable",
                    "links": [{"rel": "self", "href": identity.url}],
                }
                self._answer(200, {"version": version})

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                asked = json.loads(self.rfile.read(size))
                if identity.fail_with:
                    self._answer(identity.fail_with, {"error": {"message": "no"}})
                    return
                status, body, headers = identity.log_in(asked)
                self._answer(status, body, headers)

            def _answer(
                self,
                status: int,
                body: dict[str, Any],
                headers: dict[str, str] | None = None,
            ) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v3"

    def log_in(
        self, asked: dict[str, Any]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """The answer to a request for a token: status, body, headers."""
        self.logins.append(asked)
        given = asked["auth"]["identity"]["password"]["user"]
        for user in self.users:
            if (user.name, user.password) == (given.get("name"), given["password"]):
                break
        else:
            return 401, {"error": {"code": 401, "message": "Unauthorized"}}, {}
        token = uuid.uuid4().hex
        self.tokens[token] = user
        domain = {"id": user.domain.lower(), "name": user.domain}
        body = {
            "methods": ["password"],
            "user": {"id": f"id-of-{user.name}", "name": user.name, "domain": domain},
            "project": {
                "id": user.project_id,
                "name": user.project_name,
                "domain": domain,
            },
            "roles": [{"id": role, "name": role} for role in user.roles],
            "catalog": self.catalog,
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2099-01-01T00:00:00.000000Z",
        }
        self._issued[token] = {"token": body}
        return 201, {"token": body}, {"X-Subject-Token": token}

    def validate(self, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """What a service is told about a token that a caller showed it."""
        if headers.get("X-Auth-Token") not in self._issued:
            return 401, {"error": {"code": 401, "message": "Unauthorized"}}
        shown = headers.get("X-Subject-Token", "")
        if shown not in self._issued:
            return 404, {"error": {"code": 404, "message": "Not Found"}}
        return 200, self._issued[shown]

    @contextmanager
    def running(self) -> Iterator["IdentityServer"]:
        """Serve until the block ends."""
        thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def catalog_entry(service_type: str, name: str, url: str) -> dict[str, Any]:
    """One service of a v3 catalogue, the same URL on every interface."""
    return {
        "id": name,
        "type": service_type,
        "name": name,
        "endpoints": [
            {
                "id": f"{name}-{interface}",
                "interface": interface,
                "region": "RegionOne",
                "region_id": "RegionOne",
                "url": url,
            }
            for interface in ("public", "internal", "admin")
        ],
    }
