# SPDX-License-Identifier: Apache-2.0
"""A web server that answers what a test tells it to, and remembers the requests."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True)
class Answer:
    """What goes back; ``drop`` closes the connection without an answer.

    :param sent: the bytes of the body after which it is closed
    """

    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    drop: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    sent: int | None = None


class WebServer:
    """Asks ``answer(request)`` for each request; ``requests`` lists them all."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else each body waits 40 ms for the acknowledgement of its headers.
            disable_nagle_algorithm = True

            def log_message(self, *args: Any) -> None:
                """Quiet."""

            def _handle(self) -> None:
                request = Request(
                    self.command, self.path, dict(self.headers), self._body()
                )
                server.requests.append(request)
                given = answer(request)
                if given.drop:
                    self.close_connection = True
                    return
                self.send_response(given.status)
                self.send_header("Content-Type", given.content_type)
                self.send_header("Content-Length", str(len(given.body)))
                for name, value in given.headers:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(given.body[: given.sent])
                self.close_connection |= given.sent is not None

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _handle

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["WebServer"]:
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
