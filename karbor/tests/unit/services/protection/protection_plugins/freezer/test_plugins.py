# SPDX-License-Identifier: Apache-2.0
"""Volumes, servers and projects, protected by jobs of a Freezer that tests break."""

import dataclasses
import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.services.protection.protection_plugin import HOOKS
from karbor.services.protection.protection_plugins.freezer import plugins
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)
from karbor.services.protection.records import RestoreRecord, VerificationRecord
from karbor.tests.conformance.protection import ProtectionConformance
from karbor.tests.fakes.freezer import FreezerServer, RenamingComputeServer
from karbor.tests.fakes.neutron_ports import PortsServer

DATA = b"what the volume has"


class FreezerConformance(ProtectionConformance):
    """What all the plugins have in common."""

    operations = ("protect", "restore", "verify", "delete")
    plugin_class: type

    @pytest.fixture
    def context(self):
        return RequestContext(
            user_id="conformance", project_id="project", overwrite=False
        )

    @pytest.fixture(autouse=True)
    def freezer(self, conf):
        self.freezer = FreezerServer()
        self.freezer.nova = RenamingComputeServer(PortsServer("project"))
        with (
            self.freezer.running(),
            self.freezer.images.running(),
            self.freezer.cinder.running(),
            self.freezer.swift.running(),
            self.freezer.nova.running(),
        ):
            self.freezer.configure(conf)
            yield self.freezer

    @pytest.fixture
    def plugin(self, conf, freezer):
        FreezerSettings.register(conf)
        conf.set_override("poll_interval", 0.02, FreezerSettings.group)
        return self.plugin_class(conf)

    @pytest.fixture
    def change(self, plugin):
        """Changes settings of the plugin."""

        def change(**changes):
            plugin.settings = dataclasses.replace(plugin.settings, **changes)

        return change

    @pytest.fixture
    def parameters_of(self):
        """Sets the parameters of one operation for this test."""
        self.parameters = {}
        return self.parameters

    def assert_nothing_of_freezers_jobs_is_left(self):
        assert self.freezer.jobs == {}
        assert self.freezer.actions == set()

    def test_the_jobs_and_their_actions_go_when_they_have_ended(
        self, call, protected, restore
    ):
        self.assert_nothing_of_freezers_jobs_is_left()
        restore(protected)
        self.assert_nothing_of_freezers_jobs_is_left()
        call("delete", protected)
        self.assert_nothing_of_freezers_jobs_is_left()

    def test_deleting_takes_the_data(self, call, protected):
        assert self.freezer.swift.objects["karbor"]
        call("delete", protected)
        assert self.freezer.swift.objects == {"karbor": {}}

    def test_verifying_finds_that_data_is_missing(self, call, protected):
        objects = self.freezer.swift.objects["karbor"]
        objects.pop(next(iter(objects)))
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.VerifyResourceFailed, match="bytes, and had"):
            call("verify", protected, verify=record, new_resources={})

    def test_copying_is_refused_with_what_helps(self, call, protected, new_checkpoint):
        with pytest.raises(exception.CreateResourceFailed, match="Freezer's storage"):
            call("copy", protected, checkpoint_copy=new_checkpoint())


