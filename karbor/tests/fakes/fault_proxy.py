# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy that goes wrong where a test tells it to.

It stands between a client and a real server, over real sockets. Each request is one
connection to the server; the client's connection is closed after each answer.
"""

import contextlib
import dataclasses
import enum
import http.client
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence

LOOPBACK = "127.0.0.1"


class Fault(enum.Enum):
    """What goes wrong with a request."""

    #: The connection ends; the server never hears of the request.
    DROP_BEFORE = "drop before"
    #: The connection ends in the middle of the request's body.
    DROP_DURING = "drop during"
    #: The server does what is asked, and its answer is lost.
    DROP_AFTER = "drop after"
    #: Half of the answer's body comes, then the connection ends.
    CUT_ANSWER = "cut answer"
    #: One bit of the answer's body is another.
    FLIP_ANSWER = "flip answer"
    #: One bit of the request's body is another.
    FLIP_REQUEST = "flip request"
    #: 503, not done.
    UNAVAILABLE = "503"
    #: 503, and done all the same.
    UNAVAILABLE_DONE = "503 after"
    #: 429, not done.
    TOO_MANY = "429"
    #: 500, not done.
    SERVER_ERROR = "500"
    #: The request waits until the test releases it; the client may have left.
    HELD = "held"


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it arrived; names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


#: Which fault a request meets; None for none.
Plan = Callable[[Request], Fault | None]

_STATUSES = {
    Fault.UNAVAILABLE: (503, "Service Unavailable"),
    Fault.UNAVAILABLE_DONE: (503, "Service Unavailable"),
    Fault.TOO_MANY: (429, "Too Many Requests"),
    Fault.SERVER_ERROR: (500, "Internal Server Error"),
}
# Meant for one hop, or written anew.
_OWN_HEADERS = frozenset(
    {"connection", "expect", "transfer-encoding", "content-length", "keep-alive"}
)


class FaultProxy:
    """Forwards to a server on loopback, and goes wrong as :attr:`plan` says.

    :param port: of the server
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.plan: Plan = lambda request: None
        self.override: Callable[[Request], int | None] = lambda request: None
        self.requests: list[Request] = []
        self.release = threading.Event()
        self._held = threading.Semaphore(0)
        self._done = threading.Semaphore(0)
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    proxy._serve(self.rfile, self.wfile, self.connection)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, request, client_address) -> None:
                """A client that has left."""

        self._make = lambda address: Server(address, Handler)
        self._server = self._make((LOOPBACK, 0))
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        self._start()
        try:
            yield self
        finally:
            self.release.set()
            self._stop()

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Connections are refused."""
        address = self._server.server_address
        self._stop()
        try:
            yield
        finally:
            self._server = self._make(address)
            self._start()

    def fail(self, *faults: Fault | None, method: str = "", path: str = "") -> None:
        """The next requests of a kind meet these faults, one each, in order."""
        waiting = list(faults)
        lock = threading.Lock()

        def plan(request: Request) -> Fault | None:
            if request.method != method and method:
                return None
            if path not in request.path:
                return None
            with lock:
                return waiting.pop(0) if waiting else None

        self.plan = plan

    def always(self, fault: Fault, method: str = "", path: str = "") -> None:
        """Every request of a kind meets this fault."""
        self.plan = lambda request: (
            fault if method in ("", request.method) and path in request.path else None
        )

    def answer_next(self, status: int, method: str = "", path: str = "") -> list[int]:
        """The next request of a kind is answered so, and not done.

        :returns: gets the status when that has happened
        """
        given: list[int] = []

        def override(request: Request) -> int | None:
            if given or method not in ("", request.method) or path not in request.path:
                return None
            given.append(status)
            return status

        self.override = override
        return given

    def answer_always(self, status: int, method: str = "", path: str = "") -> None:
        """Every request of a kind is answered so, and not done."""
        self.override = lambda request: (
            status if method in ("", request.method) and path in request.path else None
        )

    def wait_until_held(self) -> None:
        """Return when a request waits."""
        assert self._held.acquire(timeout=30)

    def let_held_through(self) -> None:
        """Let the server do what one held request asks for; return when it has."""
        self.release.set()
        assert self._done.acquire(timeout=30)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert self._thread is not None
        self._thread.join()

    def _serve(self, rfile, wfile, connection: socket.socket) -> None:
        request = _read(rfile, wfile)
        if request is None:
            return
        self.requests.append(request)
        status = self.override(request)
        if status is not None:
            _answer(wfile, status, http.client.responses[status])
            return
        fault = self.plan(request)
        if fault in (Fault.DROP_BEFORE, Fault.DROP_DURING):
            if fault is Fault.DROP_DURING:
                self._send_half(request)
            _reset(connection)
            return
        if fault in (Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.SERVER_ERROR):
            _answer(wfile, *_STATUSES[fault])
            return
        if fault is Fault.HELD:
            self._held.release()
            self.release.wait(30)
        if fault is Fault.FLIP_REQUEST and request.body:
            request = dataclasses.replace(request, body=_flipped(request.body))
        status, reason, headers, body = self._forward(request)
        if fault is Fault.HELD:
            self._done.release()
        if fault is Fault.DROP_AFTER:
            _reset(connection)
            return
        if fault is Fault.UNAVAILABLE_DONE:
            _answer(wfile, *_STATUSES[fault])
            return
        if fault is Fault.FLIP_ANSWER and body:
            body = _flipped(body)
        length = len(body)
        if request.method == "HEAD":
            length = next(
                (int(v) for k, v in headers if k.lower() == "content-length"), 0
            )
        if fault is Fault.CUT_ANSWER:
            body = body[: length // 2]
        _answer(wfile, status, reason, headers, body, length)
        if fault is Fault.CUT_ANSWER:
            wfile.flush()
            connection.shutdown(socket.SHUT_RDWR)

    def _forward(
        self, request: Request
    ) -> tuple[int, str, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(LOOPBACK, self._target, timeout=60)
        try:
            upstream.putrequest(
                request.method, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                if name not in _OWN_HEADERS:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(request.body)))
            upstream.putheader("Connection", "close")
            upstream.endheaders(request.body)
            answer = upstream.getresponse()
            return answer.status, answer.reason, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _send_half(self, request: Request) -> None:
        """What the server gets when the client dies in the middle of an upload."""
        head = f"{request.method} {request.path} HTTP/1.1\r\n"
        for name, value in request.headers.items():
            if name.lower() not in _OWN_HEADERS:
                head += f"{name}: {value}\r\n"
        head += f"Content-Length: {len(request.body)}\r\n\r\n"
        half = request.body[: len(request.body) // 2]
        with socket.create_connection((LOOPBACK, self._target)) as upstream:
            upstream.sendall(head.encode("latin-1") + half)


def _read(rfile, wfile) -> Request | None:
    line = rfile.readline().decode("latin-1")
    if not line:
        return None
    method, path, _version = line.split()
    headers: dict[str, str] = {}
    while (line := rfile.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        wfile.flush()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join(_chunks(rfile))
    else:
        body = rfile.read(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def _chunks(rfile) -> Iterator[bytes]:
    while size := int(rfile.readline().split(b";")[0], 16):
        yield rfile.read(size)
        rfile.readline()
    while rfile.readline().strip():
        pass


def _answer(
    wfile,
    status: int,
    reason: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    length: int | None = None,
) -> None:
    head = f"HTTP/1.1 {status} {reason}\r\n"
    for name, value in headers:
        if name.lower() not in _OWN_HEADERS:
            head += f"{name}: {value}\r\n"
    if status != 204:
        head += f"Content-Length: {len(body) if length is None else length}\r\n"
    wfile.write(head.encode("latin-1") + b"Connection: close\r\n\r\n" + body)


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def _reset(connection: socket.socket) -> None:
    """End a connection as a machine does that dies: RST instead of FIN."""
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()
