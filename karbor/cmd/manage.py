# SPDX-License-Identifier: Apache-2.0
"""karbor-manage: what an administrator does with the database and the banks."""

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log

from karbor import exception
from karbor.cmd import bank_commands, starting
from karbor.common import config
from karbor.context import get_admin_context
from karbor.db import migration
from karbor.db.database import Database

_DOWN_AFTER = 60

#: What is told in a sentence.
_ERRORS: tuple[type[Exception], ...] = (exception.KarborException, *starting.ERRORS)


def db_sync(conf: cfg.ConfigOpts) -> None:
    """Bring the tables to a revision."""
    print(migration.sync(conf, conf.command.revision))


def db_version(conf: cfg.ConfigOpts) -> None:
    """Say which revision the tables are at."""
    found = migration.version(conf)
    print(found or "none: the database is empty; run: karbor-manage db sync")


def service_list(conf: cfg.ConfigOpts) -> None:
    """List the services that ever reported, those of the API's service-list."""
    database = _open(conf)
    row = "{:<36}  {:<20}  {:<30}  {:<8}  {:<5}  {}".format
    print(row("Id", "Binary", "Host", "Status", "State", "Last report"))
    for service in database.services.list(
        get_admin_context(), sort_keys=["host", "binary"], sort_dirs=["asc"]
    ):
        is_up = database.services.is_up(service, _DOWN_AFTER)
        reported = service["updated_at"] or service["created_at"]
        print(
            row(
                service["id"],
                service["binary"],
                service["host"],
                "disabled" if service["disabled"] else "enabled",
                "up" if is_up else "down",
                reported.isoformat(timespec="seconds"),
            )
        )


def service_remove(conf: cfg.ConfigOpts) -> None:
    """Forget a service that will not come back."""
    database = _open(conf)
    binary, host = conf.command.service_binary, conf.command.service_host
    found = database.services.list(
        get_admin_context(), filters={"host": host, "binary": binary}
    )
    if not found:
        raise exception.ServiceNotFound(service_id=f"{binary} on {host}")
    database.services.delete(get_admin_context(), found[0]["id"])
    print(f"Removed {binary} on {host}")


#: As shells say of a command that Ctrl-C has ended.
_INTERRUPTED = 130


def _open(conf: cfg.ConfigOpts) -> Database:
    database = Database(conf)
    database.check_schema()
    return database


def _add_commands(subparsers: Any) -> None:
    db = subparsers.add_parser("db", help="The database's tables.").add_subparsers(
        dest="action", required=True
    )
    sync = db.add_parser("sync", help="Create or upgrade the tables.")
    sync.add_argument(
        "revision", nargs="?", default="head", help="Default: the newest."
    )
    sync.set_defaults(run=db_sync)
    db.add_parser("version", help="Print the tables' revision.").set_defaults(
        run=db_version
    )
    service = subparsers.add_parser(
        "service", help="Services that reported."
    ).add_subparsers(dest="action", required=True)
    service.add_parser("list", help="List them.").set_defaults(run=service_list)
    remove = service.add_parser("remove", help="Forget one.")
    remove.add_argument(
        "service_binary", metavar="binary", help="For example karbor-protection."
    )
    remove.add_argument(
        "service_host", metavar="host", help="As 'service list' prints it."
    )
    remove.set_defaults(run=service_remove)
    bank_commands.add_commands(subparsers)


def main(argv: Sequence[str] | None = None) -> int:
    """
    :returns: 0 when done, 1 when it could not be, 2 (by exit) for wrong arguments;
        what a command itself returns
    """
    conf = cfg.ConfigOpts()
    conf.register_cli_opt(
        cfg.SubCommandOpt(
            "command",
            title="Commands",
            help="What to do.",
            handler=_add_commands,
        )
    )
    # What a command prints is on stdout, for others to read.
    log.register_options(conf)
    conf.set_default("use_stderr", True)
    try:
        config.init(sys.argv[1:] if argv is None else argv, "karbor-manage", conf=conf)
        if not conf.debug:
            logging.getLogger("karbor").setLevel(logging.WARNING)
        run: Callable[[cfg.ConfigOpts], int | None] = conf.command.run
        return run(conf) or 0
    except KeyboardInterrupt:
        print("karbor-manage: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except _ERRORS as error:
        print(f"karbor-manage: {starting.explain(error)}", file=sys.stderr)
        return int(getattr(conf.command, "failure", 1))


if __name__ == "__main__":
    sys.exit(main())
