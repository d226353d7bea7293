# SPDX-License-Identifier: Apache-2.0
"""What an executable says when it cannot start: one sentence, and exit code 1.

The executables that watch a working process check here first, in the watching one:
what the worker finds wrong would end it again and again, a traceback each time.
"""

import contextlib
import socket
import sys
from collections.abc import Iterator

import oslo_messaging as messaging
import sqlalchemy
from oslo_config import cfg
from oslo_db import exception as db_exception

from karbor import rpc
from karbor.cmd import opts
from karbor.db.database import Database
from karbor.db.migration import DatabaseOutOfDate, MigrationError

#: What a mistake in the configuration, or a server that is away, raises at start.
ERRORS: tuple[type[Exception], ...] = (
    cfg.Error,
    DatabaseOutOfDate,
    MigrationError,
    OSError,
    ValueError,
    # A database driver that is not installed.
    ImportError,
    db_exception.DBError,
    sqlalchemy.exc.SQLAlchemyError,
    messaging.DriverLoadFailure,
    messaging.InvalidTransportURL,
)


@contextlib.contextmanager
def reporting(prog: str, problem: str = "cannot start") -> Iterator[None]:
    """Print what :data:`ERRORS` say about ``prog`` to stderr, and exit.

    :raises SystemExit: with code 1
    """
    try:
        yield
    except ERRORS as error:
        print(f"{prog} {problem}: {explain(error)}", file=sys.stderr)
        sys.exit(1)


def explain(error: Exception) -> str:
    """The error as a sentence that says what to do, as far as is known."""
    if isinstance(error, messaging.DriverLoadFailure | messaging.InvalidTransportURL):
        # Its own text may quote the URL, and with it the password.
        return (
            "Option transport_url names no message broker that is known. Use for "
            "example rabbit://user:password@host:5672/"
        )
    if isinstance(error, sqlalchemy.exc.NoSuchModuleError | ImportError):
        return (
            f"{error}. Check option [database] connection, and install the driver "
            "that it names."
        )
    if isinstance(error, cfg.ConfigFilesNotFoundError):
        return f"{error}. Check --config-file."
    return str(error)


def check_values(conf: cfg.ConfigOpts) -> None:
    """Read every option of ``karbor.conf`` once.

    :raises oslo_config.cfg.Error: naming the option and the file, when a value is
        none that it takes
    """
    for group, options in opts.list_opts():
        conf.register_opts(options, group=group)
        values = conf if group is None else conf[group]
        for option in options:
            getattr(values, option.dest)


def check_transport(conf: cfg.ConfigOpts) -> None:
    """:raises DriverLoadFailure, InvalidTransportURL: for a ``transport_url`` that
    no driver takes; the broker itself is not asked, it may come later"""
    rpc.get_transport(conf).cleanup()


def check_database(conf: cfg.ConfigOpts) -> None:
    """:raises DatabaseOutOfDate, DBError: when the records cannot be used"""
    database = Database(conf)
    try:
        database.check_schema()
    finally:
        database.close()


def check_address(host: str, port: int) -> None:
    """:raises OSError: when nobody can listen there, naming host and port"""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(
                f"Nobody can listen on {host} port {port}: {error.strerror}. Set "
                "osapi_karbor_listen and osapi_karbor_listen_port to others, or end "
                "what listens there."
            ) from error
