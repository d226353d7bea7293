# SPDX-License-Identifier: Apache-2.0
"""The server plugin keeps the contract of protection plugins."""

import uuid

from karbor.services.protection.records import RestoreRecord
from karbor.tests.conformance.protection import ProtectionConformance
from karbor.tests.fakes.server_cloud import (
    DATA,
    ROOT,
    ServerTests,
)


class TestServerPlugin(ServerTests, ProtectionConformance):
    def lose(self, resource):
        self.cloud.lose()

    def check_restored(self, resource, new_id):
        server = self.cloud.nova.servers[new_id]
        assert (server["name"], server["status"]) == ("web", "ACTIVE")
        assert server["metadata"] == {"role": "web"}
        assert (server["tags"], server["key_name"]) == (["blue"], "key")
        devices = {
            one["volumeId"]: one["device"] for one in self.cloud.nova.attached[new_id]
        }
        assert devices == {ROOT: "/dev/vda", DATA: "/dev/vdc"}
        ports = {
            port["name"]: (port["fixed_ips"][0]["ip_address"], port["mac_address"])
            for port in self.cloud.neutron.ports_of(new_id)
        }
        assert ports == {
            "first interface": ("10.0.0.5", "fa:16:3e:00:00:02"),
            "second interface": ("10.0.0.4", "fa:16:3e:00:00:01"),
        }

    def test_restoring_again_after_a_crash_makes_one_thing(
        self, protected, restore, resource
    ):
        """All that it makes it makes in the last hook."""
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        first = restore(protected, record=record)
        again = restore(protected, record=record)
        assert again == first
