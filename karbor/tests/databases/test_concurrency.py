# SPDX-License-Identifier: Apache-2.0
"""Many writers at once, on each kind of database."""

from karbor.tests.unit.db.test_concurrency import *  # noqa: F403
