# SPDX-License-Identifier: Apache-2.0
"""The migrations and the models agree on each kind of database."""

from karbor.tests.unit.db.test_migration import *  # noqa: F403
