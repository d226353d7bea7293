# SPDX-License-Identifier: Apache-2.0
"""What the options of the SQL bank say, checked."""

import dataclasses
import os
import re
from typing import Any

import sqlalchemy
from oslo_config import cfg
from sqlalchemy.engine import URL

from karbor import exception
from karbor.services.protection.bank.leases import LEASE_OPTS, LeaseWindows
from karbor.services.protection.bank_plugins.sql.statements import DIALECTS

GROUP = "sql_bank_plugin"
OPTS = [
    cfg.StrOpt(
        "connection",
        secret=True,
        help="The database, as a URL of SQLAlchemy, such as "
        "postgresql+psycopg2://user:password@host/karbor_bank, "
        "mysql+pymysql://user:password@host/karbor_bank or "
        "sqlite:////var/lib/karbor/bank.sqlite. Required; there is no default.",
    ),
    cfg.StrOpt(
        "table_prefix",
        default="karbor_bank",
        help="What the names of the bank's tables begin with. Change it to keep "
        "several banks in one database.",
    ),
    cfg.IntOpt(
        "part_size",
        default=4 * 1024 * 1024,
        min=1024,
        max=256 * 1024 * 1024,
        help="Bytes of an object in one row at most; a bigger one is kept in several "
        "rows. Lowered by itself to what max_allowed_packet of MariaDB lets through.",
    ),
    cfg.IntOpt(
        "pool_size",
        default=10,
        min=1,
        help="Connections that the service holds to the database at most, and one more "
        "for its lease. Threads beyond it wait for one. Raise it together with the "
        "workers of the streams.",
    ),
    cfg.IntOpt(
        "timeout",
        default=60,
        min=1,
        help="Seconds after which a call gives up: to connect, to wait for a free "
        "connection, for an answer, or for SQLite's file when another process writes. "
        "Keep it below lease_validity_window, so that a hanging call does not cost the "
        "lease.",
    ),
    *LEASE_OPTS,
]

_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EXAMPLE = "postgresql+psycopg2://user:password@host/karbor_bank"


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make a provider's configuration know the group of this plugin."""
    conf.register_opts(OPTS, group=GROUP)


def invalid(option: str, problem: str) -> exception.InvalidInput:
    """The error that an option is wrong; ``kwargs["option"]`` names it."""
    name = f"[{GROUP}]/{option}"
    return exception.InvalidInput(reason=f"option {name}: {problem}", option=name)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options, checked.

    :param url: where the database is; holds the password
    :param table_prefix: of the tables' names
    :param part_size: bytes in a row
    :param pool_size: connections
    :param timeout: seconds
    :param windows: of the lease
    """

    url: URL = dataclasses.field(repr=False)
    table_prefix: str
    part_size: int
    pool_size: int
    timeout: int
    windows: LeaseWindows

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "Settings":
        """The settings of a provider's configuration.

        :raises InvalidInput: naming the option that is wrong
        """
        register_opts(conf)
        options = conf[GROUP]
        values: dict[str, Any] = {}
        for name in ("part_size", "pool_size", "timeout"):
            try:
                values[name] = options[name]
            except ValueError as error:
                raise invalid(name, str(error)) from error
        prefix = options.table_prefix
        if not _PREFIX.fullmatch(prefix):
            raise invalid(
                "table_prefix",
                f"{prefix!r} begins no name of a table; use up to 40 of a-z, 0-9 and "
                "_, the first a letter",
            )
        return cls(
            url=_url(options.connection),
            table_prefix=prefix,
            windows=LeaseWindows.from_options(options, GROUP),
            **values,
        )


def _url(text: str | None) -> URL:
    """The URL of the option, whose text is not quoted: it may hold a password."""
    if not text:
        raise invalid("connection", f"it is not set; give a URL such as {_EXAMPLE}")
    try:
        url = sqlalchemy.make_url(text)
        backend = url.get_backend_name()
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # Not chained: what SQLAlchemy says quotes the text.
        raise invalid(
            "connection", f"it is no URL of a database; one is {_EXAMPLE}"
        ) from None
    if backend not in DIALECTS:
        raise invalid(
            "connection",
            f"a bank cannot be in {backend!r}, but in sqlite, postgresql or mysql "
            "(which is also MariaDB)",
        )
    if backend == "sqlite":
        return _sqlite_url(url)
    if not url.database:
        raise invalid("connection", f"it names no database; one is {_EXAMPLE}")
    if backend != "postgresql" and "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def _sqlite_url(url: URL) -> URL:
    path = url.database or ""
    if path.startswith("file:") or not os.path.isabs(path):
        raise invalid(
            "connection",
            "SQLite needs the absolute path of a file, as in "
            "sqlite:////var/lib/karbor/bank.sqlite",
        )
    return url
