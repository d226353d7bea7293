# SPDX-License-Identifier: Apache-2.0
"""Runs the migrations on the connection that karbor.db.migration hands over."""

from alembic import context

from karbor.db import models

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=models.metadata,
)
context.run_migrations()
