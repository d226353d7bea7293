# SPDX-License-Identifier: Apache-2.0
"""A server is put together from what its volumes and networks became."""

import uuid

import pytest

from karbor import exception
from karbor.services.protection.protection_plugins.resumable import Notes
from karbor.services.protection.protection_plugins.server.description import MADE_BY
from karbor.services.protection.records import RestoreRecord
from karbor.tests.fakes.server_cloud import DATA, ROOT, ServerTests

RESTORED = {ROOT: "new-root", DATA: "new-data"}


class RestoreTests(ServerTests):
    @pytest.fixture
    def record(self):
        """The record of the restore."""
        return RestoreRecord(None, {"id": str(uuid.uuid4())})

    @pytest.fixture
    def restored(self, protected, restore, resource, record, cloud):
        """Restores after the server is lost, and gives what Nova was asked for."""

        def restored(parameters=None, lose=True, **new_resources):
            if lose:
                cloud.lose()
            self.parameters["restore"] = parameters or {}
            new_id = restore(
                protected, record=record, new_resources={**RESTORED, **new_resources}
            )
            return new_id, cloud.nova.asked[-1]

        return restored

    def reason(self, record, resource):
        """What the record says of the server."""
        return record.resources_reason[f"{resource.type}#{resource.id}"]


class TestServer(RestoreTests):
    def test_it_has_its_volumes_from_its_first_boot_on(self, restored):
        _new_id, asked = restored()
        disks = asked["server"]["block_device_mapping_v2"]
        assert [(d["uuid"], d["device_name"], d["boot_index"]) for d in disks] == [
            ("new-root", "/dev/vda", 0),
            ("new-data", "/dev/vdc", -1),
        ]

    def test_a_volume_ends_with_it_as_before(self, restored, cloud):
        new_id, _asked = restored()
        ends = {
            one["volumeId"]: one["delete_on_termination"]
            for one in cloud.nova.attached[new_id]
        }
        assert ends == {"new-root": False, "new-data": True}

    def test_it_is_booted_from_what_its_image_became(
        self, call, new_checkpoint, restore, cloud, record
    ):
        cloud.server["image"] = {"id": "image-1"}
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        restore(
            checkpoint, record=record, new_resources={**RESTORED, "image-1": "image-2"}
        )
        asked = cloud.nova.asked[-1]["server"]
        assert asked["imageRef"] == "image-2"
        assert asked["block_device_mapping_v2"][0]["source_type"] == "image"

    def test_what_it_was_comes_back(self, restored):
        _new_id, asked = restored()
        server = asked["server"]
        assert server["flavorRef"] == "flavor-1"
        assert (server["key_name"], server["config_drive"]) == ("key", True)
        assert (server["description"], server["hostname"]) == ("of mine", "web")
        assert server["availability_zone"] == "nova"
        assert asked["os:scheduler_hints"] == {"group": "group-1"}

    def test_user_data_is_given_as_nova_gave_it(
        self, call, new_checkpoint, restore, cloud
    ):
        cloud.server["OS-EXT-SRV-ATTR:user_data"] = "IyEvYmluL3NoCg=="
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        restore(checkpoint, new_resources=dict(RESTORED))
        assert cloud.nova.asked[-1]["server"]["user_data"] == "IyEvYmluL3NoCg=="

    def test_one_that_was_locked_is(self, call, new_checkpoint, restore, cloud):
        cloud.server["locked"] = True
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        new_id = restore(checkpoint, new_resources=dict(RESTORED))
        assert cloud.nova.servers[new_id]["locked"] is True

    def test_a_users_own_volume_does_not_end_with_it(self, protected, restore, cloud):
        """It was not restored, and is free: what was detached from a lost server."""
        cloud.lose()
        new_id = restore(protected, new_resources={ROOT: "new-root"})
        assert [
            one["delete_on_termination"] for one in cloud.nova.attached[new_id]
        ] == [False, False]

    def test_what_fails_last_is_remarked(
        self, call, new_checkpoint, restore, cloud, record, resource
    ):
        cloud.server["locked"] = True
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        for last in ("PUT", "DELETE"):
            cloud.nova.failing[f"{last} servers"].append(403)
        new_id = restore(checkpoint, record=record, new_resources=dict(RESTORED))
        assert cloud.nova.servers[new_id]["locked"]
        reason = self.reason(record, resource)
        assert "let volume new-data end with server" in reason
        assert f"delete the metadata '{MADE_BY}'" in reason

    def test_a_restore_may_choose(self, restored, cloud):
        cloud.nova.keypairs.add("other")
        _new_id, asked = restored(
            {
                "restore_name": "twin",
                "restore_flavor_id": "big",
                "restore_key_name": "other",
                "restore_availability_zone": "east",
            }
        )
        server = asked["server"]
        assert (server["name"], server["flavorRef"]) == ("twin", "big")
        assert (server["key_name"], server["availability_zone"]) == ("other", "east")
        assert "hostname" not in server

    def test_the_only_zone_is_not_named(self, restored, cloud):
        cloud.nova.zones = ["nova"]
        _new_id, asked = restored()
        assert "availability_zone" not in asked["server"]

    def test_a_keypair_zone_and_group_that_are_not_there_are_remarked(
        self, restored, cloud, record, resource
    ):
        cloud.nova.keypairs, cloud.nova.zones = set(), ["west"]
        cloud.nova.groups = set()
        _new_id, asked = restored()
        assert not {"key_name", "availability_zone"} & set(asked["server"])
        assert "os:scheduler_hints" not in asked
        reason = self.reason(record, resource)
        assert "no keypair 'key'" in reason
        assert "no availability zone 'nova'" in reason
        assert "server group group-1" in reason

    def test_a_flavor_that_was_made_anew_is_found_by_name(self, restored, cloud):
        cloud.nova.flavors[0]["id"] = "flavor-2"
        _new_id, asked = restored()
        assert asked["server"]["flavorRef"] == "flavor-2"

    def test_another_flavor_of_the_size_takes_its_place(
        self, restored, cloud, record, resource
    ):
        cloud.nova.flavors[0].update(id="flavor-2", name="small")
        _new_id, asked = restored()
        assert asked["server"]["flavorRef"] == "flavor-2"
        assert "'small'" in self.reason(record, resource)

    def test_a_flavor_of_another_size_does_not(self, restored, cloud):
        cloud.nova.flavors[0]["ram"] = 128
        with pytest.raises(exception.RestoreResourceFailed, match="restore_flavor_id"):
            restored()

    def test_devices_that_the_hypervisor_names_are_remarked(
        self, restored, cloud, record, resource
    ):
        cloud.nova.names_devices = True
        restored()
        reason = self.reason(record, resource)
        assert "new-data is /dev/vdb and was /dev/vdc" in reason

    def test_a_volume_that_was_not_restored_and_is_free_is_used(
        self, protected, restore, cloud, monkeypatch
    ):
        cloud.lose()
        attach = cloud.nova.attach

        def attach_for_real(server_id, volume_id, *rest):
            cloud.cinder.volumes[volume_id] = "in-use"
            attach(server_id, volume_id, *rest)

        monkeypatch.setattr(cloud.nova, "attach", attach_for_real)
        new_id = restore(protected, new_resources={ROOT: "new-root"})
        volumes = [one["volumeId"] for one in cloud.nova.attached[new_id]]
        assert volumes == ["new-root", DATA]

    def test_a_hostname_with_a_domain_is_remarked(
        self, call, new_checkpoint, restore, cloud, record, resource
    ):
        cloud.server["OS-EXT-SRV-ATTR:hostname"] = "web.example.com"
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        restore(checkpoint, record=record, new_resources=dict(RESTORED))
        assert "hostname" not in cloud.nova.asked[-1]["server"]
        assert "web.example.com" in self.reason(record, resource)

    def test_a_volume_that_is_nowhere_is_named(
        self, protected, restore, cloud, record, resource
    ):
        cloud.lose()
        del cloud.cinder.volumes[DATA]
        new_resources = {ROOT: "new-root"}
        with pytest.raises(exception.RestoreResourceFailed, match=f"{DATA} was not"):
            restore(protected, record=record, new_resources=new_resources)
        assert cloud.nova.asked == []
        assert DATA in self.reason(record, resource)


