# SPDX-License-Identifier: Apache-2.0
"""Leases in a table, by the clock of the database alone."""

import sqlalchemy
from sqlalchemy import Connection

from karbor.services.protection.bank_plugins.sql import statements
from karbor.services.protection.bank_plugins.sql.tables import Tables


class LeaseTable:
    """Reads and writes leases; every method runs in its caller's transaction.

    The clocks of the machines that the services run on may differ: all ask the same
    database what time it is.
    """

    def __init__(self, tables: Tables) -> None:
        self._leases = tables.leases

    def write(self, connection: Connection, owner: bytes, seconds: int) -> None:
        """Make a lease good for so many seconds from now."""
        dialect = connection.dialect.name
        expires = statements.now(dialect) + seconds * 1000
        connection.execute(
            statements.upsert(
                dialect, self._leases, {"owner": owner, "expires": expires}
            )
        )

    def is_good(self, connection: Connection, owner: bytes) -> bool:
        """Whether an owner has a lease that has not expired."""
        leases = self._leases
        found = connection.execute(
            sqlalchemy.select(leases.c.owner).where(
                leases.c.owner == owner,
                leases.c.expires > statements.now(connection.dialect.name),
            )
        )
        return found.first() is not None

    def delete(self, connection: Connection, owner: bytes) -> None:
        """Give a lease up; that there is none is no error."""
        connection.execute(
            sqlalchemy.delete(self._leases).where(self._leases.c.owner == owner)
        )

    def delete_expired(self, connection: Connection, seconds: int) -> None:
        """Delete the leases that expired so many seconds ago or earlier."""
        long_ago = statements.now(connection.dialect.name) - seconds * 1000
        connection.execute(
            sqlalchemy.delete(self._leases).where(self._leases.c.expires <= long_ago)
        )
