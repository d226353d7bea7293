# SPDX-License-Identifier: Apache-2.0
"""What databases say differently."""

from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Executable, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite

#: Milliseconds since the epoch, by the clock of the database, at the moment of the
#: statement. MariaDB has whole seconds: finer ones come only in the session's time
#: zone, in which an hour of autumn happens twice.
_NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch from clock_timestamp()) * 1000 AS BIGINT)",
    "mysql": "UNIX_TIMESTAMP() * 1000",
    "mariadb": "UNIX_TIMESTAMP() * 1000",
}

#: The databases that a bank can be in, by the name of SQLAlchemy's dialect.
DIALECTS = tuple(_NOW)


def now(dialect: str) -> ColumnElement[int]:
    """The time of the database."""
    return sqlalchemy.literal_column(_NOW[dialect], sqlalchemy.BigInteger)


def upsert(dialect: str, table: Table, values: dict[str, Any]) -> Executable:
    """Insert a row, or replace the one that has its primary key."""
    is_key = {column.name for column in table.primary_key}
    changed = [name for name in values if name not in is_key]
    if dialect in ("mysql", "mariadb"):
        of_mysql = mysql.insert(table).values(values)
        return of_mysql.on_duplicate_key_update(
            {name: of_mysql.inserted[name] for name in changed}
        )
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    filled = insert.values(values)
    return filled.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: filled.excluded[name] for name in changed},
    )
