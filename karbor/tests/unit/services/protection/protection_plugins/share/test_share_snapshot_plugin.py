# SPDX-License-Identifier: Apache-2.0
"""Shares, protected by snapshots in a Manila that a test can break."""

import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugins.share.saved_share import SavedShare
from karbor.services.protection.protection_plugins.share.settings import ShareSettings
from karbor.services.protection.protection_plugins.share.share_snapshot_plugin import (
    ManilaSnapshotProtectionPlugin,
)
from karbor.services.protection.records import RestoreRecord, VerificationRecord
from karbor.tests.conformance.protection import ProtectionConformance
from karbor.tests.fakes.manila import ManilaServer

PREPARED = ("on_prepare_begin", "on_prepare_finish")


class TestSharePlugin(ProtectionConformance):
    operations = ("protect", "restore", "verify", "delete")

    @pytest.fixture(autouse=True)
    def manila(self, conf):
        self.manila = ManilaServer()
        with self.manila.running():
            self.manila.configure(conf)
            yield self.manila

    @pytest.fixture
    def plugin(self, conf, manila):
        ShareSettings.register(conf)
        conf.set_override("poll_interval", 0.02, ShareSettings.group)
        return ManilaSnapshotProtectionPlugin(conf)

    @pytest.fixture
    def resource(self, manila):
        share_id = manila.add_share(
            name="home", metadata={"owner": "me"}, description="of mine"
        )
        manila.allow(share_id, "10.0.0.0/24")
        manila.allow(share_id, "10.0.1.7", "ro")
        return Resource(constants.SHARE_RESOURCE_TYPE, share_id, "home")

    @pytest.fixture
    def parameters_of(self):
        """Sets the parameters of one operation for this test."""
        self.parameters = {}
        return self.parameters

    def lose(self, resource):
        self.manila.shares.pop(resource.id, None)

    def check_restored(self, resource, new_id):
        share = self.manila.shares[new_id]
        assert self.manila.data[new_id] == "data"
        assert (share["name"], share["description"]) == ("home", "of mine")
        assert share["metadata"] == {"owner": "me"}
        rules = [
            (rule["access_to"], rule["access_level"])
            for rule in self.manila.rules[new_id]
        ]
        assert rules == [("10.0.0.0/24", "rw"), ("10.0.1.7", "ro")]

    # Protecting.

    def test_the_snapshot_is_there_before_a_parent_goes_on(
        self, call, new_checkpoint, resource
    ):
        call("protect", new_checkpoint(), hooks=PREPARED)
        [snapshot] = self.manila.snapshots.values()
        assert snapshot["status"] == "available"

    def test_the_plan_names_the_snapshot(
        self, call, new_checkpoint, resource, parameters_of
    ):
        parameters_of["protect"] = {"snapshot_name": "nightly", "description": "why"}
        call("protect", new_checkpoint())
        [snapshot] = self.manila.snapshots.values()
        assert snapshot["name"] == "nightly"
        assert snapshot["description"].startswith("why [karbor-")

    def test_preparing_again_after_a_crash_takes_no_second_snapshot(
        self, call, new_checkpoint
    ):
        checkpoint = new_checkpoint()
        for _run in range(2):
            call("protect", checkpoint, hooks=PREPARED)
        assert len(self.manila.snapshots) == 1

    def test_a_share_that_is_being_extended_is_waited_for(
        self, call, new_checkpoint, resource
    ):
        self.manila.shares[resource.id]["status"] = "creating"
        call("protect", new_checkpoint())
        assert len(self.manila.snapshots) == 1

    @pytest.mark.parametrize("status", ["error", "deleting", "manage_error"])
    def test_a_state_that_forbids_a_snapshot_is_named(
        self, call, new_checkpoint, resource, status
    ):
        self.manila.shares[resource.id]["status"] = status
        with pytest.raises(exception.CreateResourceFailed, match=f"status: {status}"):
            call("protect", new_checkpoint())
        assert self.manila.snapshots == {}

    def test_force_takes_a_snapshot_in_any_state(
        self, call, new_checkpoint, resource, parameters_of
    ):
        parameters_of["protect"] = {"force": True}
        self.manila.shares[resource.id]["status"] = "migrating"
        call("protect", new_checkpoint())
        assert len(self.manila.snapshots) == 1

    @pytest.mark.parametrize(
        "ability", ["snapshot_support", "create_share_from_snapshot_support"]
    )
    def test_a_share_type_that_cannot_is_named(
        self, call, new_checkpoint, resource, ability
    ):
        self.manila.shares[resource.id][ability] = False
        with pytest.raises(
            exception.CreateResourceFailed, match=f"'default'.*{ability}"
        ):
            call("protect", new_checkpoint())

    def test_a_share_that_vanished_is_reported_by_name(
        self, call, new_checkpoint, resource
    ):
        self.lose(resource)
        with pytest.raises(exception.CreateResourceFailed) as caught:
            call("protect", new_checkpoint())
        assert resource.id in str(caught.value)
        assert "'home'" in str(caught.value)

    def test_a_failed_snapshot_says_why_and_is_deleted_by_the_revert(
        self, call, new_checkpoint, resource
    ):
        checkpoint = new_checkpoint()
        self.manila.breaks.add("snapshots")
        self.manila.messages = Everything("no space on the back end")
        with pytest.raises(exception.CreateResourceFailed, match="no space on the"):
            call("protect", checkpoint)
        call("protect", checkpoint, hooks=("on_revert",))
        assert self.manila.snapshots == {}
        assert self.section(checkpoint, resource).list_objects() == []

    def test_reverting_deletes_a_snapshot_that_is_still_being_made(
        self, call, new_checkpoint, resource
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=PREPARED)
        [snapshot] = self.manila.snapshots.values()
        snapshot["status"] = "creating"
        call("protect", checkpoint, hooks=("on_revert",))
        assert self.manila.snapshots == {}

    # Restoring.

    def test_who_is_refused_is_told_in_the_record(self, protected, restore, resource):
        self.manila.refused.add("10.0.1.7")
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        assert restore(protected, record=record)
        reason = reason_of(record, resource)
        assert "10.0.1.7 is in error" in reason

    def test_access_rules_are_left_out_when_told_so(
        self, protected, restore, parameters_of
    ):
        parameters_of["restore"] = {
            "restore_access_rules": False,
            "restore_name": "again",
        }
        new_id = restore(protected)
        assert self.manila.rules[new_id] == []
        assert self.manila.shares[new_id]["name"] == "again"

    def test_a_share_that_cannot_be_made_public_says_so(
        self, call, new_checkpoint, restore, resource
    ):
        self.manila.shares[resource.id]["is_public"] = True
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        restore(checkpoint, record=record)
        reason = reason_of(record, resource)
        assert "stays private" in reason

    def test_a_snapshot_that_is_gone_is_named_and_nothing_is_made(
        self, protected, restore, resource
    ):
        [snapshot_id] = self.manila.snapshots
        self.manila.snapshots.clear()
        with pytest.raises(exception.RestoreResourceFailed, match=snapshot_id):
            restore(protected)
        assert list(self.manila.shares) == [resource.id]

    def test_a_failed_restore_deletes_what_it_half_made(
        self, call, protected, restore, resource
    ):
        self.manila.breaks.add("shares")
        self.manila.messages = Everything("the back end is full")
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.RestoreResourceFailed, match="back end is full"):
            restore(protected, record=record)
        for _twice in range(2):
            restore(protected, hooks=("on_revert",), record=record)
        assert list(self.manila.shares) == [resource.id]

    @pytest.mark.parametrize("waits", [0, 1])
    def test_reverting_deletes_a_share_that_is_still_being_made(
        self, protected, restore, resource, cut_off, waits
    ):
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        assert cut_off(
            "restore", protected, "on_main", waits, restore=record, new_resources={}
        )
        restore(protected, hooks=("on_revert",), record=record)
        assert list(self.manila.shares) == [resource.id]

    def test_reverting_keeps_a_share_that_is_whole(self, protected, restore, resource):
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        new_id = restore(protected, hooks=("on_main",), record=record)
        restore(protected, hooks=("on_revert",), record=record)
        assert self.manila.shares[new_id]["metadata"] == {"owner": "me"}

    def test_a_checkpoint_of_karbor_1_is_restored(
        self, call, new_checkpoint, restore, protected, resource
    ):
        [snapshot_id] = self.manila.snapshots
        old = new_checkpoint()
        self.section(old, resource, is_writable=True).update_object(
            "metadata",
            {
                "share_id": resource.id,
                "size": 1,
                "share_proto": "NFS",
                "share_type": "type-id",
                "share_network_id": None,
                "snapshot_id": snapshot_id,
            },
        )
        assert self.manila.data[restore(old)] == "data"

    # Keeping.

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"status": "error"}, "is 'error'"),
            ({"size": 7}, "has 7 GiB, and had 1"),
        ],
    )
    def test_verifying_looks_at_the_snapshot(
        self, call, protected, resource, change, told
    ):
        [snapshot] = self.manila.snapshots.values()
        snapshot.update(change)
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.VerifyResourceFailed, match=told):
            call("verify", protected, verify=record, new_resources={})
        assert (
            record.resource_status(resource.type, resource.id)
            == constants.RESOURCE_STATUS_ERROR
        )

    def test_deleting_takes_the_snapshot(self, call, protected):
        call("delete", protected)
        assert self.manila.snapshots == {}

    def test_deleting_what_was_cut_off_takes_the_snapshot(
        self, call, cut_off, new_checkpoint
    ):
        checkpoint = new_checkpoint()
        assert cut_off("protect", checkpoint, "on_prepare_finish")
        call("delete", checkpoint)
        assert self.manila.snapshots == {}

    def test_deleting_takes_the_share_of_a_restore_that_was_cut_off(
        self, call, cut_off, protected, resource
    ):
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        assert cut_off(
            "restore", protected, "on_main", restore=record, new_resources={}
        )
        call("delete", protected)
        assert list(self.manila.shares) == [resource.id]

    def test_a_snapshot_that_is_not_deleted_keeps_the_checkpoint_whole(
        self, call, protected, resource
    ):
        self.manila.failing["DELETE snapshots"] = [403]
        with pytest.raises(exception.DeleteResourceFailed, match="made to fail"):
            call("delete", protected)
        assert SavedShare.find(self.section(protected, resource)) is not None

    def test_copying_is_refused_with_what_helps(self, call, protected, new_checkpoint):
        with pytest.raises(exception.CreateResourceFailed, match="replicate it by"):
            call("copy", protected, checkpoint_copy=new_checkpoint())

    def test_many_shares_cost_one_listing_at_a_time(self, manila, plugin, context):
        things = plugin.settings.manila(context).until_snapshot("x").things
        for _share in range(5):
            share_id = manila.add_share()
            manila.post_snapshots(
                [], {}, {"snapshot": {"share_id": share_id, **NAMELESS}}
            )
        found = things.find(sorted(manila.snapshots))
        assert found.keys() == manila.snapshots.keys()
        assert len(manila.calls("GET", "snapshots")) == 2, "a page, and none behind it"


NAMELESS = {"name": None, "description": "", "force": False}


def reason_of(record, resource):
    return record.resources_reason[f"{resource.type}#{resource.id}"]


class Everything(dict):
    """Says one thing of every key."""

    def __init__(self, text):
        super().__init__()
        self._text = text

    def get(self, key, default=None):
        return self._text
