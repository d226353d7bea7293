# SPDX-License-Identifier: Apache-2.0
"""Bring the database's tables to a revision, with Alembic."""

import contextlib
from collections.abc import Iterator
from typing import Any

from alembic import command, script
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from oslo_config import cfg
from sqlalchemy import Connection, text

from karbor.db.engine import Transactions

#: Names the lock that keeps two syncs of one database apart.
_LOCK_NAME = "karbor-db-sync"
#: PostgreSQL's advisory locks have numbers: "karb" in ASCII.
_LOCK_NUMBER = 0x6B617262
_LOCK_SECONDS = 600


class MigrationError(Exception):
    """The database cannot be brought to the revision; the message says why."""


class DatabaseOutOfDate(Exception):
    """The tables are not those of this version of Karbor."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "karbor.db:migrations")
    return config


def head() -> str:
    """The revision that this version of Karbor works with."""
    return str(script.ScriptDirectory.from_config(_config()).get_current_head())


def version(conf: cfg.ConfigOpts) -> str | None:
    """The revision that the database is at; None for an empty database."""
    with _transactions(conf) as transactions:
        return _version(transactions)


def sync(conf: cfg.ConfigOpts, revision: str = "head") -> str | None:
    """Upgrade the database to ``revision``, and return the one it is at then.

    Safe when several processes do it at once. Does nothing when the database is
    there already. Downgrades are not offered: restore a backup instead.

    :raises MigrationError: for a revision that is unknown or lies behind
    """
    with _transactions(conf) as transactions:
        _upgrade(transactions, revision)
        return _version(transactions)


def check(transactions: Transactions) -> None:
    """:raises DatabaseOutOfDate: unless the database is at :func:`head`"""
    found = _version(transactions)
    if found != head():
        raise DatabaseOutOfDate(
            f"The database is at revision {found or 'none (it is empty)'} and this "
            f"version of Karbor needs {head()}. Run: karbor-manage db sync"
        )


@contextlib.contextmanager
def _transactions(conf: cfg.ConfigOpts) -> Iterator[Transactions]:
    transactions = Transactions(conf)
    try:
        yield transactions
    finally:
        transactions.close()


def _version(transactions: Transactions) -> str | None:
    with transactions.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _upgrade(transactions: Transactions, revision: str) -> None:
    config = _config()
    with transactions.write() as connection, _sync_lock(connection):
        current = MigrationContext.configure(connection).get_current_revision()
        _refuse_unknown_or_older(current, revision)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _refuse_unknown_or_older(current: str | None, revision: str) -> None:
    scripts = script.ScriptDirectory.from_config(_config())
    known = [entry.revision for entry in scripts.walk_revisions()][::-1]
    try:
        wanted = scripts.get_revision(revision)
    except CommandError as error:
        raise MigrationError(
            f"Revision {revision!r} is unknown. Known are: {', '.join(known)}."
        ) from error
    if current is not None and current not in known:
        raise MigrationError(
            f"The database is at revision {current}, which this version of Karbor "
            "does not know: a newer version has been here. Upgrade Karbor."
        )
    if wanted is None or (
        current is not None and known.index(wanted.revision) < known.index(current)
    ):
        raise MigrationError(
            f"The database is at revision {current}; going back to {revision} is not "
            "supported. Restore a backup of the database instead."
        )


@contextlib.contextmanager
def _sync_lock(connection: Connection) -> Iterator[None]:
    """One sync at a time. SQLite's write transaction is that lock already."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        _lock(connection, "SELECT pg_advisory_xact_lock(:n)", n=_LOCK_NUMBER)
        yield
    elif dialect in ("mysql", "mariadb"):
        arguments = {"name": _LOCK_NAME, "seconds": _LOCK_SECONDS}
        if not _lock(connection, "SELECT GET_LOCK(:name, :seconds)", **arguments):
            raise MigrationError("Another karbor-manage db sync has not ended.")
        try:
            yield
        finally:
            _lock(connection, "SELECT RELEASE_LOCK(:name)", name=_LOCK_NAME)
    else:
        yield


def _lock(connection: Connection, statement: str, **arguments: Any) -> Any:
    return connection.execute(text(statement), arguments).scalar()
