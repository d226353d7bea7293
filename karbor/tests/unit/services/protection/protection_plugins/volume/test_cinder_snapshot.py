# SPDX-License-Identifier: Apache-2.0
"""Protecting volumes by snapshots that stay in Cinder."""

import pytest

from karbor import exception
from karbor.services.protection.protection_plugins.volume.volume_snapshot_plugin import (  # noqa: E501
    VolumeSnapshotProtectionPlugin,
)
from karbor.tests.unit.services.protection.protection_plugins.volume.house import (
    UNTIL_MAIN,
)


@pytest.fixture
def house(new_house):
    return new_house(VolumeSnapshotProtectionPlugin)


@pytest.fixture
def before(house):
    return house.cinder.listing()


def snapshot(house):
    info = house.plugin.get_saved_info(house.section, house.resource)
    return house.cinder.things["snapshots"][info["snapshot_id"]]


def test_a_snapshot_is_taken_when_preparing(house, before):
    house.protect("on_prepare_finish", snapshot_name="s", description="of the shop")
    made = snapshot(house)
    assert house.cinder.data[made["id"]] == house.data
    assert made["description"] == "of the shop"
    assert house.cinder.listing() - before == {("snapshots", made["id"], "s")}


@pytest.mark.parametrize("parameters", [{}, {"force": True}])
def test_an_attached_volume_is_snapshotted(house, parameters):
    house.volume["status"] = "in-use"
    house.protect(**parameters)
    assert house.cinder.data[snapshot(house)["id"]] == house.data


def test_an_attached_volume_is_refused_where_the_plan_says_so(house, before):
    house.volume["status"] = "in-use"
    with pytest.raises(exception.CreateResourceFailed, match="force=false"):
        house.protect("on_prepare_finish", force=False)
    assert house.cinder.listing() == before


def test_killed_while_it_waits_it_makes_one_snapshot(house):
    assert house.cut("protect", "on_prepare_finish", 0)
    house.protect("on_prepare_finish")
    house.protect("on_prepare_finish")
    assert len(house.cinder.things["snapshots"]) == 1


@pytest.mark.parametrize("breaks", [True, False])
def test_reverted_nothing_is_left(house, before, breaks):
    if breaks:
        house.cinder.breaks.add("snapshots")
        with pytest.raises(exception.CreateResourceFailed, match="'error'"):
            house.protect("on_prepare_finish")
    else:
        house.protect()
    for _twice in range(2):
        house.protect("on_revert")
    assert house.cinder.listing() == before
    assert house.section.list_objects() == []


def test_a_volume_of_it_has_its_type_and_zone(house):
    house.volume.update(volume_type="slow", metadata={"tier": "1"})
    house.protect()
    made = house.restore(restore_name="again")
    (asked,) = house.cinder.calls("POST", "volumes")
    assert b'"volume_type": null' in asked.body
    assert house.cinder.data[made["id"]] == house.data
    assert made["metadata"] == {"tier": "1"}
    assert made["name"] == "again"


def test_a_restore_that_fails_leaves_nothing(house):
    house.protect()
    before = house.cinder.listing()
    house.cinder.breaks.add("volumes")
    with pytest.raises(exception.RestoreResourceFailed, match="'error'"):
        house.restore(*UNTIL_MAIN)
    house.restore("on_revert")
    assert house.cinder.listing() == before


def test_a_snapshot_in_use_stays_with_its_checkpoint(house):
    house.cinder.is_cloning = True
    house.protect()
    house.restore()
    with pytest.raises(exception.DeleteResourceFailed, match="Snapshot is busy"):
        house.delete()
    assert snapshot(house)["status"] == "available"


def test_verifying_looks_at_state_and_size(house):
    house.protect()
    assert house.verify() == "available"
    snapshot(house).update(status="error")
    with pytest.raises(exception.VerifyResourceFailed, match="is 'error'"):
        house.verify()


def test_a_checkpoint_of_karbor_1_is_restored_and_deleted(house):
    house.protect()
    snapshot_id = snapshot(house)["id"]
    house.checkpoint = house.new_checkpoint()
    house.section.update_object(
        "metadata",
        {"volume_id": house.volume_id, "size": 1, "snapshot_id": snapshot_id},
    )
    made = house.restore()
    assert house.cinder.data[made["id"]] == house.data
    house.delete()
    assert house.cinder.things["snapshots"] == {}
