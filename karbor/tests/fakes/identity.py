# SPDX-License-Identifier: Apache-2.0
"""A small Keystone over real HTTP: it issues tokens, checks them, keeps trusts."""

import dataclasses
import datetime
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
    other_projects: tuple[tuple[str, str], ...] = ()
    domain: str = "Default"
    roles: tuple[str, ...] = ("member",)

    @property
    def id(self) -> str:
        return f"id-of-{self.name}"


class Refused(Exception):
    """The answer is this status."""


class IdentityServer:
    """Answers ``/v3``, ``/v3/auth/tokens`` and trusts; remembers what it was asked.

    :ivar token_life: seconds that new tokens live; None: for ever
    :ivar trusts: by id, as they were asked for
    :ivar application_credentials: ``{(id, secret): user}``
    """

    def __init__(self, users: list[User], catalog: list[dict[str, Any]]) -> None:
        self.users = users
        self.catalog = catalog
        self.logins: list[dict[str, Any]] = []
        self.tokens: dict[str, User] = {}
        self._issued: dict[str, dict[str, Any]] = {}
        self.fail_with: int | None = None
        self.token_life: float | None = None
        self.trusts: dict[str, dict[str, Any]] = {}
        self.trusts_given = 0
        self._trust_ends: set[tuple[str, str, str]] = set()
        self.application_credentials: dict[tuple[str, str], User] = {}
        identity = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                if self.path.partition("?")[0] == "/v3/auth/tokens":
                    self._answer(*identity.validate(dict(self.headers.items())))
                    return
                if self.path == "/v3/auth/projects":
                    self._do(identity.projects)
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
                if self.path == "/v3/OS-TRUST/trusts":
                    self._do(lambda token: identity.give_trust(token, asked["trust"]))
                    return
                status, body, headers = identity.log_in(asked)
                self._answer(status, body, headers)

            def do_DELETE(self) -> None:
                trust_id = self.path.rpartition("/")[2]
                self._do(lambda token: identity.delete_trust(token, trust_id))

            def _do(self, act: Any) -> None:
                try:
                    status, body = act(self.headers.get("X-Auth-Token"))
                except Refused as refusal:
                    status, body = refusal.args[0], {"error": {"message": "refused"}}
                self._answer(status, body)

            def _answer(
                self,
                status: int,
                body: dict[str, Any],
                headers: dict[str, str] | None = None,
            ) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                if status != 204:
                    self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v3"

    def log_in(
        self, asked: dict[str, Any]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """The answer to a request for a token: status, body, headers."""
        self.logins.append(asked)
        try:
            user = self._who(asked["auth"]["identity"])
            trust = asked["auth"].get("scope", {}).get("OS-TRUST:trust")
            if trust is not None:
                user = self._trustor(user, trust["id"])
            wanted = asked["auth"].get("scope", {}).get("project", {}).get("id")
            for project_id, name in user.other_projects:
                if project_id == wanted:
                    user = dataclasses.replace(
                        user, project_id=project_id, project_name=name
                    )
        except Refused as refusal:
            status = refusal.args[0]
            return status, {"error": {"code": status, "message": "Unauthorized"}}, {}
        token = self.issue(user)
        return 201, self._issued[token], {"X-Subject-Token": token}

    def issue(self, user: User) -> str:
        """A token of a user, for the user's default project."""
        token = uuid.uuid4().hex
        self.tokens[token] = user
        now = datetime.datetime.now(datetime.UTC)
        life = datetime.timedelta(seconds=self.token_life or 10**9)
        domain = {"id": user.domain.lower(), "name": user.domain}
        body = {
            "methods": ["password"],
            "user": {"id": user.id, "name": user.name, "domain": domain},
            "project": {
                "id": user.project_id,
                "name": user.project_name,
                "domain": domain,
            },
            "roles": [{"id": role, "name": role} for role in user.roles],
            "catalog": self.catalog,
            "issued_at": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
            "expires_at": f"{now + life:%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        self._issued[token] = {"token": body}
        return token

    def give_trust(
        self, token: str | None, asked: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """Keep a trust that the token's user gives."""
        user = self._user_of(token)
        named = {role.get("id") or role["name"] for role in asked["roles"]}
        if asked["trustor_user_id"] != user.id or not named <= set(user.roles):
            raise Refused(403)
        # As Keystone: one for each second, deleted ones included.
        unique = (user.id, asked["project_id"], asked["expires_at"][:19])
        if unique in self._trust_ends:
            raise Refused(409)
        self._trust_ends.add(unique)
        trust_id = uuid.uuid4().hex
        self.trusts[trust_id] = asked
        self.trusts_given += 1
        return 201, {"trust": {**asked, "id": trust_id}}

    def delete_trust(
        self, token: str | None, trust_id: str
    ) -> tuple[int, dict[str, Any]]:
        """Delete a trust that the token's user gave."""
        user = self._user_of(token)
        if trust_id not in self.trusts:
            raise Refused(404)
        if self.trusts[trust_id]["trustor_user_id"] != user.id:
            raise Refused(403)
        del self.trusts[trust_id]
        return 204, {}

    def projects(self, token: str | None) -> tuple[int, dict[str, Any]]:
        """Those that the token's user may enter."""
        user = self._user_of(token)
        found = [(user.project_id, user.project_name)] if user.project_id else []
        found.extend(user.other_projects)
        return 200, {"projects": [{"id": one, "name": name} for one, name in found]}

    def is_valid(self, token: str | None) -> bool:
        """Whether a service would take the token now."""
        if token not in self._issued:
            return False
        ends = datetime.datetime.fromisoformat(
            self._issued[token]["token"]["expires_at"]
        )
        return datetime.datetime.now(datetime.UTC) < ends

    def _user_of(self, token: str | None) -> User:
        if token is None or not self.is_valid(token):
            raise Refused(401)
        return self.tokens[token]

    def _who(self, shown: dict[str, Any]) -> User:
        (method,) = shown.get("methods", ["password"])
        given = shown[method]
        if method == "token":
            return self._user_of(given["id"])
        if method == "application_credential":
            key = (given["id"], given["secret"])
            if key in self.application_credentials:
                return self.application_credentials[key]
            raise Refused(401)
        given = given["user"]
        for user in self.users:
            if (user.name, user.password) == (given.get("name"), given["password"]):
                return user
        raise Refused(401)

    def _trustor(self, trustee: User, trust_id: str) -> User:
        trust = self.trusts.get(trust_id)
        if trust is None or trust["trustee_user_id"] != trustee.id:
            raise Refused(403)
        (trustor,) = (u for u in self.users if u.id == trust["trustor_user_id"])
        return trustor

    def validate(self, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """What a service is told about a token that a caller showed it."""
        if not self.is_valid(headers.get("X-Auth-Token")):
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
