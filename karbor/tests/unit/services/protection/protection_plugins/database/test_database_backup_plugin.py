# SPDX-License-Identifier: Apache-2.0
"""Databases, protected by backups in a Trove that a test can break."""

import threading
import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.clients import neutron as neutron_client
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.protection_plugins.database.database_backup_plugin import (  # noqa: E501
    DatabaseBackupProtectionPlugin,
)
from karbor.services.protection.protection_plugins.database.saved_database import (
    SavedDatabase,
)
from karbor.services.protection.protection_plugins.database.settings import (
    DatabaseSettings,
)
from karbor.services.protection.records import RestoreRecord, VerificationRecord
from karbor.tests.conformance.protection import ProtectionConformance
from karbor.tests.fakes.json_service import JsonService
from karbor.tests.fakes.trove import TroveServer

NETWORK = constants.NETWORK_RESOURCE_TYPE


class NeutronServer(JsonService):
    """Knows which networks exist."""

    def __init__(self):
        super().__init__()
        self.networks = set()

    def get_networks(self, path, query, body):
        found = [{"id": query["id"]}] if query["id"] in self.networks else []
        return 200, {"networks": found}

    def _parts(self, path):
        return super()._parts(path)[1:]


class TestDatabasePlugin(ProtectionConformance):
    operations = ("protect", "restore", "verify", "delete")

    @pytest.fixture(autouse=True)
    def trove(self, conf):
        self.trove = TroveServer()
        with self.trove.running():
            self.trove.configure(conf)
            yield self.trove

    @pytest.fixture
    def plugin(self, conf, trove):
        DatabaseSettings.register(conf)
        conf.set_override("poll_interval", 0.02, DatabaseSettings.group)
        return DatabaseBackupProtectionPlugin(conf)

    @pytest.fixture
    def resource(self, trove):
        instance_id = trove.add_instance(
            name="orders", access={"is_public": True, "allowed_cidrs": ["10.0.0.0/8"]}
        )
        return Resource(constants.DATABASE_RESOURCE_TYPE, instance_id, "orders")

    @pytest.fixture
    def parameters_of(self):
        """Sets the parameters of one operation for this test."""
        self.parameters = {}
        return self.parameters

    @pytest.fixture
    def neutron(self, conf):
        server = NeutronServer()
        with server.running():
            neutron_client.OPTIONS.register(conf)
            conf.set_override("neutron_endpoint", server.url, "neutron_client")
            yield server

    @pytest.fixture
    def on_network(self, trove, resource, neutron):
        """The instance has an address in a network that is gone; gives its id."""
        network_id = str(uuid.uuid4())
        trove.instances[resource.id]["addresses"] = [
            {"address": "10.1.1.1", "type": "private", "network": network_id},
            {"address": "172.24.4.1", "type": "public"},
        ]
        return network_id

    def lose(self, resource):
        self.trove.instances.pop(resource.id, None)

    def check_restored(self, resource, new_id):
        instance = self.trove.instances[new_id]
        assert self.trove.data[new_id] == "data"
        assert (instance["name"], instance["volume"]) == ("orders", {"size": 2})
        asked = self.trove.created[-1]
        assert asked["flavorRef"] == "flavor-id"
        assert asked["datastore"] == {"type": "mysql", "version": "8.0"}
        assert asked["access"] == {"is_public": True, "allowed_cidrs": ["10.0.0.0/8"]}

    # Protecting.

    def test_backing_up_again_after_a_crash_makes_no_second_backup(
        self, call, new_checkpoint
    ):
        checkpoint = new_checkpoint()
        for _run in range(2):
            call("protect", checkpoint, hooks=("on_prepare_begin", "on_main"))
        assert len(self.trove.backups) == 1

    def test_the_plan_names_the_backup(
        self, call, new_checkpoint, resource, parameters_of
    ):
        parameters_of["protect"] = {"backup_name": "nightly", "description": "why"}
        call("protect", new_checkpoint())
        [backup] = self.trove.backups.values()
        assert backup["name"] == "nightly"
        assert backup["description"].startswith("why [karbor-")

    def test_an_incremental_backup_is_based_on_the_last(
        self, call, protected, new_checkpoint, plugin, resource, parameters_of
    ):
        [full] = self.trove.backups
        parameters_of["protect"] = {"incremental": True}
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        section = self.section(checkpoint, resource)
        assert plugin.get_saved_info(section, resource)["parent_id"] == full

    def test_an_incremental_backup_is_based_on_the_one_that_is_named(
        self, call, protected, new_checkpoint, parameters_of
    ):
        [full] = self.trove.backups
        parameters_of["protect"] = {"parent_id": full}
        call("protect", new_checkpoint())
        assert [one["parent_id"] for one in self.trove.backups.values()] == [None, full]

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"status": "FAILED"}, "is FAILED, and must be COMPLETED"),
            ({"instance_id": "another"}, "is of another instance, another"),
            ({"id": None}, "does not exist"),
        ],
    )
    def test_a_parent_that_cannot_be_one_is_named_before_anything_is_made(
        self, call, protected, new_checkpoint, parameters_of, change, told
    ):
        [full] = self.trove.backups
        self.trove.backups[full].update(change)
        if change.get("id", full) is None:
            del self.trove.backups[full]
        parameters_of["protect"] = {"parent_id": full}
        with pytest.raises(exception.CreateResourceFailed, match=told):
            call("protect", new_checkpoint(), hooks=("on_prepare_begin",))

    def test_an_instance_that_is_being_backed_up_is_waited_for(
        self, call, new_checkpoint, resource
    ):
        self.trove.instances[resource.id]["status"] = "BACKUP"
        call("protect", new_checkpoint())
        assert len(self.trove.backups) == 1

    @pytest.mark.parametrize("status", ["ERROR", "SHUTDOWN", "BLOCKED", "FAILED"])
    def test_a_state_that_forbids_a_backup_is_named(
        self, call, new_checkpoint, resource, status
    ):
        self.trove.instances[resource.id]["status"] = status
        with pytest.raises(exception.CreateResourceFailed, match=f"status: {status}"):
            call("protect", new_checkpoint(), hooks=("on_prepare_begin",))

    def test_an_instance_that_vanished_is_reported_by_name(
        self, call, new_checkpoint, resource
    ):
        self.lose(resource)
        with pytest.raises(exception.CreateResourceFailed) as caught:
            call("protect", new_checkpoint())
        assert resource.id in str(caught.value)
        assert "'orders'" in str(caught.value)

    def test_a_failed_backup_is_deleted_by_the_revert(
        self, call, new_checkpoint, resource
    ):
        checkpoint = new_checkpoint()
        self.trove.breaks.add("backups")
        with pytest.raises(exception.CreateResourceFailed, match="log of the guest"):
            call("protect", checkpoint)
        for _twice in range(2):
            call("protect", checkpoint, hooks=("on_revert",))
        assert self.trove.backups == {}
        assert self.section(checkpoint, resource).list_objects() == []

    def test_reverting_deletes_a_backup_that_is_still_being_made(self, call, protected):
        [backup] = self.trove.backups.values()
        backup["status"] = "NEW"
        call("protect", protected, hooks=("on_revert",))
        assert self.trove.backups == {}

    # Restoring.

    def test_the_restore_says_what_the_instance_is(
        self, protected, restore, parameters_of
    ):
        nics = [{"network_id": "n", "ip_address": "10.2.2.2"}]
        parameters_of["restore"] = {
            "restore_name": "again",
            "restore_flavor_id": "larger",
            "restore_volume_size": 5,
            "restore_nics": nics,
        }
        new_id = restore(protected)
        asked = self.trove.created[-1]
        assert self.trove.instances[new_id]["name"] == "again"
        assert (asked["flavorRef"], asked["volume"]["size"]) == ("larger", 5)
        assert asked["nics"] == nics

    @pytest.mark.parametrize("exists", [True, False])
    def test_a_configuration_group_is_given_again_if_it_is_there(
        self, call, new_checkpoint, restore, resource, exists
    ):
        self.trove.instances[resource.id]["configuration"] = {"id": "group"}
        self.trove.groups.update({"group"} if exists else set())
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert restore(checkpoint)
        assert self.trove.created[-1].get("configuration") == (
            "group" if exists else None
        )

    def test_a_network_that_is_still_there_is_used(
        self, call, new_checkpoint, restore, on_network, neutron
    ):
        neutron.networks.add(on_network)
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert restore(checkpoint)
        assert self.trove.created[-1]["nics"] == [{"network_id": on_network}]

    def test_a_network_that_was_restored_is_used_in_place_of_the_old(
        self, call, new_checkpoint, restore, on_network
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert restore(checkpoint, new_resources={on_network: "new"})
        assert self.trove.created[-1]["nics"] == [{"network_id": "new"}]

    def test_a_network_that_is_being_restored_is_waited_for(
        self, call, new_checkpoint, restore, on_network, resource
    ):
        checkpoint = new_checkpoint()
        network = Resource(NETWORK, on_network, "network")
        checkpoint.save_graph(ResourceGraph((network, resource), ((), ())))
        call("protect", checkpoint)
        new_resources = {}
        timer = threading.Timer(0.3, new_resources.update, [{on_network: "new"}])
        timer.start()
        assert restore(checkpoint, new_resources=new_resources)
        timer.join()
        assert self.trove.created[-1]["nics"] == [{"network_id": "new"}]

    def test_a_network_that_is_gone_is_named(
        self, call, new_checkpoint, restore, on_network
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        with pytest.raises(
            exception.RestoreResourceFailed, match=f"{on_network}.*restore_nics"
        ):
            restore(checkpoint)
        assert self.trove.created == []

    def test_a_backup_that_is_gone_is_named_and_nothing_is_made(
        self, protected, restore
    ):
        [backup_id] = self.trove.backups
        self.trove.backups.clear()
        with pytest.raises(exception.RestoreResourceFailed, match=backup_id):
            restore(protected)
        assert self.trove.created == []

    def test_a_failed_restore_deletes_what_it_half_made(
        self, protected, restore, resource
    ):
        self.trove.breaks.add("instances")
        self.trove.fault = "no valid host"
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.RestoreResourceFailed, match="no valid host"):
            restore(protected, record=record)
        for _twice in range(2):
            restore(protected, hooks=("on_revert",), record=record)
        assert list(self.trove.instances) == [resource.id]

    def test_reverting_deletes_an_instance_that_is_still_being_made(
        self, protected, restore, resource, cut_off
    ):
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        assert cut_off(
            "restore", protected, "on_main", restore=record, new_resources={}
        )
        restore(protected, hooks=("on_revert",), record=record)
        assert list(self.trove.instances) == [resource.id]

    def test_reverting_keeps_an_instance_that_is_whole_and_names_it(
        self, protected, restore
    ):
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        new_id = restore(protected, hooks=("on_main",), record=record)
        restore(protected, hooks=("on_revert",), record=record)
        assert self.trove.instances[new_id]["name"] == "orders"

    def test_a_checkpoint_of_karbor_1_is_restored(
        self, new_checkpoint, restore, protected, resource
    ):
        [backup_id] = self.trove.backups
        old = new_checkpoint()
        self.section(old, resource, is_writable=True).update_object(
            "metadata",
            {
                "instance_id": resource.id,
                "datastore": {"type": "mysql", "version": "8.0"},
                "flavor": {"id": "flavor-id", "links": []},
                "size": 2,
                "backup_id": backup_id,
            },
        )
        assert self.trove.data[restore(old)] == "data"

    # Keeping.

    @pytest.mark.parametrize(
        ("change", "told"),
        [({"status": "FAILED"}, "is FAILED"), ({"size": 7}, "has 7 GB, and had 0.14")],
    )
    def test_verifying_looks_at_the_backup(self, call, protected, change, told):
        [backup] = self.trove.backups.values()
        backup.update(change)
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.VerifyResourceFailed, match=told):
            call("verify", protected, verify=record, new_resources={})

    def test_verifying_looks_at_what_an_incremental_backup_is_based_on(
        self, call, protected, new_checkpoint, parameters_of
    ):
        [full] = self.trove.backups
        parameters_of["protect"] = {"incremental": True}
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        del self.trove.backups[full]
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.VerifyResourceFailed, match=full):
            call("verify", checkpoint, verify=record, new_resources={})

    def test_deleting_keeps_what_incremental_backups_are_based_on(
        self, call, protected, new_checkpoint, resource, parameters_of
    ):
        parameters_of["protect"] = {"incremental": True}
        later = new_checkpoint()
        call("protect", later)
        for hook in ("on_prepare_begin", "on_main"):
            with pytest.raises(exception.DeleteResourceFailed, match="based on it"):
                call("delete", protected, hooks=(hook,))
        assert SavedDatabase.find(self.section(protected, resource)) is not None
        call("delete", later)
        call("delete", protected)
        assert self.trove.backups == {}

    def test_deleting_what_was_cut_off_takes_the_backup(
        self, call, cut_off, new_checkpoint
    ):
        checkpoint = new_checkpoint()
        assert cut_off("protect", checkpoint, "on_main", 1)
        assert self.trove.backups
        call("delete", checkpoint)
        assert self.trove.backups == {}

    def test_deleting_takes_the_instance_of_a_restore_that_was_cut_off(
        self, call, cut_off, protected, resource
    ):
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        assert cut_off(
            "restore", protected, "on_main", restore=record, new_resources={}
        )
        call("delete", protected)
        assert list(self.trove.instances) == [resource.id]

    def test_deleting_names_an_instance_that_was_whole(self, call, protected, restore):
        new_id = restore(protected, hooks=("on_main",))
        call("delete", protected)
        assert self.trove.instances[new_id]["name"] == "orders"

    def test_copying_is_refused_with_what_helps(self, call, protected, new_checkpoint):
        with pytest.raises(exception.CreateResourceFailed, match="out of the plan"):
            call("copy", protected, checkpoint_copy=new_checkpoint())

    def test_many_backups_cost_one_listing_at_a_time(
        self, trove, plugin, context, resource
    ):
        things = plugin.settings.trove(context).until_backup("x").things
        for number in range(120):
            trove.post_backups(
                [], {}, {"backup": {"name": str(number), "instance": resource.id}}
            )
        found = things.find(sorted(trove.backups))
        assert found.keys() == trove.backups.keys()
        assert len(trove.calls("GET", "backups")) == 2
