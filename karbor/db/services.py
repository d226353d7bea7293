# SPDX-License-Identifier: Apache-2.0
"""The records of running services: who is there, and since when."""

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from oslo_context.context import RequestContext
from oslo_db import exception as db_exception
from sqlalchemy import Connection, insert, select, update

from karbor.db.repository import Record, Repository, now
from karbor.db.values import to_store


class ServiceRepository(Repository):
    """Rows of services, one per host and binary; they belong to no project."""

    def create(self, context: RequestContext, values: Mapping[str, Any]) -> Record:
        return super().create(context, {"disabled": False, "report_count": 0, **values})

    def heartbeat(
        self, context: RequestContext, host: str, binary: str, topic: str | None
    ) -> Record:
        """Note that a service lives: create its row, or count one more report.

        :returns: the row, so that the caller sees whether it was disabled
        """
        table = self._table
        where = (table.columns.host == host, table.columns.binary == binary)
        changes = to_store(table, {"topic": topic, "updated_at": now()})

        def report(connection: Connection) -> Record:
            result = connection.execute(
                update(table)
                .where(*where)
                .values(report_count=table.columns.report_count + 1, **changes)
            )
            if not result.rowcount:
                first = {"host": host, "binary": binary, **changes}
                connection.execute(
                    insert(table).values(
                        id=str(uuid.uuid4()),
                        disabled=False,
                        report_count=1,
                        created_at=now(),
                        **to_store(table, first),
                    )
                )
            return dict(
                connection.execute(select(table).where(*where)).mappings().one()
            )

        try:
            return self._write(report)
        except db_exception.DBDuplicateEntry:
            # Another process of this host inserted it between our two statements.
            return self._write(report)

    def _stamp(self) -> Record:
        # updated_at is the time of the last report: an admin's change is none.
        return {}

    @staticmethod
    def is_up(service: Mapping[str, Any], service_down_time: float) -> bool:
        """Whether the service reported within the last ``service_down_time`` seconds.

        The clocks of the service's host and of this one must agree to less than
        that.
        """
        reported: datetime.datetime = service["updated_at"] or service["created_at"]
        return abs((now() - reported).total_seconds()) <= service_down_time
