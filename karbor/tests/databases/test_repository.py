# SPDX-License-Identifier: Apache-2.0
"""Records behave alike on each kind of database."""

from karbor.tests.unit.db.test_repository import *  # noqa: F403
