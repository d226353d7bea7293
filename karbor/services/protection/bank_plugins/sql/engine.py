# SPDX-License-Identifier: Apache-2.0
"""The connections to a bank's database, and the transactions on them."""

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy
import tenacity
from oslo_log import log as logging
from sqlalchemy import Connection, Engine, event, exc, pool
from sqlalchemy.engine import URL

from karbor.services.protection.bank_plugins.sql.errors import Remedy, remedy
from karbor.services.protection.bank_plugins.sql.settings import Settings

LOG = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_WRITES = "karbor_writes"
# A deadlock is over as soon as one of the two is taken back, and a pool whose
# connections are stale is emptied at the first error. A server that is away for
# longer is for whoever made the call.
_ATTEMPTS = 6
_FIRST_WAIT = 0.01
_MAX_WAIT = 0.5


class Transactions:
    """Short transactions, from any thread and in any process after a fork.

    A transaction that the database took back, or whose connection was lost, is made
    again from its beginning a few times.
    """

    def __init__(self, settings: Settings) -> None:
        self._is_sqlite = settings.url.get_backend_name() == "sqlite"
        self.engine = (
            _sqlite_engine(settings) if self._is_sqlite else _server_engine(settings)
        )
        # SQLite has one writer at a time. Threads queue for it here, in order, instead
        # of polling the file.
        self._turn = threading.Lock()
        _forget_connections_after_fork(self)

    def read(self, work: Callable[[Connection], Answer]) -> Answer:
        """Do ``work`` in a transaction that changes nothing.

        :raises sqlalchemy.exc.SQLAlchemyError: when the database fails
        """
        return self._repeated(lambda _attempt: self._do(work, writes=False))

    def write(self, work: Callable[[Connection, bool], Answer]) -> Answer:
        """Do ``work`` in a transaction, committed when this returns.

        :param work: gets the connection, and whether an attempt before this one may
            have been committed though its answer was lost
        :raises sqlalchemy.exc.SQLAlchemyError: when the database fails
        """
        may_be_done = False

        def attempt(_number: int) -> Answer:
            nonlocal may_be_done
            try:
                return self._do(
                    lambda connection: work(connection, may_be_done), writes=True
                )
            except exc.SQLAlchemyError as error:
                may_be_done = may_be_done or remedy(error) is Remedy.RECONNECT
                raise

        return self._repeated(attempt)

    def close(self) -> None:
        """Close the pooled connections; a later transaction opens new ones."""
        self.engine.dispose()

    def _do(self, work: Callable[[Connection], Answer], writes: bool) -> Answer:
        waits = writes and self._is_sqlite
        turn = self._turn if waits else contextlib.nullcontext()
        with turn, self.engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: writes})
            with connection.begin():
                return work(connection)

    def _repeated(self, attempt: Callable[[int], Answer]) -> Answer:
        repeating = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_random_exponential(
                multiplier=_FIRST_WAIT, max=_MAX_WAIT
            ),
            retry=tenacity.retry_if_exception(_is_repeated),
            reraise=True,
        )
        return repeating(attempt, 0)

    def _after_fork(self) -> None:
        self._turn = threading.Lock()
        self.engine.dispose(close=False)


def _is_repeated(error: BaseException) -> bool:
    return isinstance(error, exc.SQLAlchemyError) and remedy(error) in (
        Remedy.REPEAT,
        Remedy.RECONNECT,
    )


def _forget_connections_after_fork(transactions: Transactions) -> None:
    """A child must neither use nor close what its parent opened."""
    reference = weakref.ref(transactions)

    def forget() -> None:
        alive = reference()
        if alive is not None:
            alive._after_fork()

    os.register_at_fork(after_in_child=forget)


def _server_engine(settings: Settings) -> Engine:
    url = settings.url
    seconds = settings.timeout
    arguments: dict[str, Any] = {}
    if url.get_driver_name() in ("psycopg2", "psycopg"):
        arguments = {
            "connect_timeout": seconds,
            "keepalives_idle": seconds,
            "tcp_user_timeout": seconds * 1000,
        }
    elif url.get_driver_name() in ("pymysql", "mysqldb"):
        arguments = {
            "connect_timeout": seconds,
            "read_timeout": seconds,
            "write_timeout": seconds,
        }
    engine = sqlalchemy.create_engine(
        url,
        # What the URL itself says is stronger.
        connect_args={k: v for k, v in arguments.items() if k not in url.query},
        # Each statement sees what is committed when it begins. MariaDB's default
        # would lock the gaps between rows, and deadlock more.
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=seconds,
        # Below the 8 hours after which MariaDB closes an idle connection.
        pool_recycle=3600,
    )
    if url.get_backend_name() == "postgresql":

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            with contextlib.closing(connection.cursor()) as cursor:
                cursor.execute("SHOW synchronous_commit")
                if cursor.fetchone()[0] == "off":
                    cursor.execute("SET synchronous_commit TO on")
                cursor.execute(f"SET statement_timeout TO {seconds * 1000}")
            connection.commit()

    return engine


def _sqlite_engine(settings: Settings) -> Engine:
    _create_private_file(str(settings.url.database))
    engine = sqlalchemy.create_engine(
        settings.url,
        poolclass=pool.QueuePool,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.timeout,
        hide_parameters=True,
        connect_args={
            "timeout": settings.timeout,
            "check_same_thread": False,
            "isolation_level": None,
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        _enter_wal(connection, settings.timeout)
        # The log is synced at every commit, not only when it is written back.
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _enter_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Switch the file to write-ahead logging, where readers never wait.

    The mode stays with the file. SQLite answers "locked" at once, whatever the busy
    timeout, while another process is switching too; so this tries again.
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
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def packet_size(connection: Connection) -> int | None:
    """Bytes that a statement may have at most, where the database has such a limit."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return None
    return int(connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())


def is_galera(connection: Connection) -> bool:
    """Whether the database is a cluster of MariaDB whose nodes are all written."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return False
    found = connection.exec_driver_sql("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'").first()
    return found is not None and str(found[1]).upper() == "ON"


def warn_of_loose_commits(connection: Connection, url: URL) -> None:
    """Tell when the server loses commits in a power cut, which only it can change."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return
    flushed = connection.exec_driver_sql(
        "SELECT @@innodb_flush_log_at_trx_commit"
    ).scalar_one()
    if int(flushed) != 1:
        LOG.warning(
            "The database of the SQL bank at %s may lose objects in a power cut: its "
            "innodb_flush_log_at_trx_commit is %s. Set it to 1.",
            url.host,
            flushed,
        )
