# SPDX-License-Identifier: Apache-2.0
"""Keyset paging: a page starts strictly after a row, however rows come and go.

A NULL sorts before every value (and last when descending), on every database;
rows that are equal in all sort keys follow each other by id. So every row is on
exactly one page.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, case, false, or_

from karbor import exception
from karbor.db.types import Json, LongText
from karbor.db.values import column_of

DEFAULT_SORT_KEY = "created_at"
DEFAULT_SORT_DIR = "desc"


@dataclasses.dataclass(frozen=True, slots=True)
class SortOrder:
    """Columns with their directions; the last one is the id."""

    columns: tuple[Column[Any], ...]
    ascending: tuple[bool, ...]

    @classmethod
    def of(
        cls,
        table: Table,
        sort_keys: Sequence[str] | None,
        sort_dirs: Sequence[str] | None,
    ) -> "SortOrder":
        """:raises InvalidInput: for an unknown key or direction"""
        keys = list(sort_keys or [DEFAULT_SORT_KEY])
        dirs = list(sort_dirs or [])
        if len(dirs) > len(keys):
            raise exception.InvalidInput(
                reason=f"{len(dirs)} sort directions for {len(keys)} sort keys"
            )
        dirs += [dirs[-1] if dirs else DEFAULT_SORT_DIR] * (len(keys) - len(dirs))
        columns: list[Column[Any]] = []
        ascending: list[bool] = []
        for key, direction in zip(keys, dirs, strict=True):
            column = column_of(table, key, "sort key")
            if isinstance(column.type, Json | LongText):
                raise exception.InvalidInput(reason=f"cannot sort by {key}")
            if direction not in ("asc", "desc"):
                raise exception.InvalidInput(
                    reason=f"unknown sort direction {ascii(direction)[:40]}; known "
                    "are asc, desc"
                )
            if column not in columns:
                columns.append(column)
                ascending.append(direction == "asc")
        if table.columns.id not in columns:
            columns.append(table.columns.id)
            ascending.append(ascending[-1])
        return cls(tuple(columns), tuple(ascending))

    def clauses(self) -> list[ColumnElement[Any]]:
        """What ORDER BY takes."""
        result: list[ColumnElement[Any]] = []
        for column, ascending in zip(self.columns, self.ascending, strict=True):
            if column.nullable:
                rank = case((column.is_(None), 0), else_=1)
                result.append(rank.asc() if ascending else rank.desc())
            result.append(column.asc() if ascending else column.desc())
        return result

    def after(self, row: Mapping[str, Any]) -> ColumnElement[bool]:
        """True for the rows that follow ``row`` in this order."""
        alternatives: list[ColumnElement[bool]] = []
        equal_so_far: list[ColumnElement[bool]] = []
        for column, ascending in zip(self.columns, self.ascending, strict=True):
            value = row[column.name]
            alternatives.append(and_(*equal_so_far, _follows(column, value, ascending)))
            equal_so_far.append(column.is_(None) if value is None else column == value)
        return or_(*alternatives)


def _follows(column: Column[Any], value: Any, ascending: bool) -> ColumnElement[bool]:
    if value is None:
        return column.is_not(None) if ascending else false()
    if ascending:
        return column > value
    return or_(column < value, column.is_(None)) if column.nullable else column < value


def page_size(limit: Any, maximum: int) -> int:
    """How many rows a page may hold.

    :param limit: None for as many as allowed; more is cut to ``maximum``
    :raises InvalidInput: when it is not a positive integer
    """
    if limit is None:
        return maximum
    if isinstance(limit, bool) or not isinstance(limit, int | str):
        raise exception.InvalidInput(reason="limit must be an integer")
    try:
        number = int(limit)
    except ValueError as error:
        raise exception.InvalidInput(reason="limit must be an integer") from error
    if number <= 0:
        raise exception.InvalidInput(reason="limit must be positive")
    return min(number, maximum)
