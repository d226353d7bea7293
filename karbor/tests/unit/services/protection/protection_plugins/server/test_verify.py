# SPDX-License-Identifier: Apache-2.0
"""What the bank keeps of a server is verified, and that of Karbor 1.x is read."""

import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.records import VerificationRecord
from karbor.tests.fakes.image_store import ImageServer
from karbor.tests.fakes.server_cloud import DATA, NET, ROOT, ServerTests


class TestVerify(ServerTests):
    @pytest.fixture
    def verify(self, call, protected, resource):
        """Verifies a checkpoint that has some volumes; gives status and remarks."""

        def verify(*volume_ids):
            children = [
                Resource(constants.VOLUME_RESOURCE_TYPE, volume_id, "")
                for volume_id in volume_ids
            ]
            graph = ResourceGraph.build([resource], lambda level: {resource: children})
            protected.save_graph(graph)
            record = VerificationRecord(None, {"id": str(uuid.uuid4())})
            name = f"{resource.type}#{resource.id}"
            try:
                call("verify", protected, verify=record)
            except exception.VerifyResourceFailed:
                assert record.resources_status[name] == "error"
                raise
            return record.resources_status[name], record.resources_reason[name]

        return verify

    def test_it_is_whole_with_its_volumes(self, verify):
        assert verify(ROOT, DATA) == ("available", "")

    def test_a_volume_that_the_checkpoint_lacks_is_named(self, verify):
        with pytest.raises(exception.VerifyResourceFailed, match=DATA):
            verify(ROOT)

    def test_what_could_not_be_as_it_was_is_remarked(self, verify, cloud):
        cloud.nova.flavors[0]["ram"] = 128
        cloud.nova.keypairs.clear()
        status, remarks = verify(ROOT, DATA)
        assert status == "available"
        assert "m1.tiny does not exist here" in remarks

    def test_a_nova_that_does_not_answer_is_remarked(self, verify, cloud):
        cloud.nova.failing["GET flavors"].extend([500] * 5)
        status, remarks = verify(ROOT, DATA)
        assert status == "available"
        assert "is not known" in remarks


class TestLostImage(ServerTests):
    """Of a server whose image was deleted before it was protected."""

    @pytest.fixture
    def checkpoint(self, call, new_checkpoint, cloud, resource):
        cloud.server["image"] = {"id": "image-1", "links": []}
        checkpoint = new_checkpoint()
        volumes = [
            Resource(constants.VOLUME_RESOURCE_TYPE, name, "") for name in (ROOT, DATA)
        ]
        graph = ResourceGraph.build([resource], lambda level: {resource: volumes})
        checkpoint.save_graph(graph)
        return checkpoint

    def test_protecting_and_verifying_remark_it(
        self, call, checkpoint, resource, caplog
    ):
        call("protect", checkpoint)
        assert "image-1 that it was booted from is not in the" in caplog.text
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        call("verify", checkpoint, verify=record)
        reason = record.resources_reason[f"{resource.type}#{resource.id}"]
        assert "restore_image_id" in reason

    def test_one_with_its_image_has_no_remark(self, call, checkpoint, resource, caplog):
        image = Resource(constants.IMAGE_RESOURCE_TYPE, "image-1", "")
        checkpoint.save_graph(
            ResourceGraph.build([resource], lambda level: {resource: [image]})
        )
        call("protect", checkpoint)
        assert "image-1" not in caplog.text

    def test_it_is_restored_from_another_one(
        self, call, checkpoint, restore, cloud, conf
    ):
        call("protect", checkpoint)
        cloud.lose()
        restored = {ROOT: "new-root", DATA: "new-data"}
        with ImageServer().running() as glance:
            glance.configure(conf)
            with pytest.raises(
                exception.RestoreResourceFailed, match="restore_image_id"
            ):
                restore(checkpoint, new_resources=dict(restored))
            assert cloud.nova.asked == []
            glance.make(id="image-1")
            restore(checkpoint, new_resources=dict(restored))
        assert cloud.nova.asked[-1]["server"]["imageRef"] == "image-1"
        self.parameters["restore"] = {"restore_image_id": "image-2"}
        restore(checkpoint, new_resources=dict(restored))
        asked = cloud.nova.asked[-1]["server"]
        assert asked["imageRef"] == "image-2"
        assert asked["block_device_mapping_v2"][0]["uuid"] == "image-2"


class TestKarbor1(ServerTests):
    @pytest.fixture
    def old(self, new_checkpoint, resource):
        """A checkpoint as Karbor 1.x made it."""
        checkpoint = new_checkpoint()
        section = self.section(checkpoint, resource, is_writable=True)
        section.update_object("status", "available")
        section.update_object(
            "metadata",
            {
                "resource_id": resource.id,
                "attach_metadata": {
                    DATA: {"device": "/dev/vdb", "bootable": "false"},
                    ROOT: {"device": "/dev/vda", "bootable": "true"},
                },
                "boot_metadata": {
                    "boot_device_type": "volume",
                    "boot_volume_id": ROOT,
                },
                "server_metadata": {
                    "availability_zone": "nova",
                    "networks": [NET],
                    "floating_ips": ["172.24.4.7"],
                    "flavor": "flavor-1",
                    "key_name": "key",
                    "security_groups": [{"name": "web"}],
                },
            },
        )
        return checkpoint

    def test_its_server_is_restored(self, old, restore, cloud):
        cloud.lose()
        new_id = restore(old, new_resources={ROOT: "new-root", DATA: "new-data"})
        asked = cloud.nova.asked[-1]["server"]
        assert (asked["flavorRef"], asked["key_name"]) == ("flavor-1", "key")
        assert [d["uuid"] for d in asked["block_device_mapping_v2"]] == [
            *("new-root", "new-data")
        ]
        [port] = cloud.neutron.ports_of(new_id)
        assert (port["network_id"], port["security_groups"]) == (NET, ["web-id"])
        [floating] = cloud.neutron.things["floatingips"].values()
        assert floating["port_id"] == port["id"]

    def test_its_server_is_shown(self, old, plugin, resource):
        info = plugin.get_saved_info(self.section(old, resource), resource)
        assert info["attach_metadata"][ROOT]["device"] == "/dev/vda"

    def test_what_is_no_server_is_damage(self, old, resource):
        section = self.section(old, resource, is_writable=True)
        section.update_object("metadata", {"something": "else"})
        with pytest.raises(exception.BankDataCorrupted, match="describes no server"):
            SavedServer.load(section)
