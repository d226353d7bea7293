# SPDX-License-Identifier: Apache-2.0
"""Worlds that are closed after the test."""

import pytest

from karbor.tests.fakes.operations import TracedPlugin, World


@pytest.fixture
def make_world():
    worlds = []

    def make(children, *, workers=4, operations=2, **plugin):
        world = World(
            children, TracedPlugin(**plugin), workers=workers, operations=operations
        )
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.close()
