# SPDX-License-Identifier: Apache-2.0
"""Errors as OpenStack services answer them: ``{"badRequest": {"code": 400, …}}``.

What is an answer to the caller's mistake carries its reason. Everything else is
logged here with its traceback, and the caller gets the request id to ask about.
"""

import json
from typing import Any

import falcon
import oslo_messaging as messaging
import webob.exc
from oslo_db import exception as db_exception
from oslo_log import log as logging

from karbor import exception

LOG = logging.getLogger(__name__)

NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}

_DEFAULT = {
    404: "There is nothing at this path.",
    405: "This path does not take this method; the Allow header says which it takes.",
}

UNEXPECTED = (
    "Unexpected error in the API service. Its log tells more under the request id "
    "in the X-Openstack-Request-Id header."
)


def body(code: int, message: str) -> dict[str, Any]:
    """A fault's JSON."""
    return {NAMES.get(code, "computeFault"): {"code": code, "message": message}}


def to_bytes(document: Any) -> bytes:
    """An answer's JSON, in ASCII, so that no text in it can fail to encode."""
    return json.dumps(document).encode("ascii")


def respond(resp: falcon.Response, code: int, message: str) -> None:
    """Make ``resp`` the fault."""
    resp.status = code
    resp.content_type = falcon.MEDIA_JSON
    resp.data = to_bytes(body(code, message))


def install(app: falcon.App[Any, Any]) -> None:
    """Have every error of ``app`` answered as a fault."""
    app.add_error_handler(Exception, _handle_unexpected)
    app.add_error_handler(falcon.HTTPError, _handle_http_error)
    app.add_error_handler(webob.exc.HTTPException, _handle_webob_error)
    app.add_error_handler(exception.KarborException, _handle_karbor_exception)
    app.add_error_handler(messaging.MessagingTimeout, _handle_timeout)
    app.add_error_handler(messaging.MessagingException, _handle_messaging)
    app.add_error_handler(messaging.RemoteError, _handle_remote)
    app.add_error_handler(db_exception.DBConnectionError, _handle_database)
    app.set_error_serializer(_serialize)


def _serialize(
    _req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError
) -> None:
    message = error.description or error.title or ""
    respond(resp, error.status_code, message)


def _handle_http_error(
    _req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: Any
) -> None:
    if error.headers:
        resp.set_headers(error.headers)
    message = error.description or _DEFAULT.get(error.status_code, str(error.title))
    respond(resp, error.status_code, message)


def _handle_webob_error(
    _req: falcon.Request, resp: falcon.Response, error: Any, _params: Any
) -> None:
    respond(resp, error.status_int, str(error.explanation))


def _handle_karbor_exception(
    req: falcon.Request,
    resp: falcon.Response,
    error: exception.KarborException,
    _params: Any,
) -> None:
    # Not str(error): oslo.messaging adds the remote traceback to that.
    if error.code >= 500:
        LOG.error("%s %s failed: %s", req.method, req.path, error.msg)
    respond(resp, error.code, error.msg)


def _handle_timeout(
    req: falcon.Request, resp: falcon.Response, error: Exception, _params: Any
) -> None:
    LOG.error("%s %s: no protection service answered: %s", req.method, req.path, error)
    respond(
        resp,
        504,
        "No protection service answered in time. What was asked for may still be "
        "done. An administrator sees with 'karbor service-list' which services are "
        "up.",
    )


def _handle_messaging(
    req: falcon.Request, resp: falcon.Response, error: Exception, _params: Any
) -> None:
    LOG.error("%s %s: cannot send a message: %s", req.method, req.path, error)
    respond(
        resp,
        503,
        "The protection service cannot be reached: the message broker does not "
        "answer. Try again later.",
    )


def _handle_remote(
    req: falcon.Request, resp: falcon.Response, error: Any, _params: Any
) -> None:
    LOG.error(
        "%s %s: the protection service failed with %s",
        req.method,
        req.path,
        error.exc_type,
    )
    respond(
        resp,
        500,
        "Unexpected error in the protection service. Its log tells more under the "
        "request id in the X-Openstack-Request-Id header.",
    )


def _handle_database(
    req: falcon.Request, resp: falcon.Response, _error: Exception, _params: Any
) -> None:
    LOG.exception("%s %s: the database cannot be reached", req.method, req.path)
    respond(resp, 503, "The database cannot be reached. Try again later.")


def _handle_unexpected(
    req: falcon.Request, resp: falcon.Response, _error: Exception, _params: Any
) -> None:
    LOG.exception("%s %s failed unexpectedly", req.method, req.path)
    respond(resp, 500, UNEXPECTED)