class TestSecondRun(RestoreTests):
    def test_it_finds_what_the_first_one_made(
        self, protected, restore, cloud, record, resource
    ):
        """The first one ended when the server was being built."""
        cloud.lose()
        cloud.nova.breaks.add("build")
        with pytest.raises(exception.RestoreResourceFailed):
            restore(protected, record=record, new_resources=dict(RESTORED))
        [made] = cloud.nova.servers
        cloud.nova.servers[made]["status"] = "ACTIVE"
        assert restore(protected, record=record, new_resources=dict(RESTORED)) == made
        assert len(cloud.nova.asked) == 1
        assert len(cloud.neutron.things["ports"]) == 2

    def test_it_uses_ports_that_were_made_before_the_crash(
        self, protected, restore, cloud, record
    ):
        cloud.lose()
        cloud.nova.failing["POST servers"].append(500)
        with pytest.raises(exception.RestoreResourceFailed):
            restore(protected, record=record, new_resources=dict(RESTORED))
        before = set(cloud.neutron.things["ports"])
        new_id = restore(protected, record=record, new_resources=dict(RESTORED))
        ports = {port["id"] for port in cloud.neutron.ports_of(new_id)}
        assert ports == before

    def test_what_was_left_of_a_complete_one_is_done(
        self, protected, restore, cloud, record, resource
    ):
        """The first one ended before it took its token off the server."""
        cloud.lose()
        cloud.nova.failing["DELETE servers"].append(403)
        cloud.nova.names_devices = True
        restore(protected, record=record, new_resources=dict(RESTORED))
        [made] = cloud.nova.servers
        assert MADE_BY in cloud.nova.servers[made]["metadata"]
        assert restore(protected, record=record, new_resources=dict(RESTORED)) == made
        assert cloud.nova.servers[made]["metadata"] == {"role": "web"}
        # What the first run has found out is true still.
        assert "the hypervisor names devices" in self.reason(record, resource)

    def test_one_that_is_deleted_afterwards_is_made_anew(
        self, protected, restore, cloud, record
    ):
        cloud.lose()
        first = restore(protected, record=record, new_resources=dict(RESTORED))
        cloud.nova.servers.pop(first)
        second = restore(protected, record=record, new_resources=dict(RESTORED))
        assert second != first


