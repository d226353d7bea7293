# SPDX-License-Identifier: Apache-2.0
"""A bank in a database: SQLite, PostgreSQL or MariaDB.

Every object is a row, and a big one several; see :mod:`.sql.tables`.
"""

import dataclasses
import math
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from oslo_config import cfg
from oslo_log import log as logging
from sqlalchemy import Connection, exc

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank import keys
from karbor.services.protection.bank_plugin import (
    BankCapabilities,
    BankPlugin,
    LeasePlugin,
)
from karbor.services.protection.bank_plugins.sql import settings as sql_settings
from karbor.services.protection.bank_plugins.sql import values
from karbor.services.protection.bank_plugins.sql.engine import (
    Transactions,
    is_galera,
    packet_size,
    warn_of_loose_commits,
)
from karbor.services.protection.bank_plugins.sql.errors import (
    Remedy,
    describe,
    remedy,
)
from karbor.services.protection.bank_plugins.sql.leases import LeaseTable
from karbor.services.protection.bank_plugins.sql.objects import ObjectTables
from karbor.services.protection.bank_plugins.sql.settings import Settings, invalid
from karbor.services.protection.bank_plugins.sql.tables import Tables, WrongFormat

LOG = logging.getLogger(__name__)

GROUP = sql_settings.GROUP
OPTS = sql_settings.OPTS
register_opts = sql_settings.register_opts

Answer = TypeVar("Answer")

