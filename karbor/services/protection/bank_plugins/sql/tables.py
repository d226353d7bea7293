# SPDX-License-Identifier: Apache-2.0
"""The tables of a bank in a database.

Keys and owners are kept as the bytes of their UTF-8: so every database compares and
sorts them as Karbor does, by code point, whatever its collation and character set.
"""

import dataclasses
from typing import Any

import sqlalchemy
from sqlalchemy import Column, Connection, MetaData, Table
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from karbor.services.protection.bank import keys

#: Of the tables and of what is in them.
FORMAT = 1

_MYSQL = ("mysql", "mariadb")
# The same number in every process; any will do that nobody else in the database uses.
_POSTGRESQL_LOCK = 0x6B6172626F720001


class WrongFormat(Exception):
    """The tables are those of another release; the text says so."""


def _binary(length: int) -> sqlalchemy.types.TypeEngine[bytes]:
    """Bytes that can be a key; the length is that of MariaDB, which needs one."""
    return sqlalchemy.LargeBinary().with_variant(mysql.VARBINARY(length), *_MYSQL)


def _content() -> sqlalchemy.types.TypeEngine[bytes]:
    return sqlalchemy.LargeBinary().with_variant(mysql.LONGBLOB(), *_MYSQL)


@dataclasses.dataclass(frozen=True)
class Tables:
    """The tables of one bank.

    :param objects: an object's kind, its size in bytes, and its content when that fits
        one row
    :param parts: the content of an object that does not, in the order of ``number``
    :param leases: until when an owner's lease is good, in milliseconds since the epoch
        by the clock of the database
    :param formats: one row, the format of the others
    """

    objects: Table
    parts: Table
    leases: Table
    formats: Table

    @classmethod
    def named(cls, prefix: str) -> "Tables":
        """The tables whose names begin with ``prefix_``."""
        metadata = MetaData()
        options: dict[str, Any] = {
            "mysql_engine": "InnoDB",
            "mysql_row_format": "DYNAMIC",
        }
        return cls(
            objects=Table(
                f"{prefix}_objects",
                metadata,
                Column("name", _binary(keys.MAX_KEY_BYTES), primary_key=True),
                Column("kind", sqlalchemy.SmallInteger, nullable=False),
                Column("size", sqlalchemy.BigInteger, nullable=False),
                Column("content", _content()),
                **options,
            ),
            parts=Table(
                f"{prefix}_parts",
                metadata,
                Column("name", _binary(keys.MAX_KEY_BYTES), primary_key=True),
                Column(
                    "number",
                    sqlalchemy.Integer,
                    primary_key=True,
                    autoincrement=False,
                ),
                Column("content", _content(), nullable=False),
                **options,
            ),
            leases=Table(
                f"{prefix}_leases",
                metadata,
                Column("owner", _binary(keys.MAX_PART_BYTES), primary_key=True),
                Column("expires", sqlalchemy.BigInteger, nullable=False),
                **options,
            ),
            formats=Table(
                f"{prefix}_format",
                metadata,
                Column(
                    "format",
                    sqlalchemy.Integer,
                    primary_key=True,
                    autoincrement=False,
                ),
                **options,
            ),
        )

    def prepare(self, connection: Connection) -> None:
        """Create what is missing; several processes may do so at once.

        Writes nothing that is seen, but fails where nothing can be written.

        :param connection: in a transaction
        :raises WrongFormat: when another release made the tables
        :raises sqlalchemy.exc.DBAPIError: when the database refuses
        """
        if connection.dialect.name == "postgresql":
            # CREATE TABLE IF NOT EXISTS of two at once fails in one of them.
            connection.execute(
                sqlalchemy.select(
                    sqlalchemy.func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)
                )
            )
        inspector = sqlalchemy.inspect(connection)
        for table in (self.objects, self.parts, self.leases, self.formats):
            # Where all are there, no right to create any is needed.
            if not inspector.has_table(table.name):
                self._create(connection, table)
        found = connection.execute(sqlalchemy.select(self.formats.c.format)).scalars()
        formats = set(found.all())
        if not formats:
            self._write_format(connection)
        elif formats != {FORMAT}:
            raise WrongFormat(
                f"the tables are of format {', '.join(map(str, sorted(formats)))}, and "
                f"this release knows {FORMAT}; use the release that made them or a "
                "later one, or another table_prefix"
            )
        connection.execute(
            sqlalchemy.delete(self.leases).where(self.leases.c.owner == b"")
        )

    def _create(self, connection: Connection, table: Table) -> None:
        connection.execute(CreateTable(table, if_not_exists=True))
        if connection.dialect.name == "postgresql" and "content" in table.c:
            # What comes is compressed or encrypted already.
            connection.execute(
                sqlalchemy.DDL(
                    f'ALTER TABLE "{table.name}" ALTER content SET STORAGE EXTERNAL'
                )
            )

    def _write_format(self, connection: Connection) -> None:
        # Of two at once, one waits for the other and then changes nothing.
        insert = sqlalchemy.insert(self.formats).values(format=FORMAT)
        if connection.dialect.name in _MYSQL:
            connection.execute(insert.prefix_with("IGNORE"))
        elif connection.dialect.name == "sqlite":
            connection.execute(insert.prefix_with("OR IGNORE"))
        else:
            connection.execute(insert)
