# SPDX-License-Identifier: Apache-2.0
"""What may go into a column, and what a REST query's text means for it."""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from oslo_utils import strutils, timeutils
from sqlalchemy import Boolean, Column, Integer, String, Table

from karbor import exception
from karbor.db.types import Json, LongText, UtcDateTime, to_json

#: What an Integer column holds on every database.
MAX_INTEGER = 2**31 - 1


def column_of(table: Table, name: str, purpose: str) -> Column[Any]:
    """The column called ``name``.

    :param purpose: what it was asked for, for the error: "filter", "sort key"
    :raises InvalidInput: when there is none; the message lists those there are
    """
    if isinstance(name, str) and name in table.columns:
        return table.columns[name]
    raise exception.InvalidInput(
        reason=(
            f"unknown {purpose} {_shorten(name)}; known are "
            + ", ".join(sorted(table.columns.keys()))
        )
    )


def to_store(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values checked against their columns.

    SQLite would take any of what is refused here, MariaDB cut it or fail.

    :raises InvalidInput: for an unknown field, a wrong type, a text that is too
        long or that holds characters no database stores
    """
    return {
        name: _convert(column_of(table, name, "field"), value)
        for name, value in values.items()
    }


def to_compare(column: Column[Any], value: Any) -> Any:
    """A filter's value as the column's type; text from a query is parsed.

    :raises InvalidInput: when it cannot be one
    """
    if value is None:
        return None
    kind = column.type
    if isinstance(value, str):
        try:
            if isinstance(kind, Boolean):
                return strutils.bool_from_string(value, strict=True)
            if isinstance(kind, Integer):
                value = int(value)
            if isinstance(kind, UtcDateTime):
                value = timeutils.parse_isotime(value)
            if isinstance(kind, Json):
                value = _parse_json(value)
        except (ValueError, OverflowError) as error:
            raise exception.InvalidInput(
                reason=f"the filter {column.name} has the value {_shorten(value)}, "
                f"which is no {_describe(kind)}"
            ) from error
    return _convert(column, value)


def _parse_json(value: str) -> Any:
    try:
        return json.loads(value)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _convert(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    kind = column.type
    if isinstance(kind, Json):
        try:
            to_json(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise _refuse(column, value, "cannot be written as JSON") from error
        return value
    if isinstance(kind, UtcDateTime):
        if isinstance(value, str):
            try:
                value = timeutils.parse_isotime(value)
            except ValueError as error:
                raise _refuse(column, value, "is no ISO 8601 time") from error
        if not isinstance(value, datetime.datetime):
            raise _refuse(column, value, "is no time")
        return value
    if isinstance(kind, Boolean):
        if not isinstance(value, bool):
            raise _refuse(column, value, "is neither true nor false")
        return value
    if isinstance(kind, Integer):
        if isinstance(value, bool) or not isinstance(value, int):
            raise _refuse(column, value, "is no integer")
        if abs(value) > MAX_INTEGER:
            raise _refuse(column, value, f"is larger than {MAX_INTEGER}")
        return value
    if not isinstance(value, str):
        raise _refuse(column, value, "is no text")
    if isinstance(kind, String) and not isinstance(kind, LongText):
        check_text(column, value)
    return value


def check_text(column: Column[Any], value: str) -> None:
    """:raises InvalidInput: for a text that some database would not store"""
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise _refuse(column, value, "holds a NUL or half of a surrogate pair")
    length = getattr(column.type, "length", None)
    if length is not None and len(value) > length:
        raise _refuse(column, value, f"is longer than {length} characters")


def _refuse(column: Column[Any], value: Any, why: str) -> exception.InvalidInput:
    return exception.InvalidInput(
        reason=f"the field {column.name} {why}: {_shorten(value)}"
    )


def _describe(kind: Any) -> str:
    names = {Boolean: "boolean", Integer: "integer", UtcDateTime: "ISO 8601 time"}
    for cls, name in names.items():
        if isinstance(kind, cls):
            return name
    return "JSON value"


def _shorten(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