# Beside the content a statement has its text and the name; escaping may double both.
_STATEMENT_BYTES = 64 * 1024
_SMALLEST_PART = 1024
_SURROGATES = "surrogatepass"
# Goes on while the machine sleeps, as the clocks of others do.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SQLBankPlugin(BankPlugin, LeasePlugin):
    """Keeps each object in a row of a table, or in several.

    :param config: the provider's configuration
    :raises InvalidInput: when the database cannot be used or an option is out of
        order; the error's ``kwargs["option"]`` names it as ``[group]/option``
    """

    def __init__(self, config: cfg.ConfigOpts) -> None:
        super().__init__(config)
        settings = Settings.from_conf(config)
        self.lease_expire_window = settings.windows.expire
        self.lease_renew_window = settings.windows.renew
        self.lease_validity_window = settings.windows.validity
        self._url = settings.url
        self._owner_id = str(uuid.uuid4())
        self._lease_lock = threading.Lock()
        self._lease_written: float | None = None
        self._leases_cleaned = -math.inf
        tables = Tables.named(settings.table_prefix)
        self._objects = ObjectTables(tables, settings.part_size)
        self._leases = LeaseTable(tables)
        self._has_strong_reads = True
        self._transactions = self._open(settings, tables)
        self._lease_transactions = self._open_for_leases(settings)

    @property
    def capabilities(self) -> BankCapabilities:
        # Transactions can do both. A node of Galera may answer before it has what
        # another node has committed.
        return BankCapabilities(
            atomic_create=True,
            compare_and_swap=True,
            strong_read=self._has_strong_reads,
        )

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        name = _name(key)
        try:
            kind, content = values.encode(value)
        except (TypeError, ValueError) as error:
            raise exception.BankUpdateObjectFailed(
                key=key, reason=f"its value cannot be kept: {error}"
            ) from error
        self._write(
            lambda connection, _may_be_done: self._objects.put(
                connection, name, kind, content
            ),
            exception.BankUpdateObjectFailed,
            key=key,
        )

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        name = _name(key)
        try:
            found = self._read(
                lambda connection: self._objects.get(connection, name),
                exception.BankGetObjectFailed,
                key=key,
            )
            if found is None:
                raise exception.BankGetObjectFailed(key=key, reason="no such object")
            return values.decode(*found)
        except values.ValueDamaged as error:
            raise exception.BankGetObjectFailed(key=key, reason=str(error)) from error

    def stored_size(self, key: str) -> int | None:
        name = _name(key)
        found = self._read(
            lambda connection: self._objects.size(connection, name),
            exception.BankGetObjectFailed,
            key=key,
        )
        if found is None:
            raise exception.BankGetObjectFailed(key=key, reason="no such object")
        kind, size = found
        return size if kind == values.BYTES else None

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: RequestContext | None = None,
    ) -> list[str]:
        names = self._read(
            lambda connection: self._objects.names(
                connection,
                (prefix or "").encode("utf-8", _SURROGATES),
                None if marker is None else marker.encode("utf-8", _SURROGATES),
                sort_dir == "desc",
                limit,
            ),
            exception.BankListObjectsFailed,
        )
        return [name.decode() for name in names]

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        name = _name(key)
        is_done = self._write(
            lambda connection, may_be_done: (
                self._objects.delete(connection, name) or may_be_done
            ),
            exception.BankDeleteObjectFailed,
            key=key,
        )
        if not is_done:
            raise exception.BankDeleteObjectFailed(key=key, reason="no such object")

    def get_owner_id(self, context: RequestContext | None = None) -> str:
        return self._owner_id

    def acquire_lease(self) -> None:
        self._write_lease()

    def renew_lease(self) -> None:
        self._write_lease()

    def check_lease_validity(self) -> bool:
        with self._lease_lock:
            written = self._lease_written
        if written is None:
            return False
        left = written + self.lease_expire_window - time.clock_gettime(_CLOCK)
        return left > self.lease_validity_window

    def check_lease_existence(self, owner_id: str) -> bool:
        owner = keys.validate_part(owner_id).encode()
        return self._read(
            lambda connection: self._leases.is_good(connection, owner),
            exception.BankException,
        )

    def release_lease(self) -> None:
        """Give the lease up, so that others know at once that the owner is gone.

        :raises BankDeleteObjectFailed: when the lease cannot be deleted; it expires
        """
        with self._lease_lock:
            self._lease_written = None
        self._write(
            lambda connection, _may_be_done: self._leases.delete(
                connection, self._owner_id.encode()
            ),
            exception.BankDeleteObjectFailed,
            key=f"the lease of owner {self._owner_id}",
        )

    def close(self) -> None:
        """Close the connections that are not in use; a later call opens new ones."""
        self._transactions.close()
        self._lease_transactions.close()

    def _write_lease(self) -> None:
        # Before the write: however long it takes, the owner never believes in its
        # lease for longer than others do.
        written = time.clock_gettime(_CLOCK)
        self._write(
            lambda connection, _may_be_done: self._leases.write(
                connection, self._owner_id.encode(), self.lease_expire_window
            ),
            exception.AcquireLeaseFailed,
            self._lease_transactions,
        )
        with self._lease_lock:
            self._lease_written = written
        self._clean_leases(written)

    def _clean_leases(self, now: float) -> None:
        """Delete leases that expired long ago, now and then.

        Long ago, so that no lease is deleted whose owner is just late to renew it.
        """
        if now - self._leases_cleaned < self.lease_expire_window:
            return
        self._leases_cleaned = now
        try:
            self._write(
                lambda connection, _may_be_done: self._leases.delete_expired(
                    connection, self.lease_expire_window
                ),
                exception.BankException,
            )
        except exception.BankException as error:
            LOG.warning("Expired leases could not be cleaned up: %s", error)

    def _read(
        self,
        work: Callable[[Connection], Answer],
        failure: type[exception.BankException],
        **named: str,
    ) -> Answer:
        try:
            return self._transactions.read(work)
        except exc.SQLAlchemyError as error:
            raise self._failed(failure, error, named) from None

    def _write(
        self,
        work: Callable[[Connection, bool], Answer],
        failure: type[exception.BankException],
        transactions: Transactions | None = None,
        **named: str,
    ) -> Answer:
        try:
            return (transactions or self._transactions).write(work)
        except exc.SQLAlchemyError as error:
            raise self._failed(failure, error, named) from None

    def _failed(
        self,
        failure: type[exception.BankException],
        error: exc.SQLAlchemyError,
        named: dict[str, str],
    ) -> exception.BankException:
        # Not chained by its callers: what a driver says may quote the password.
        return failure(
            reason=f"the database failed: {describe(error, self._url)}",
            retryable=remedy(error) is not Remedy.NONE,
            **named,
        )

    def _open(self, settings: Settings, tables: Tables) -> Transactions:
        try:
            transactions = Transactions(settings)
        except ModuleNotFoundError as error:
            raise invalid(
                "connection",
                f"the driver '{settings.url.get_driver_name()}' is not installed: "
                f"{error}; install it, or name another",
            ) from error
        except (OSError, TypeError, exc.SQLAlchemyError) as error:
            raise invalid("connection", describe(error, settings.url)) from None
        try:
            transactions.write(
                lambda connection, _may_be_done: self._prepare(connection, tables)
            )
        # Drivers raise a TypeError for what they do not know in the URL.
        except (exc.SQLAlchemyError, TypeError, WrongFormat) as error:
            transactions.close()
            raise invalid(
                "connection",
                f"the database {settings.url.database!r} cannot be used: "
                f"{describe(error, settings.url)}",
            ) from None
        return transactions

    def _open_for_leases(self, settings: Settings) -> Transactions:
        """A connection for which no renewal of the lease has to wait.

        SQLite has one writer at a time however many connections there are.
        """
        if settings.url.get_backend_name() == "sqlite":
            return self._transactions
        return Transactions(dataclasses.replace(settings, pool_size=1))

    def _prepare(self, connection: Connection, tables: Tables) -> None:
        tables.prepare(connection)
        self._has_strong_reads = not is_galera(connection)
        warn_of_loose_commits(connection, self._url)
        packet = packet_size(connection)
        if packet is None:
            return
        fitting = (packet - _STATEMENT_BYTES) // 2
        if fitting < _SMALLEST_PART:
            raise WrongFormat(
                f"max_allowed_packet of the database is {packet} bytes, with which no "
                "object can be written; set it to 16777216 or more"
            )
        if fitting < self._objects.part_size:
            LOG.info(
                "Objects of the SQL bank are kept in rows of up to %d bytes instead of "
                "%d: max_allowed_packet of the database is %d.",
                fitting,
                self._objects.part_size,
                packet,
            )
            self._objects.part_size = fitting


def _name(key: str) -> bytes:
    return keys.validate(key).encode()
