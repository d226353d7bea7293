# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the functional tests."""

from karbor.tests.functional.glance import glance, own_glance

__all__ = ["glance", "own_glance"]
