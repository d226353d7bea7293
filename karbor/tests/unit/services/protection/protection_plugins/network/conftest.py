# SPDX-License-Identifier: Apache-2.0
"""A small Neutron, and the plugin beside it."""

import pytest

from karbor.tests.fakes.neutron.server import NeutronServer
from karbor.tests.unit.services.protection.protection_plugins.network.rig import Rig
from karbor.tests.unit.services.protection.protection_plugins.network.town import Town


@pytest.fixture
def neutron():
    with NeutronServer().running() as server:
        yield server


@pytest.fixture
def rig(neutron):
    return Rig(neutron)


@pytest.fixture
def town(rig):
    return Town(rig)