class TestVolumePlugin(FreezerConformance):
    plugin_class = plugins.FreezerProtectionPlugin

    @pytest.fixture
    def resource(self, freezer):
        volume_id = freezer.cinder.add_volume(
            DATA, name="data", description="of mine", metadata={"owner": "me"}
        )
        return Resource(constants.VOLUME_RESOURCE_TYPE, volume_id, "data")

    def lose(self, resource):
        self.freezer.cinder.things["volumes"].pop(resource.id, None)

    def check_restored(self, resource, new_id):
        volume = self.freezer.cinder.things["volumes"][new_id]
        assert self.freezer.cinder.data[new_id] == DATA
        assert (volume["name"], volume["description"]) == ("data", "of mine")
        assert volume["metadata"] == {"owner": "me"}
        assert volume["bootable"] == "false"

    # Protecting.

    def test_an_action_says_what_the_agent_needs(
        self, call, new_checkpoint, resource, parameters_of
    ):
        parameters_of["protect"] = {"backup_name": "each night", "description": "why"}
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=("on_prepare_begin", "on_main"))
        [job] = self.freezer.jobs.values()
        [action] = [one["freezer_action"] for one in job["job_actions"]]
        prefix = action.pop("temp_resource_prefix")
        assert action == {
            "action": "backup",
            "backup_name": "each_night",
            "cinder_vol_id": resource.id,
            "container": f"karbor/{checkpoint.id}/{resource.id}",
            "hostname": "karbor",
            "mode": "cinder",
            "storage": "swift",
        }
        assert job["description"].startswith("why [karbor-")
        assert prefix.removesuffix("-0-") in job["description"]

    def test_protecting_again_after_a_crash_runs_one_job(
        self, call, new_checkpoint, resource
    ):
        checkpoint = new_checkpoint()
        for _run in range(2):
            call("protect", checkpoint, hooks=("on_main",))
        assert len(self.freezer.done) == 1

    def test_what_the_job_has_moved_is_counted(self, call, new_checkpoint):
        operation = OperationProgress()
        checkpoint = new_checkpoint()
        call("protect", checkpoint, progress=ResourceProgress(operation))
        stored = sum(self.freezer.swift.objects["karbor"].values())
        told = operation.snapshot()
        assert told["bytes_done"] == told["bytes_total"] == stored > 0

    def test_the_configured_scheduler_runs_the_job(self, change, call, new_checkpoint):
        change(scheduler_client_id="scheduler-2")
        call("protect", new_checkpoint(), hooks=("on_main",))
        [job] = self.freezer.jobs.values()
        assert job["client_id"] == "scheduler-2"

    def test_no_scheduler_of_the_user_is_told(self, call, new_checkpoint):
        self.freezer.schedulers = []
        with pytest.raises(
            exception.CreateResourceFailed, match="registered for user conformance"
        ):
            call("protect", new_checkpoint())

    def test_a_scheduler_that_does_not_run_is_told(self, change, call, new_checkpoint):
        change(pickup_timeout=0.1)
        self.freezer.is_idle = True
        checkpoint = new_checkpoint()
        with pytest.raises(
            exception.CreateResourceFailed, match="See whether freezer-scheduler"
        ):
            call("protect", checkpoint)
        call("protect", checkpoint, hooks=("on_revert",))
        self.assert_nothing_of_freezers_jobs_is_left()

    @pytest.mark.parametrize("status", ["error", "deleting", "maintenance"])
    def test_a_state_that_forbids_a_backup_is_named(
        self, call, new_checkpoint, resource, status
    ):
        self.freezer.cinder.things["volumes"][resource.id]["status"] = status
        with pytest.raises(exception.CreateResourceFailed, match=f"status: {status}"):
            call("protect", new_checkpoint())
        assert self.freezer.jobs == {}

    def test_a_volume_that_vanished_is_reported_by_name(
        self, call, new_checkpoint, resource
    ):
        self.lose(resource)
        with pytest.raises(exception.CreateResourceFailed) as caught:
            call("protect", new_checkpoint())
        assert resource.id in str(caught.value)
        assert "'data'" in str(caught.value)

    def test_a_job_that_fails_says_where_the_reason_is_and_leaves_nothing(
        self, call, new_checkpoint, resource
    ):
        checkpoint = new_checkpoint()
        before = self.freezer.cinder.listing()
        self.freezer.breaks.add("backup")
        with pytest.raises(
            exception.CreateResourceFailed, match="log of the scheduler 'scheduler-"
        ):
            call("protect", checkpoint)
        assert self.freezer.cinder.listing() != before
        for _twice in range(2):
            call("protect", checkpoint, hooks=("on_revert",))
        assert self.freezer.cinder.listing() == before
        assert self.freezer.swift.objects == {"karbor": {}}
        assert self.section(checkpoint, resource).list_objects() == []
        self.assert_nothing_of_freezers_jobs_is_left()

    @pytest.fixture
    def half_made(self, call, new_checkpoint):
        """A protection whose job has failed on its way."""
        checkpoint = new_checkpoint()
        self.before = self.freezer.cinder.listing()
        self.freezer.breaks.add("backup")
        with pytest.raises(exception.CreateResourceFailed):
            call("protect", checkpoint)
        self.freezer.breaks.clear()
        return checkpoint

    @property
    def temporary_volume(self):
        [found] = [
            one
            for one in self.freezer.cinder.things["volumes"].values()
            if one["name"].startswith("karbor-")
        ]
        return found

    def test_reverting_waits_for_what_cinder_is_still_making(self, call, half_made):
        self.temporary_volume["status"] = "creating"
        call("protect", half_made, hooks=("on_revert",))
        assert self.freezer.cinder.listing() == self.before

    def test_reverting_goes_on_when_one_thing_stays(self, call, half_made):
        kept = self.temporary_volume
        self.freezer.cinder.failing["DELETE volumes"] = [400]
        with pytest.raises(exception.KarborException, match=kept["id"]):
            call("protect", half_made, hooks=("on_revert",))
        left = self.freezer.cinder.listing() - self.before
        assert left == {("volumes", kept["id"], kept["name"])}
        call("protect", half_made, hooks=("on_revert",))
        assert self.freezer.cinder.listing() == self.before

    def test_a_success_without_any_data_is_none(self, call, new_checkpoint):
        self.freezer.loses = True
        with pytest.raises(exception.CreateResourceFailed, match="nothing of it in"):
            call("protect", new_checkpoint())

    def test_what_cinder_says_of_itself_is_no_metadata(
        self, call, new_checkpoint, restore, resource
    ):
        volume = self.freezer.cinder.things["volumes"][resource.id]
        volume["metadata"] = {"owner": "me", "readonly": "True", "attached_mode": "rw"}
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        self.check_restored(resource, restore(checkpoint))

    def test_a_new_job_is_made_without_looking_at_all_others(
        self, call, new_checkpoint
    ):
        call("protect", new_checkpoint(), hooks=("on_main",))
        lists = [
            request
            for request in self.freezer.calls("GET", "jobs")
            if "offset" in request.path
        ]
        assert lists == []

    def test_reverting_waits_for_a_job_that_runs(self, call, protected, resource):
        call("protect", protected, hooks=("on_revert",))
        checkpoint = protected
        call("protect", checkpoint, hooks=("on_main",))
        [job] = self.freezer.jobs.values()
        job["job_schedule"]["status"] = "running"
        call("protect", checkpoint, hooks=("on_revert",))
        assert job["job_schedule"]["status"] == "completed"
        self.assert_nothing_of_freezers_jobs_is_left()

    # Restoring.

    def test_the_restored_volume_gets_its_name(self, protected, restore, parameters_of):
        parameters_of["restore"] = {"restore_name": "again"}
        new_id = restore(protected)
        assert self.freezer.cinder.things["volumes"][new_id]["name"] == "again"

    def test_a_failed_restore_deletes_what_it_half_made(self, protected, restore):
        before = self.freezer.cinder.listing()
        self.freezer.breaks.add("restore")
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.RestoreResourceFailed, match="is 'fail'"):
            restore(protected, record=record)
        assert self.freezer.cinder.listing() != before
        for _twice in range(2):
            restore(protected, hooks=("on_revert",), record=record)
        assert self.freezer.cinder.listing() == before
        self.assert_nothing_of_freezers_jobs_is_left()

    def test_reverting_keeps_a_volume_that_is_whole_and_names_it(
        self, protected, restore
    ):
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        new_resources = {}
        new_id = restore(
            protected, hooks=("on_main",), record=record, new_resources=new_resources
        )
        restore(
            protected, hooks=("on_revert",), record=record, new_resources=new_resources
        )
        assert self.freezer.cinder.things["volumes"][new_id]["name"] == "data"
        self.assert_nothing_of_freezers_jobs_is_left()

    def test_a_checkpoint_of_karbor_1_is_restored(
        self, new_checkpoint, restore, protected, resource
    ):
        info = self.section(protected, resource).get_object("metadata")
        action = {
            "action": "backup",
            "backup_name": "old",
            "mode": "cinder",
            "cinder_vol_id": resource.id,
            "storage": "swift",
            "container": info["container"],
        }
        job = {
            "description": "old",
            "client_id": "gone",
            "job_actions": [{"freezer_action": action}],
        }
        old = new_checkpoint()
        self.section(old, resource, is_writable=True).update_object(
            "metadata", {"job_id": "1", "job_info": job}
        )
        assert self.freezer.cinder.data[restore(old)] == DATA

    # Keeping.

    @pytest.mark.parametrize("waits", [0, 1])
    def test_deleting_takes_what_a_protection_left_that_was_cut_off(
        self, call, cut_off, new_checkpoint, waits
    ):
        before = self.freezer.cinder.listing()
        self.freezer.breaks.add("backup")
        checkpoint = new_checkpoint()
        assert cut_off("protect", checkpoint, "on_main", waits)
        call("delete", checkpoint)
        assert self.freezer.cinder.listing() == before
        assert self.freezer.swift.objects in ({}, {"karbor": {}})
        self.assert_nothing_of_freezers_jobs_is_left()

    @pytest.mark.parametrize("waits", [0, 1])
    def test_deleting_takes_what_a_restore_left_that_was_cut_off(
        self, call, cut_off, protected, waits
    ):
        before = self.freezer.cinder.listing()
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        assert cut_off(
            "restore", protected, "on_main", waits, restore=record, new_resources={}
        )
        call("delete", protected)
        assert self.freezer.cinder.listing() == before
        self.assert_nothing_of_freezers_jobs_is_left()

    def test_deleting_names_a_volume_that_was_whole(self, call, protected, restore):
        new_id = restore(protected, hooks=("on_main",))
        call("delete", protected)
        assert self.freezer.cinder.things["volumes"][new_id]["name"] == "data"

    def test_a_deletion_that_fails_can_be_tried_again(self, call, protected):
        self.freezer.breaks.add("admin")
        with pytest.raises(exception.DeleteResourceFailed, match="is 'fail'"):
            call("delete", protected)
        self.assert_nothing_of_freezers_jobs_is_left()
        self.freezer.breaks.clear()
        call("delete", protected)
        assert self.freezer.swift.objects == {"karbor": {}}

    def test_verifying_says_what_it_cannot_see(
        self, conf, change, call, new_checkpoint, resource
    ):
        change(storage="ssh")
        conf.set_override("ssh_host", "vault", FreezerSettings.group)
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert self.freezer.done[-1]["ssh_host"] == "vault"
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        call("verify", checkpoint, verify=record, new_resources={})
        reason = record.resources_reason[f"{resource.type}#{resource.id}"]
        assert "cannot look into Freezer's storage 'ssh'" in reason

    def test_the_bank_keeps_no_credentials(
        self, conf, change, call, new_checkpoint, restore, resource
    ):
        change(storage="s3")
        conf.set_override("secret_key", "sesame", FreezerSettings.group)
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        section = self.section(checkpoint, resource)
        assert "sesame" not in str(
            [section.get_object(k) for k in section.list_objects()]
        )
        assert restore(checkpoint)
        assert [one["secret_key"] for one in self.freezer.done] == ["sesame"] * 2


