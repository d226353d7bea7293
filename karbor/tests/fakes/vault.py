# SPDX-License-Identifier: Apache-2.0
"""The part of Vault's HTTP interface that castellan uses: AppRole, and a KV store of
version 2 at ``secret/``.

Vault itself is in no registry that the tests install from.
"""

import http.server
import json
import threading
from typing import Any

ROLE, SECRET, TOKEN = "karbor-role", "karbor-secret", "a-token-of-vault"


class FakeVault:
    """A context manager; serves on a loopback port from entering to leaving.

    :ivar kept: the records of keys, by path below ``secret/data/``
    :ivar sealed: whether it answers 503 to everything, as Vault does when sealed
    """

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.sealed = False
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), self._handler()
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeVault":
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of the answer to a request."""
        data = "/v1/secret/data/"
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if path == "/v1/auth/approle/login":
            if (body["role_id"], body.get("secret_id")) != (ROLE, SECRET):
                return 400, {"errors": ["invalid role or secret ID"]}
            return 200, {"auth": {"client_token": TOKEN, "lease_duration": 3600}}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        if not path.startswith(data):
            return 404, {"errors": []}
        name = path.removeprefix(data)
        if method == "POST":
            self.kept[name] = body["data"]
            return 200, {}
        if name not in self.kept:
            return 404, {"errors": []}
        return 200, {"data": {"data": self.kept[name]}}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        vault = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _reply(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                token = self.headers.get("X-Vault-Token", "")
                status, value = vault.answer(self.command, self.path, token, body)
                content = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _reply

            def log_message(self, *args: Any) -> None:
                """Nothing: a test has nobody who reads it."""

        return Handler
