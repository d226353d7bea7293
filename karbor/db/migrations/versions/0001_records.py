# SPDX-License-Identifier: Apache-2.0
"""The records: plans, restores, verifications, operation logs, services."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from karbor.db.types import Json, LongText, UtcDateTime, text

revision = "0001"
down_revision = None

_MARIADB: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
}


def _create_record_table(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", text(64), nullable=False),
        sa.Column("project_id", text(255), nullable=True),
        *columns,
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        **_MARIADB,
    )
    op.create_index(
        f"ix_{name}_project_id_created_at_id", name, ["project_id", "created_at", "id"]
    )


def _status_of_resources() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("parameters", Json(), nullable=True),
        sa.Column("status", text(64), nullable=True),
        sa.Column("resources_status", Json(), nullable=True),
        sa.Column("resources_reason", Json(), nullable=True),
        sa.Column("owner_id", text(64), nullable=True),
    )


def upgrade() -> None:
    _create_record_table(
        "plans",
        sa.Column("name", text(255), nullable=True),
        sa.Column("description", text(255), nullable=True),
        sa.Column("provider_id", text(64), nullable=True),
        sa.Column("status", text(64), nullable=True),
        sa.Column("resources", Json(), nullable=True),
        sa.Column("parameters", Json(), nullable=True),
    )
    _create_record_table(
        "restores",
        sa.Column("provider_id", text(64), nullable=True),
        sa.Column("checkpoint_id", text(64), nullable=True),
        sa.Column("restore_target", text(255), nullable=True),
        *_status_of_resources(),
    )
    _create_record_table(
        "verifications",
        sa.Column("provider_id", text(64), nullable=True),
        sa.Column("checkpoint_id", text(64), nullable=True),
        *_status_of_resources(),
    )
    _create_record_table(
        "operation_logs",
        sa.Column("operation_type", text(64), nullable=True),
        sa.Column("checkpoint_id", text(64), nullable=True),
        sa.Column("plan_id", text(64), nullable=True),
        sa.Column("provider_id", text(64), nullable=True),
        sa.Column("restore_id", text(64), nullable=True),
        sa.Column("scheduled_operation_id", text(64), nullable=True),
        sa.Column("status", text(64), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("error_info", LongText(), nullable=True),
        sa.Column("extra_info", Json(), nullable=True),
        sa.Column("owner_id", text(64), nullable=True),
    )
    op.create_table(
        "services",
        sa.Column("id", text(64), nullable=False),
        sa.Column("host", text(255), nullable=False),
        sa.Column("binary", text(255), nullable=False),
        sa.Column("topic", text(255), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", text(255), nullable=True),
        sa.Column("report_count", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_services"),
        sa.UniqueConstraint("host", "binary", name="uq_services_host_binary"),
        **_MARIADB,
    )