class TestServerPlugin(FreezerConformance):
    plugin_class = plugins.ServerFreezerProtectionPlugin

    @pytest.fixture
    def resource(self, freezer):
        server_id = freezer.nova.add(name="web", image={"id": "some-image"})
        return Resource(constants.SERVER_RESOURCE_TYPE, server_id, "web")

    def lose(self, resource):
        self.freezer.nova.servers.pop(resource.id, None)

    def check_restored(self, resource, new_id):
        server = self.freezer.nova.servers[new_id]
        assert (server["name"], server["status"]) == ("web", "ACTIVE")

    @pytest.mark.parametrize("status", ["ERROR", "BUILD", "SHELVED_OFFLOADED"])
    def test_a_state_that_forbids_a_backup_is_named(
        self, call, new_checkpoint, resource, status
    ):
        self.freezer.nova.servers[resource.id]["status"] = status
        with pytest.raises(exception.CreateResourceFailed, match=f"status: {status}"):
            call("protect", new_checkpoint())

    def test_a_failed_restore_deletes_the_server_and_its_image(
        self, protected, restore, resource
    ):
        self.freezer.breaks.add("restore")
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.RestoreResourceFailed):
            restore(protected, record=record)
        assert len(self.freezer.nova.servers) == 2
        restore(protected, hooks=("on_revert",), record=record)
        assert list(self.freezer.nova.servers) == [resource.id]
        assert self.freezer.images.images == {}


