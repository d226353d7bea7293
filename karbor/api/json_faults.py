# SPDX-License-Identifier: Apache-2.0
"""Errors of the WSGI middleware in front of the API, answered as faults too."""

from collections.abc import Callable, Iterable
from typing import Any

import falcon
from oslo_log import log as logging

from karbor.api import faults

LOG = logging.getLogger(__name__)

WSGIApp = Callable[..., Iterable[bytes]]

_MESSAGES = {
    401: "A valid token is required in the X-Auth-Token header.",
    413: "The body is larger than the option max_request_body_size allows.",
    503: "The identity service cannot be reached. Try again later.",
}

#: Answers in formats of its own, with statuses that mean something else.
_HEALTHCHECK = "/healthcheck"


class JsonFaults:
    """Middleware: replaces an error's HTML or text by a fault.

    Everything inside it answers at once, not while its answer is iterated over.
    """

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        fault: bytes | None = None

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            nonlocal fault
            code = int(status.partition(" ")[0])
            # keystonemiddleware's 401 is JSON, but not of the shape of a fault.
            if code == 401 or (code >= 400 and not _is_json(headers)):
                reason = status.partition(" ")[2]
                fault = faults.to_bytes(faults.body(code, _MESSAGES.get(code, reason)))
                headers = _headers_of(fault, headers)
            return start_response(status, headers, exc_info)

        if environ.get("PATH_INFO") == _HEALTHCHECK:
            return self._app(environ, start_response)
        try:
            answer = self._app(environ, start)
        except Exception:
            LOG.exception("A request failed in the middleware")
            fault = faults.to_bytes(faults.body(500, faults.UNEXPECTED))
            start_response("500 Internal Server Error", _headers_of(fault, []))
            return [fault]
        if fault is None:
            return answer
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [fault]


def _is_json(headers: list[tuple[str, str]]) -> bool:
    return any(
        name.lower() == "content-type" and value.startswith(falcon.MEDIA_JSON)
        for name, value in headers
    )


def _headers_of(fault: bytes, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in ("content-type", "content-length")
    ]
    return [
        *kept,
        ("Content-Type", falcon.MEDIA_JSON),
        ("Content-Length", str(len(fault))),
    ]
