# SPDX-License-Identifier: Apache-2.0
"""The contract of a protection plugin, and what is particular to networks."""

import pytest

from karbor.services.protection.clients.neutron_networks import Kind
from karbor.tests.conformance.protection import ProtectionConformance
from karbor.tests.fakes.neutron.server import context_of
from karbor.tests.unit.services.protection.protection_plugins.network.picture import (
    wipe,
)
from karbor.tests.unit.services.protection.protection_plugins.network.rig import HOME


class TestNetworkProtection(ProtectionConformance):
    uses_what_is_there = True

    @pytest.fixture
    def context(self):
        return context_of(HOME)

    @pytest.fixture
    def plugin(self, rig):
        return rig.plugin

    @pytest.fixture
    def resource(self, rig, town):
        self.rig = rig
        return rig.resource(town.east["network"])

    def lose(self, resource):
        wipe(self.rig, HOME)

    def check_restored(self, resource, new_id):
        assert new_id != resource.id
        assert self.rig.home.get(Kind.NETWORK, new_id)["name"] == resource.name
        subnets = self.rig.home.list(Kind.SUBNET, network_id=new_id)
        assert {one["cidr"] for one in subnets} == {"10.1.0.0/24", "fd00:1::/64"}
