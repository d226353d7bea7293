# SPDX-License-Identifier: Apache-2.0
"""The SQL engine, and the two kinds of transaction that run on it.

PostgreSQL and MariaDB go through oslo.db as in every OpenStack service. SQLite
gets an engine of its own: oslo.db opens and closes the file for each
transaction, which in WAL mode makes the last one out rewrite the whole log, and
begins transactions deferred, so that two writers can both read and then refuse
each other.
"""

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import sqlalchemy
from oslo_config import cfg
from oslo_db.sqlalchemy import engines, exc_filters
from sqlalchemy import Connection, Engine, event, pool

from karbor.db import options

_READ_ONLY = "karbor_read_only"


class Transactions:
    """Short transactions on one engine, safe from any thread.

    ``read()`` and ``write()`` give a connection inside a transaction; leaving
    the block commits, an error rolls back. With SQLite a write takes the file's
    write lock at its beginning, and threads of this process queue for it on a
    lock instead of polling the file.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        url = options.connection_url(conf)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.engine = _sqlite_engine(conf, url)
        else:
            self.engine = engines.create_engine(url, **options.engine_arguments(conf))
        self._write_lock = threading.Lock()
        _forget_connections_after_fork(self)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        with self.engine.connect() as plain:
            connection = plain.execution_options(**{_READ_ONLY: True})
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        turn = self._write_lock if self.is_sqlite else contextlib.nullcontext()
        with turn, self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the pooled connections; a later transaction opens new ones."""
        self.engine.dispose()

    def _after_fork(self) -> None:
        self._write_lock = threading.Lock()
        self.engine.dispose(close=False)


def _forget_connections_after_fork(transactions: Transactions) -> None:
    """A child must neither use nor close what its parent opened."""
    reference = weakref.ref(transactions)

    def forget() -> None:
        alive = reference()
        if alive is not None:
            alive._after_fork()

    os.register_at_fork(after_in_child=forget)


def _sqlite_engine(conf: cfg.ConfigOpts, url: sqlalchemy.URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        _create_private_file(str(url.database))
    group = conf.database
    sizes: dict[str, Any] = (
        {"pool_size": 1, "max_overflow": 0}
        if in_memory
        else {
            "pool_size": group.max_pool_size or 5,
            "max_overflow": 50 if group.max_overflow is None else group.max_overflow,
        }
    )
    engine = sqlalchemy.create_engine(
        url,
        poolclass=pool.QueuePool,
        pool_timeout=group.pool_timeout or conf.sqlite_busy_timeout,
        connect_args={
            "timeout": conf.sqlite_busy_timeout,
            "check_same_thread": False,
            "isolation_level": None,
        },
        **sizes,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")
        if not group.sqlite_synchronous:
            connection.execute("PRAGMA synchronous=OFF")
        if not in_memory:
            _enter_wal(connection, conf.sqlite_busy_timeout)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    exc_filters.register_engine(engine)
    return engine


def _enter_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Switch the file to write-ahead logging, where readers never wait.

    The mode stays with the file. SQLite answers "locked" at once, whatever the
    busy timeout, while another process is switching too; so this tries again.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _create_private_file(path: str) -> None:
    """Create the SQLite file readable by its owner only, folder included.

    :raises OSError: naming the path, when that is not possible
    """
    path = path.removeprefix("file:").partition("?")[0]
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
