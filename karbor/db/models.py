# SPDX-License-Identifier: Apache-2.0
"""The tables of the records: plans, restores, verifications, logs, services.

A row that is deleted is gone: nothing in Karbor reads deleted records, and what
happened to a checkpoint stays in the operation log.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
)

from karbor.db.types import Json, LongText, UtcDateTime, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_MARIADB: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
}


def _record(name: str, *columns: Column[Any]) -> Table:
    """A table of records that belong to a project."""
    return Table(
        name,
        metadata,
        Column("id", text(64), primary_key=True),
        Column("project_id", text(255), nullable=True),
        *columns,
        Column("created_at", UtcDateTime(), nullable=False),
        Column("updated_at", UtcDateTime(), nullable=True),
        Index(None, "project_id", "created_at", "id"),
        **_MARIADB,
    )


plans = _record(
    "plans",
    Column("name", text(255), nullable=True),
    Column("description", text(255), nullable=True),
    Column("provider_id", text(64), nullable=True),
    Column("status", text(64), nullable=True),
    Column("resources", Json(), nullable=True),
    Column("parameters", Json(), nullable=True),
)

restores = _record(
    "restores",
    Column("provider_id", text(64), nullable=True),
    Column("checkpoint_id", text(64), nullable=True),
    Column("restore_target", text(255), nullable=True),
    Column("parameters", Json(), nullable=True),
    Column("status", text(64), nullable=True),
    Column("resources_status", Json(), nullable=True),
    Column("resources_reason", Json(), nullable=True),
    Column("owner_id", text(64), nullable=True),
)

verifications = _record(
    "verifications",
    Column("provider_id", text(64), nullable=True),
    Column("checkpoint_id", text(64), nullable=True),
    Column("parameters", Json(), nullable=True),
    Column("status", text(64), nullable=True),
    Column("resources_status", Json(), nullable=True),
    Column("resources_reason", Json(), nullable=True),
    Column("owner_id", text(64), nullable=True),
)

operation_logs = _record(
    "operation_logs",
    Column("operation_type", text(64), nullable=True),
    Column("checkpoint_id", text(64), nullable=True),
    Column("plan_id", text(64), nullable=True),
    Column("provider_id", text(64), nullable=True),
    Column("restore_id", text(64), nullable=True),
    Column("scheduled_operation_id", text(64), nullable=True),
    Column("status", text(64), nullable=True),
    Column("started_at", UtcDateTime(), nullable=True),
    Column("ended_at", UtcDateTime(), nullable=True),
    Column("error_info", LongText(), nullable=True),
    Column("extra_info", Json(), nullable=True),
    Column("owner_id", text(64), nullable=True),
)

services = Table(
    "services",
    metadata,
    Column("id", text(64), primary_key=True),
    Column("host", text(255), nullable=False),
    Column("binary", text(255), nullable=False),
    Column("topic", text(255), nullable=True),
    Column("disabled", Boolean(), nullable=False),
    Column("disabled_reason", text(255), nullable=True),
    Column("report_count", Integer(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=True),
    UniqueConstraint("host", "binary"),
    **_MARIADB,
)
