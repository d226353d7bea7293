# SPDX-License-Identifier: Apache-2.0
"""Where the records live: the ``[database]`` options."""

import os
from typing import Any

import sqlalchemy
from oslo_config import cfg
from oslo_db import options as db_options
from sqlalchemy.engine import URL

GROUP = "database"

#: oslo.db's own options, listed here so that the sample file shows them once.
OPTS: list[cfg.Opt] = list(db_options.database_opts)

LIMIT_OPTS: list[cfg.Opt] = [
    cfg.IntOpt(
        "osapi_max_limit",
        default=1000,
        min=1,
        help=(
            "Largest number of items that one listing answers, and the number it "
            "answers when no limit is asked for. Default 1000. Lower it when "
            "plans are large and API workers short of memory."
        ),
    ),
    cfg.IntOpt(
        "sqlite_busy_timeout",
        default=60,
        min=1,
        help=(
            "Seconds that a write waits for another process that holds the SQLite "
            "file, before it fails. Default 60. Raise it when the file lies on a "
            "slow disk and many processes write. Only for SQLite."
        ),
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register what the records need: oslo.db's options and the page limit."""
    conf.register_opts(OPTS, group=GROUP)
    conf.register_opts(LIMIT_OPTS)


def list_opts() -> list[tuple[str | None, list[cfg.Opt]]]:
    """The options by group, for the sample configuration."""
    return [(None, LIMIT_OPTS), (GROUP, OPTS)]


def connection_url(conf: cfg.ConfigOpts) -> URL:
    """The database to use: ``[database] connection``, or SQLite in state_path.

    :raises ValueError: when the option is not a database URL. The text of the
        option is not quoted, because it may hold a password.
    """
    register_opts(conf)
    text = conf.database.connection
    if not text:
        path = os.path.join(os.path.abspath(conf.state_path), "karbor.sqlite")
        return URL.create("sqlite", database=path)
    try:
        url = sqlalchemy.make_url(text)
    except sqlalchemy.exc.ArgumentError as error:
        raise ValueError(
            "Option [database] connection is not a database URL. Use for example "
            "sqlite:////var/lib/karbor/karbor.sqlite, "
            "postgresql+psycopg2://user:password@host/karbor or "
            "mysql+pymysql://user:password@host/karbor."
        ) from error
    if url.get_backend_name() in ("mysql", "mariadb") and "charset" not in url.query:
        # oslo.db would otherwise ask for the three-byte "utf8".
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def engine_arguments(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """What :func:`oslo_db.sqlalchemy.engines.create_engine` takes from options."""
    group = conf.database
    return {
        "mysql_sql_mode": group.mysql_sql_mode,
        "mysql_wsrep_sync_wait": group.mysql_wsrep_sync_wait,
        "connection_recycle_time": group.connection_recycle_time,
        "connection_debug": group.connection_debug,
        "max_pool_size": group.max_pool_size,
        "max_overflow": group.max_overflow,
        "pool_timeout": group.pool_timeout,
        "connection_trace": group.connection_trace,
        "max_retries": group.max_retries,
        "retry_interval": group.retry_interval,
    }
