# SPDX-License-Identifier: Apache-2.0
"""Checks a document against a JSON schema, without ever quoting its values.

jsonschema's own messages quote what they complain about, and that may be a
password; these name the field and the rule.
"""

import datetime
import urllib.parse
from collections.abc import Callable
from typing import Any

import jsonschema
from oslo_utils import uuidutils

from karbor import exception

_FORMATS = jsonschema.FormatChecker(formats=())


@_FORMATS.checks("uuid")
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or uuidutils.is_uuid_like(value)


@_FORMATS.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    if isinstance(value, str):
        datetime.datetime.strptime(value, "%Y-%m-%d")
    return True


@_FORMATS.checks("http URL without credentials", raises=ValueError)
def _is_plain_url(value: object) -> bool:
    """Such a URL is kept and logged, so that nothing in it may be secret."""
    if not isinstance(value, str) or not value:
        return True
    url = urllib.parse.urlsplit(value)
    return (
        url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc
    )


class Schema:
    """A compiled schema.

    :param what: what is checked, for errors: "the body", "the query"
    """

    def __init__(self, document: dict[str, Any], what: str = "the body") -> None:
        jsonschema.Draft202012Validator.check_schema(document)
        self._validator = jsonschema.Draft202012Validator(
            document, format_checker=_FORMATS
        )
        self._what = what

    def check(self, document: Any) -> None:
        """:raises ValidationError: naming the field and what it must be"""
        error = jsonschema.exceptions.best_match(self._validator.iter_errors(document))
        if error is None:
            return
        where = "/".join(str(part)[:64] for part in error.absolute_path) or self._what
        raise exception.ValidationError(
            detail=f"Invalid input for {where}: {_explain(error)}."
        )


def _explain(error: jsonschema.ValidationError) -> str:
    explain = _EXPLANATIONS.get(str(error.validator))
    if explain is None:
        return f"it does not satisfy {error.validator}"
    return explain(error)


def _type(error: jsonschema.ValidationError) -> str:
    wanted: Any = error.validator_value
    return "it must be " + (wanted if isinstance(wanted, str) else " or ".join(wanted))


def _required(error: jsonschema.ValidationError) -> str:
    wanted: Any = error.validator_value
    given: Any = error.instance
    missing = [name for name in wanted if name not in given]
    return "missing " + ", ".join(missing)


def _additional(error: jsonschema.ValidationError) -> str:
    schema: Any = error.schema
    known = schema.get("properties")
    if known is None or "patternProperties" in schema:
        return "it has a key with characters that are not allowed, or a too long one"
    return "it has an unknown key; known are " + ", ".join(sorted(known))


def _enum(error: jsonschema.ValidationError) -> str:
    known: Any = error.validator_value
    return "it must be one of " + ", ".join(str(value) for value in known)


_EXPLANATIONS: dict[str, Callable[[jsonschema.ValidationError], str]] = {
    "type": _type,
    "required": _required,
    "additionalProperties": _additional,
    "enum": _enum,
    "format": lambda error: f"it is no {error.validator_value}",
    "minLength": lambda error: "it must not be empty",
    "maxLength": lambda error: f"it is longer than {error.validator_value} characters",
    "minItems": lambda error: f"it needs at least {error.validator_value} item",
    "minProperties": lambda error: "it must not be empty",
    "pattern": lambda error: f"it does not match {error.validator_value}",
}