class TestRevert(RestoreTests):
    @pytest.fixture
    def revert(self, call, protected, record):
        """Reverts the restore; gives what new_resources says then."""

        def revert(new_resources=None):
            new_resources = new_resources or {}
            call(
                "restore",
                protected,
                hooks=("on_revert",),
                restore=record,
                new_resources=new_resources,
            )
            return new_resources

        return revert

    @pytest.fixture
    def half_made(self, protected, restore, cloud, record):
        """A server that Nova could not build."""
        cloud.lose()
        cloud.nova.breaks.add("build")
        with pytest.raises(
            exception.RestoreResourceFailed, match="No valid host was found"
        ):
            restore(protected, record=record, new_resources=dict(RESTORED))

    @pytest.fixture
    def almost_made(self, protected, restore, cloud, record, monkeypatch):
        """A server of which could not be noted that it is complete."""
        cloud.lose()
        cloud.nova.attached.clear()
        cloud.neutron.things["floatingips"].clear()

        def fail(notes, note):
            raise exception.BankUpdateObjectFailed(reason="away", key="notes")

        monkeypatch.setattr(Notes, "finish", fail)
        with pytest.raises(exception.RestoreResourceFailed, match="away"):
            restore(protected, record=record, new_resources=dict(RESTORED))

    def test_the_fault_is_in_the_record(self, half_made, record, resource):
        assert "No valid host was found" in self.reason(record, resource)

    def test_it_leaves_nothing(self, half_made, revert, cloud):
        for _twice in range(2):
            revert()
        assert cloud.nova.servers == {}
        assert cloud.neutron.things["ports"] == {}
        [kept] = cloud.neutron.things["floatingips"].values()
        assert kept["floating_ip_address"] == "172.24.4.7"

    def test_a_server_that_nova_only_softly_deletes_is_deleted(
        self, half_made, revert, cloud
    ):
        cloud.nova.keeps_deleted = True
        revert()
        assert cloud.nova.servers == {}
        assert cloud.nova.acted == ["forceDelete"]

    def test_it_gives_back_a_floating_address_that_was_made(
        self, almost_made, revert, cloud
    ):
        assert cloud.neutron.things["floatingips"]
        revert()
        assert cloud.neutron.things["floatingips"] == {}
        assert cloud.neutron.things["ports"] == {}

    def test_no_volume_ends_with_a_server_that_has_to_be_deleted(
        self, almost_made, cloud
    ):
        [disks] = cloud.nova.attached.values()
        assert [one["delete_on_termination"] for one in disks] == [False, False]

    def test_a_server_that_is_complete_is_kept(self, restored, revert, cloud):
        new_id, _asked = restored()
        assert revert({"x": "y"}) == {"x": "y"}
        assert new_id in cloud.nova.servers

    def test_deleting_the_checkpoint_of_one_that_was_cut_off_leaves_nothing(
        self, half_made, call, protected, cloud
    ):
        call("delete", protected)
        assert cloud.nova.servers == {}
        assert cloud.neutron.things["ports"] == {}

    def test_deleting_the_checkpoint_keeps_a_server_that_is_complete(
        self, restored, call, protected, cloud
    ):
        new_id, _asked = restored()
        call("delete", protected)
        assert new_id in cloud.nova.servers

    def test_what_cannot_be_deleted_is_named(self, half_made, revert, cloud):
        [server_id] = cloud.nova.servers
        cloud.nova.breaks.add("delete")
        with pytest.raises(exception.KarborException, match="by hand") as caught:
            revert()
        assert server_id in str(caught.value)
        assert cloud.neutron.things["ports"] == {}

    def test_it_takes_an_unused_port_of_before_and_leaves_it(
        self, protected, restore, cloud, record, revert
    ):
        cloud.nova.servers.clear()
        cloud.neutron.unbind(cloud.server_id)
        before = set(cloud.neutron.things["ports"])
        cloud.nova.breaks.add("build")
        with pytest.raises(exception.RestoreResourceFailed):
            restore(protected, record=record, new_resources=dict(RESTORED))
        assert set(cloud.neutron.things["ports"]) == before
        revert()
        assert set(cloud.neutron.things["ports"]) == before


class TestCopy(RestoreTests):
    def test_notes_of_a_restore_do_not_come_along(
        self, call, protected, new_checkpoint, resource
    ):
        section = self.section(protected, resource, is_writable=True)
        Notes(section, "some restore").take("server")
        copied = new_checkpoint()
        call("copy", protected, checkpoint_copy=copied)
        assert self.section(copied, resource).list_objects() == ["metadata"]
