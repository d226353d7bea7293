# SPDX-License-Identifier: Apache-2.0
"""Listings page alike on each kind of database."""

from karbor.tests.unit.db.test_paging import *  # noqa: F403