class TestProjectPlugin(FreezerConformance):
    plugin_class = plugins.ProjectFreezerProtectionPlugin

    @pytest.fixture
    def resource(self, freezer):
        # Of one name, which tells none of them from the other.
        self.servers = [freezer.nova.add(name="web") for _two in range(2)]
        return Resource(constants.PROJECT_RESOURCE_TYPE, "project", "demo")

    @pytest.fixture
    def restore(self, call):
        """As the suite's, and gives what became of the project's first server."""

        def restore(checkpoint, hooks=HOOKS, record=None, new_resources=None):
            new_resources = {} if new_resources is None else new_resources
            record = record or RestoreRecord(None, {"id": str(uuid.uuid4())})
            call(
                "restore",
                checkpoint,
                hooks,
                restore=record,
                new_resources=new_resources,
            )
            return new_resources.get(self.servers[0])

        return restore

    def lose(self, resource):
        for server_id in self.servers:
            self.freezer.nova.servers.pop(server_id, None)

    def check_restored(self, resource, new_id):
        assert [one["name"] for one in self.freezer.nova.servers.values()] == [
            "web",
            "web",
        ]
        assert new_id in self.freezer.nova.servers

    def test_one_job_saves_all_servers(self, call, new_checkpoint, resource):
        call("protect", new_checkpoint(), hooks=("on_prepare_begin", "on_main"))
        [job] = self.freezer.jobs.values()
        saved = [one["freezer_action"]["nova_inst_id"] for one in job["job_actions"]]
        assert saved == self.servers

    def test_each_server_is_replaced_by_its_own(self, protected, restore):
        new_resources = {}
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        restore(protected, record=record, new_resources=new_resources)
        assert new_resources.keys() == set(self.servers)
        assert len(set(new_resources.values())) == 2
        for server_id in self.servers:
            status = record.resource_status(constants.SERVER_RESOURCE_TYPE, server_id)
            assert status == constants.RESOURCE_STATUS_AVAILABLE

    def test_a_server_is_left_to_the_job_of_its_project(
        self, conf, call, new_checkpoint, resource
    ):
        checkpoint = new_checkpoint()
        server = Resource(constants.SERVER_RESOURCE_TYPE, self.servers[0], "web")
        checkpoint.save_graph(ResourceGraph((server, resource), ((), (0,))))
        call("protect", checkpoint, hooks=("on_prepare_begin",))
        operation = plugins.ServerFreezerProtectionPlugin(conf).get_protect_operation(
            server
        )
        assert list(operation.on_main(checkpoint, server, None, {})) == []
        assert self.freezer.jobs == {}

    def test_a_project_without_servers_needs_no_job(
        self, call, new_checkpoint, resource
    ):
        self.lose(resource)
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        call("delete", checkpoint)
        assert self.freezer.done == []


class TestImagePlugin(ProtectionConformance):
    keeps_data = False

    @pytest.fixture(
        params=[
            plugins.ImageFreezerProtectionPlugin,
            plugins.NetworkFreezerProtectionPlugin,
        ]
    )
    def plugin(self, conf, request):
        return request.param(conf)

    @pytest.fixture
    def resource(self, plugin):
        [resource_type] = plugin.get_supported_resources_types()
        return Resource(resource_type, "some-id", None)
