# SPDX-License-Identifier: Apache-2.0
"""One table of records: create, get, update, delete, list, each one transaction."""

import datetime
import functools
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from oslo_config import cfg
from oslo_context.context import RequestContext
from oslo_db import api as db_api
from oslo_db import exception as db_exception
from oslo_utils import timeutils
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    delete,
    false,
    insert,
    or_,
    select,
    update,
)

from karbor import exception
from karbor.db.engine import Transactions
from karbor.db.paging import SortOrder, page_size
from karbor.db.types import Json
from karbor.db.values import column_of, to_compare, to_store

Record = dict[str, Any]
# Named here, because inside the class ``list`` is the method.
Records = list[Record]
Conditions = list[ColumnElement[bool]]
Result = TypeVar("Result")

#: Seconds before the first retry of a transaction that the database refused.
FIRST_RETRY_INTERVAL = 0.1


def now() -> datetime.datetime:
    """The time, aware; tests set it with oslo_utils.timeutils."""
    return timeutils.utcnow().replace(tzinfo=datetime.UTC)


class Repository:
    """The records of one table.

    A context that is not an admin's sees and changes the rows of its project
    only; every other row is not found. Rows are plain dicts: JSON fields
    decoded, times aware and in UTC. All methods may be called from any thread;
    a transaction that the database refuses for a deadlock is done again.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        transactions: Transactions,
        table: Table,
        not_found: Callable[[str], exception.NotFound],
    ) -> None:
        self._transactions = transactions
        self._table = table
        self._not_found = not_found
        self._max_limit: int = conf.osapi_max_limit
        self._is_owned = "project_id" in table.columns
        self._retry = db_api.wrap_db_retry(
            max_retries=conf.database.db_max_retries,
            retry_interval=FIRST_RETRY_INTERVAL,
            inc_retry_interval=conf.database.db_inc_retry_interval,
            max_retry_interval=conf.database.db_max_retry_interval,
            retry_on_disconnect=conf.database.use_db_reconnect,
            retry_on_deadlock=True,
        )

    def create(self, context: RequestContext, values: Mapping[str, Any]) -> Record:
        """Insert a row and return it.

        ``id``, ``project_id`` (the context's) and ``created_at`` are filled in
        when they are not given.

        :raises InvalidInput: for an unknown or unfit field, or an id that exists
        :raises AdminRequired: for another project's row without being admin
        """
        row = {"id": str(uuid.uuid4()), "created_at": now()}
        if self._is_owned:
            row["project_id"] = context.project_id
        row.update(to_store(self._table, values))
        if (
            self._is_owned
            and not context.is_admin
            and row["project_id"] != context.project_id
        ):
            raise exception.AdminRequired()
        try:
            return self._write(functools.partial(self._insert, row=row))
        except db_exception.DBDuplicateEntry as error:
            raise exception.InvalidInput(
                reason=f"a row of {self._table.name} with the id {row['id']} exists"
            ) from error

    def get(self, context: RequestContext, record_id: str) -> Record:
        """:raises NotFound: the table's own, also for another project's row"""
        return self._read(
            functools.partial(self._select_one, context=context, record_id=record_id)
        )

    def update(
        self, context: RequestContext, record_id: str, values: Mapping[str, Any]
    ) -> Record:
        """Change the given fields of a row, and ``updated_at``; return the row.

        :raises InvalidInput: for an unknown or unfit field
        :raises NotFound: the table's own, also for another project's row
        """
        changes = {**self._stamp(), **to_store(self._table, values)}
        for fixed in ("id", "created_at"):
            changes.pop(fixed, None)
        if self._is_owned and not context.is_admin:
            changes.pop("project_id", None)

        if not changes:
            return self.get(context, record_id)

        def change(connection: Connection) -> Record:
            result = connection.execute(
                update(self._table)
                .where(*self._is_the_one(context, record_id))
                .values(changes)
            )
            if not result.rowcount:
                raise self._not_found(record_id)
            return self._select_one(connection, context=context, record_id=record_id)

        return self._write(change)

    def delete(self, context: RequestContext, record_id: str) -> None:
        """:raises NotFound: the table's own, also for another project's row"""

        def remove(connection: Connection) -> None:
            result = connection.execute(
                delete(self._table).where(*self._is_the_one(context, record_id))
            )
            if not result.rowcount:
                raise self._not_found(record_id)

        self._write(remove)

    def list(
        self,
        context: RequestContext,
        *,
        marker: str | None = None,
        limit: int | None = None,
        sort_keys: Sequence[str] | None = None,
        sort_dirs: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        all_tenants: bool = False,
    ) -> Records:
        """A page of the rows of the context's project.

        An admin context that has no project (a service's own) sees all rows.

        :param marker: id of the row that the page follows
        :param limit: largest number of rows; at most and by default the option
            osapi_max_limit
        :param sort_keys: columns; default created_at. The id decides between
            equals.
        :param sort_dirs: "asc" or "desc" for each key; a missing one is like the
            one before it, the first "desc"
        :param filters: column to the value it must have; a list stands for any
            of its values, None for NULL
        :param all_tenants: of all projects
        :raises InvalidInput: for an unknown marker, key, direction or filter
        :raises AdminRequired: all_tenants without being admin
        """
        if all_tenants and not context.is_admin:
            raise exception.AdminRequired()
        order = SortOrder.of(self._table, sort_keys, sort_dirs)
        size = page_size(limit, self._max_limit)
        scope = [] if all_tenants else self._visible_in_list(context)
        conditions = [
            *scope,
            *(self._matches(name, value) for name, value in (filters or {}).items()),
        ]

        def page(connection: Connection) -> Records:
            statement = select(self._table).where(*conditions)
            if marker is not None:
                row = self._marker_row(connection, scope, marker)
                statement = statement.where(order.after(row))
            statement = statement.order_by(*order.clauses()).limit(size)
            return [dict(row) for row in connection.execute(statement).mappings()]

        return self._read(page)

    def _marker_row(
        self, connection: Connection, scope: Sequence[ColumnElement[bool]], marker: str
    ) -> Record:
        wanted = to_compare(self._table.columns.id, marker)
        row = (
            connection.execute(
                select(self._table).where(self._table.columns.id == wanted, *scope)
            )
            .mappings()
            .one_or_none()
        )
        if row is None:
            raise exception.InvalidInput(reason=f"marker {marker!a} is unknown")
        return dict(row)

    def _matches(self, name: str, value: Any) -> ColumnElement[bool]:
        column = column_of(self._table, name, "filter")
        if isinstance(value, list | tuple | set | frozenset) and not isinstance(
            column.type, Json
        ):
            return or_(false(), *(self._equals(column, one) for one in value))
        return self._equals(column, value)

    def _equals(self, column: Column[Any], value: Any) -> ColumnElement[bool]:
        wanted = to_compare(column, value)
        return column.is_(None) if wanted is None else column == wanted

    def _visible(self, context: RequestContext) -> Conditions:
        if context.is_admin or not self._is_owned:
            return []
        return [self._of_project(context.project_id)]

    def _visible_in_list(self, context: RequestContext) -> Conditions:
        if not self._is_owned or (context.is_admin and context.project_id is None):
            return []
        return [self._of_project(context.project_id)]

    def _of_project(self, project_id: str | None) -> ColumnElement[bool]:
        if project_id is None:
            return false()
        return self._table.columns.project_id == project_id

    def _stamp(self) -> Record:
        """What every update sets besides the caller's fields."""
        return {"updated_at": now()}

    def _is_the_one(self, context: RequestContext, record_id: str) -> Conditions:
        column = self._table.columns.id
        try:
            wanted = to_compare(column, record_id)
        except exception.InvalidInput as error:
            raise self._not_found(ascii(record_id)[:80]) from error
        if wanted is None:
            raise self._not_found("None")
        return [column == wanted, *self._visible(context)]

    def _insert(self, connection: Connection, *, row: Record) -> Record:
        connection.execute(insert(self._table).values(row))
        stored = connection.execute(
            select(self._table).where(self._table.columns.id == row["id"])
        )
        return dict(stored.mappings().one())

    def _select_one(
        self, connection: Connection, *, context: RequestContext, record_id: str
    ) -> Record:
        row = (
            connection.execute(
                select(self._table).where(*self._is_the_one(context, record_id))
            )
            .mappings()
            .one_or_none()
        )
        if row is None:
            raise self._not_found(record_id)
        return dict(row)

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        def transaction() -> Result:
            with self._transactions.read() as connection:
                return work(connection)

        return self._retry(transaction)()

    def _write(self, work: Callable[[Connection], Result]) -> Result:
        def transaction() -> Result:
            with self._transactions.write() as connection:
                return work(connection)

        return self._retry(transaction)()
