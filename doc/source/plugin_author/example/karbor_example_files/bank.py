# SPDX-License-Identifier: Apache-2.0
"""A bank in one SQLite file."""

import contextlib
import json
import sqlite3
import uuid

from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank_plugin import BankPlugin

GROUP = "example_sqlite_bank"

OPTS = [
    cfg.StrOpt("path", help="The file; made when missing."),
]

TABLE = "CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, kind TEXT, value)"


class SqliteBankPlugin(BankPlugin):
    """Each object is a row, each update a transaction: atomic, and durable.

    A connection for each call, because calls come from many threads.
    """

    def __init__(self, config):
        super().__init__(config)
        config.register_opts(OPTS, group=GROUP)
        self._path = config[GROUP].path
        self._owner_id = str(uuid.uuid4())
        with self._connection(exception.BankCreateObjectFailed) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(TABLE)

    # [values]
    def update_object(self, key, value, context=None):
        if isinstance(value, bytes | bytearray | memoryview):
            kind, stored = "bytes", bytes(value)
        elif isinstance(value, str):
            kind, stored = "str", value
        else:
            kind, stored = "json", json.dumps(value)
        with self._connection(exception.BankUpdateObjectFailed, key) as connection:
            connection.execute(
                "REPLACE INTO objects VALUES (?, ?, ?)", (key, kind, stored)
            )

    def get_object(self, key, context=None):
        with self._connection(exception.BankGetObjectFailed, key) as connection:
            row = connection.execute(
                "SELECT kind, value FROM objects WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            raise exception.BankGetObjectFailed(key=key, reason="no such object")
        kind, stored = row
        return json.loads(stored) if kind == "json" else stored

    # [listing]
    def list_objects(
        self, prefix=None, limit=None, marker=None, sort_dir=None, context=None
    ):
        descending = sort_dir == "desc"
        conditions, values = ["TRUE"], []
        if prefix:
            # The first key that does not begin with it: its last character's next.
            conditions.append("key >= ? AND key < ?")
            values += [prefix, prefix[:-1] + _next(prefix[-1])]
        if marker is not None:
            conditions.append(f"key {'<' if descending else '>'} ?")
            values.append(marker)
        query = (
            f"SELECT key FROM objects WHERE {' AND '.join(conditions)} "
            f"ORDER BY key {'DESC' if descending else 'ASC'} LIMIT ?"
        )
        values.append(-1 if limit is None else limit)
        with self._connection(exception.BankListObjectsFailed) as connection:
            return [key for (key,) in connection.execute(query, values)]

    # [rest]
    def delete_object(self, key, context=None):
        with self._connection(exception.BankDeleteObjectFailed, key) as connection:
            found = connection.execute("DELETE FROM objects WHERE key = ?", (key,))
        if not found.rowcount:
            raise exception.BankDeleteObjectFailed(key=key, reason="no such object")

    def get_owner_id(self, context=None):
        return self._owner_id

    @contextlib.contextmanager
    def _connection(self, failure, key=None):
        try:
            with (
                contextlib.closing(sqlite3.connect(self._path, timeout=30)) as made,
                made,
            ):
                made.execute("PRAGMA synchronous = FULL")
                yield made
        except sqlite3.Error as error:
            raise failure(key=key, reason=error) from error


def _next(character):
    """The code point after a character's; surrogates are none."""
    following = ord(character) + 1
    return chr(0xE000 if following == 0xD800 else following)
