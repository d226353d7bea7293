# SPDX-License-Identifier: Apache-2.0
"""Column types that mean the same on SQLite, PostgreSQL and MariaDB."""

import datetime
import json
from typing import Any

from oslo_serialization import jsonutils
from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine


def text(length: int) -> String:
    """A string that compares and sorts by code point on every database."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def to_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces.

    Characters stand for themselves, so that a big plan stays below what a
    database server takes in one statement (16 MiB by default on MariaDB); only a
    value with half of a surrogate pair, which no database stores, is escaped.
    """
    plain = jsonutils.to_primitive(value)
    text = _dump(plain, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _dump(plain, ensure_ascii=True)
    return text


def _dump(plain: Any, *, ensure_ascii: bool) -> str:
    return json.dumps(
        plain, sort_keys=True, separators=(",", ":"), ensure_ascii=ensure_ascii
    )


class Json(TypeDecorator[Any]):
    """Anything that JSON can say, as text of any length.

    Text and not the database's own JSON type: MariaDB's would be the same text,
    PostgreSQL's refuses NUL characters, and nothing here looks inside. MariaDB's
    plain TEXT ends at 64 KiB, hence LONGTEXT.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.LONGTEXT())
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """A time, aware and in UTC in Python, to the microsecond."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        if value is None or value.tzinfo is None:
            return value
        return value.astimezone(datetime.UTC).replace(tzinfo=None)

    def process_result_value(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        return None if value is None else value.replace(tzinfo=datetime.UTC)


class LongText(TypeDecorator[str]):
    """Free text of any length, such as an error's.

    What no database stores (NUL, unpaired surrogates) is replaced: an error
    must be recorded whatever its text holds.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.LONGTEXT())
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        cleaned = str(value).encode("utf-8", "replace").decode("utf-8")
        return cleaned.replace("\x00", "\N{REPLACEMENT CHARACTER}")
