# SPDX-License-Identifier: Apache-2.0
"""The JSON body of a request: read, parsed and checked against a schema."""

import json
import math
from typing import Any, NoReturn

import falcon

from karbor import exception
from karbor.api.schemas.validation import Schema

#: Levels that a body may nest. Real ones have about six.
MAX_DEPTH = 64

_TYPES = ("application/json", "text/json")


def load(req: falcon.Request, schema: Schema) -> dict[str, Any]:
    """The body, valid by ``schema``.

    :raises InvalidContentType: when it is declared as something else (415)
    :raises MalformedRequestBody: when it is no JSON that can be stored
    :raises ValidationError: when it does not fit the schema
    """
    content_type = (req.content_type or "application/json").partition(";")[0]
    if content_type.strip().lower() not in _TYPES:
        raise falcon.HTTPUnsupportedMediaType(
            description=f"The content type {ascii(content_type)[:80]} is not "
            "supported; send application/json."
        )
    document = parse(_read(req))
    schema.check(document)
    return dict(document)


def _read(req: falcon.Request) -> bytes:
    # With a chunked body the server says where it ends; else the length does.
    is_terminated = req.env.get("wsgi.input_terminated")
    stream = (
        req.stream
        if is_terminated and req.content_length is None
        else req.bounded_stream
    )
    return bytes(stream.read())


def parse(raw: bytes) -> Any:
    """A JSON document that databases and messages can carry.

    :raises MalformedRequestBody: when it is none, and why
    """
    try:
        document = json.loads(
            raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        raise exception.MalformedRequestBody(reason="it is not UTF-8") from error
    except RecursionError as error:
        raise exception.MalformedRequestBody(reason="it nests too deep") from error
    except json.JSONDecodeError as error:
        raise exception.MalformedRequestBody(
            reason=f"it is not JSON: {error.msg} at line {error.lineno}, column "
            f"{error.colno}"
        ) from error
    except ValueError as error:
        raise exception.MalformedRequestBody(
            reason="it holds a number that is too long or no number"
        ) from error
    _check_storable(document)
    return document


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _check_storable(document: Any) -> None:
    """Refuse what a database or a message could not carry, at any depth."""
    level = [document]
    for _depth in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.keys())
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str):
                _check_text(value)
        if not below:
            return
        level = below
    raise exception.MalformedRequestBody(
        reason=f"it nests deeper than {MAX_DEPTH} levels"
    )


def _check_text(value: str) -> None:
    if "\x00" in value:
        raise exception.MalformedRequestBody(reason="a text in it holds a NUL")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise exception.MalformedRequestBody(
            reason="a text in it holds half of a surrogate pair"
        ) from error
