# SPDX-License-Identifier: Apache-2.0
"""Restoring a volume from the data in the bank, by way of Glance."""

import hashlib

import pytest

from karbor import exception
from karbor.services.protection.protection_plugins.volume.volume_glance_plugin import (
    VolumeGlanceProtectionPlugin,
)
from karbor.tests.unit.services.protection.protection_plugins.volume.house import (
    UNTIL_MAIN,
)

MANY_WAITS = 20


@pytest.fixture
def house(new_house):
    house = new_house(VolumeGlanceProtectionPlugin)
    house.volume.update(
        description="of the shop",
        volume_type="slow",
        bootable="true",
        metadata={"tier": "1", "readonly": "True", "attached_mode": "rw"},
        volume_image_metadata={"os_distro": "debian", "image_id": "gone"},
    )
    house.protect()
    return house


@pytest.fixture
def before(house):
    return house.cinder.listing()


def test_all_of_the_volume_comes_back(house, before):
    made = house.restore()
    assert house.cinder.data[made["id"]] == house.data
    assert made["name"] == "data"
    assert made["description"] == "of the shop"
    assert made["volume_type"] == "slow"
    assert made["availability_zone"] == "nova"
    assert made["size"] == 1
    assert made["bootable"] == "true"
    assert made["metadata"] == {"tier": "1", "readonly": "True"}
    assert made["volume_image_metadata"] == house.volume["volume_image_metadata"]
    assert house.remark() == ""
    assert house.cinder.listing() - before == {("volumes", made["id"], "data")}


def test_a_volume_that_was_not_bootable_is_not(house):
    house.volume.update(bootable="false", volume_image_metadata={})
    house.checkpoint = house.new_checkpoint()
    house.protect()
    made = house.restore()
    assert made["bootable"] == "false"
    assert made["volume_image_metadata"] == {}


def test_parameters_go_before_what_was(house):
    house.cinder.zones.append("east")
    made = house.restore(
        restore_name="again",
        restore_description="a trial",
        volume_type="fast",
        availability_zone="east",
    )
    assert made["name"] == "again"
    assert made["description"] == "a trial"
    assert made["volume_type"] == "fast"
    assert made["availability_zone"] == "east"


def test_where_type_and_zone_are_unknown_the_defaults_are_taken_and_told(house):
    house.cinder.types.remove("slow")
    house.cinder.zones[:] = ["elsewhere"]
    made = house.restore()
    assert made["volume_type"] == "fast"
    assert "'slow'" in house.remark()
    assert "'nova'" in house.remark()


def test_a_type_that_was_asked_for_and_is_unknown_is_an_error(house, before):
    with pytest.raises(exception.RestoreResourceFailed, match="tape not found"):
        house.restore(*UNTIL_MAIN, volume_type="tape")
    house.restore("on_revert", volume_type="tape")
    assert house.cinder.listing() == before


def test_metadata_that_cinder_refuses_is_told_and_the_data_is_good(house):
    house.cinder.failing["PUT volumes"] = [403]
    house.volume["metadata"] = {}
    original = house.cinder._unset_image_metadata

    def refuse(volume, said):
        house.cinder.failing["POST volumes"] = [403]
        return original(volume, said)

    house.cinder._set_image_metadata = lambda volume, said: refuse(
        volume, {"key": "image_id"}
    )
    made = house.restore(*UNTIL_MAIN)
    assert house.cinder.data[made["id"]] == house.data
    assert "made to fail" in house.remark()


def test_the_volume_has_a_temporary_name_until_all_is_restored(house):
    made = house.restore(*UNTIL_MAIN)
    assert made["name"].startswith("karbor-")
    house.restore("on_complete")
    assert made["name"] == "data"


@pytest.mark.parametrize("kind", ["volumes"])
def test_a_volume_that_fails_is_deleted_with_its_image(house, before, kind):
    house.cinder.breaks.add(kind)
    with pytest.raises(exception.RestoreResourceFailed, match="'error'"):
        house.restore(*UNTIL_MAIN)
    assert house.new_resources == {}
    for _twice in range(2):
        house.restore("on_revert")
    assert house.cinder.listing() == before


def test_a_full_glance_is_the_reason(house, before):
    house.images.room = 1000
    with pytest.raises(exception.RestoreResourceFailed, match="store is full"):
        house.restore(*UNTIL_MAIN)
    house.restore("on_revert")
    assert house.cinder.listing() == before


def test_an_image_that_glance_keeps_for_its_volume_is_told(house):
    house.images.failing["DELETE"] = [409]
    made = house.restore()
    assert house.cinder.data[made["id"]] == house.data
    (image_id,) = house.images.images
    assert image_id in house.remark()
    assert "left behind" in house.remark()


def test_what_another_resource_fails_is_kept_under_its_name(house):
    made = house.restore(*UNTIL_MAIN)
    house.restore("on_revert")
    assert made["name"] == "data"
    assert made["id"] in house.remark()


def test_killed_at_any_wait_it_goes_on_and_makes_one_volume(house, before):
    for waits in range(MANY_WAITS):
        was_cut = house.cut("restore", "on_main", waits)
        made = house.restore("on_main")
        house.restore("on_complete")
        assert house.cinder.listing() - before == {("volumes", made["id"], "data")}
        del house.cinder.things["volumes"][made["id"]]
        if not was_cut:
            break
    assert waits > 2


def test_killed_and_reverted_at_any_wait_it_leaves_nothing_half_made(house, before):
    for waits in range(MANY_WAITS):
        was_cut = house.cut("restore", "on_main", waits)
        house.restore("on_revert")
        left = house.cinder.listing() - before
        assert {kind for kind, _id, name in left if name != "data"} == set()
        if not was_cut:
            return
    pytest.fail("the hook has no end")


def test_damaged_data_makes_no_volume(house, before):
    house.section.delete_stream("data")
    with pytest.raises(exception.RestoreResourceFailed):
        house.restore(*UNTIL_MAIN)
    house.restore("on_revert")
    assert house.cinder.listing() == before


def test_a_checkpoint_of_karbor_1_is_restored(house):
    house.checkpoint = house.new_checkpoint()
    pieces = [house.data[:60_000], house.data[60_000:]]
    for number, piece in enumerate(pieces, start=1):
        house.section.update_object(f"data_{number}", piece)
    checksum = hashlib.md5(house.data, usedforsecurity=False).hexdigest()
    house.section.update_object(
        "metadata",
        {
            "volume_id": house.volume_id,
            "volume_size": 1,
            "chunks_num": 2,
            "image_metadata": {
                "checksum": checksum,
                "disk_format": "raw",
                "container_format": "bare",
            },
        },
    )
    house.section.update_object("status", "available")
    assert house.verify() == "available"
    made = house.restore(restore_name="again")
    assert house.cinder.data[made["id"]] == house.data
    assert made["bootable"] == "true", "as Cinder made it: nothing else is known"
    house.delete()
    assert house.section.list_objects() == []


def test_killed_at_any_wait_and_deleted_nothing_half_made_is_left(new_house):
    for waits in range(MANY_WAITS):
        house = new_house(VolumeGlanceProtectionPlugin)
        before = house.cinder.listing()
        house.protect()
        was_cut = house.cut("restore", "on_main", waits)
        house.delete()
        left = house.cinder.listing() - before
        assert {name for _kind, _id, name in left} <= {"data"}, "which is whole"
        if not was_cut:
            assert len(left) == 1
            return
    pytest.fail("the hook has no end")
