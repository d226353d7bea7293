# SPDX-License-Identifier: Apache-2.0
"""Objects in tables; every method runs inside its caller's transaction."""

from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Connection

from karbor.services.protection.bank_plugins.sql import statements, values
from karbor.services.protection.bank_plugins.sql.tables import Tables


class ObjectTables:
    """Reads and writes objects.

    :param part_size: bytes of content in one row at most
    """

    def __init__(self, tables: Tables, part_size: int) -> None:
        self._objects = tables.objects
        self._parts = tables.parts
        self.part_size = part_size

    def put(
        self, connection: Connection, name: bytes, kind: int, content: memoryview
    ) -> None:
        """Create or replace an object."""
        is_whole = content.nbytes <= self.part_size
        row = {
            "name": name,
            "kind": kind,
            "size": content.nbytes,
            "content": content if is_whole else None,
        }
        # First, so that of two who write the object one waits for the other.
        connection.execute(
            statements.upsert(connection.dialect.name, self._objects, row)
        )
        self._delete_parts(connection, name)
        if is_whole:
            return
        for number, start in enumerate(range(0, content.nbytes, self.part_size)):
            part = content[start : start + self.part_size]
            connection.execute(
                sqlalchemy.insert(self._parts).values(
                    name=name, number=number, content=part
                )
            )

    def get(self, connection: Connection, name: bytes) -> tuple[int, bytes] | None:
        """Kind and content of an object; None when there is none.

        In one statement, which sees one moment whatever the isolation.

        :raises ValueDamaged: when a part is missing
        """
        objects, parts = self._objects, self._parts
        rows = connection.execute(
            sqlalchemy.select(
                objects.c.kind, objects.c.size, objects.c.content, parts.c.content
            )
            .select_from(
                objects.outerjoin(
                    parts,
                    sqlalchemy.and_(
                        parts.c.name == objects.c.name, objects.c.content.is_(None)
                    ),
                )
            )
            .where(objects.c.name == name)
            .order_by(parts.c.number)
        ).all()
        if not rows:
            return None
        kind, size, whole, _part = rows[0]
        content = (
            b"".join(row[3] or b"" for row in rows) if whole is None else bytes(whole)
        )
        if len(content) != size:
            raise values.ValueDamaged(
                f"it has {len(content)} bytes, and its row says {size}"
            )
        return kind, content

    def size(self, connection: Connection, name: bytes) -> tuple[int, int] | None:
        """Kind of an object, and the bytes that are there; None when there is none."""
        objects, parts = self._objects, self._parts
        length = sqlalchemy.func.length
        in_parts = (
            sqlalchemy.select(sqlalchemy.func.sum(length(parts.c.content)))
            .where(parts.c.name == objects.c.name)
            .scalar_subquery()
        )
        row = connection.execute(
            sqlalchemy.select(
                objects.c.kind,
                sqlalchemy.func.coalesce(length(objects.c.content), in_parts),
            ).where(objects.c.name == name)
        ).first()
        return None if row is None else (row[0], int(row[1] or 0))

    def delete(self, connection: Connection, name: bytes) -> bool:
        """Delete an object; whether there was one."""
        result: Any = connection.execute(
            sqlalchemy.delete(self._objects).where(self._objects.c.name == name)
        )
        if not result.rowcount:
            return False
        self._delete_parts(connection, name)
        return True

    def names(
        self,
        connection: Connection,
        prefix: bytes,
        marker: bytes | None,
        descending: bool,
        limit: int | None,
    ) -> list[bytes]:
        """Names that begin with a prefix and come after the marker, in order."""
        column = self._objects.c.name
        wanted: list[ColumnElement[bool]] = [column >= prefix]
        end = _after(prefix)
        if end is not None:
            wanted.append(column < end)
        if marker is not None:
            wanted.append(column < marker if descending else column > marker)
        query = (
            sqlalchemy.select(column)
            .where(*wanted)
            .order_by(column.desc() if descending else column)
            .limit(limit)
        )
        return [bytes(name) for name in connection.execute(query).scalars()]

    def _delete_parts(self, connection: Connection, name: bytes) -> None:
        connection.execute(
            sqlalchemy.delete(self._parts).where(self._parts.c.name == name)
        )


def _after(prefix: bytes) -> bytes | None:
    """The first name after all that begin with a prefix; None when there is none."""
    bare = prefix.rstrip(b"\xff")
    return bare[:-1] + bytes([bare[-1] + 1]) if bare else None
