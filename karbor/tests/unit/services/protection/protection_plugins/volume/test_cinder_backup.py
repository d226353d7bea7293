# SPDX-License-Identifier: Apache-2.0
"""Protecting volumes by backups in Cinder."""

import pytest

from karbor import exception
from karbor.services.protection.protection_plugins.volume.cinder_protection_plugin import (  # noqa: E501
    CinderBackupProtectionPlugin,
)
from karbor.tests.unit.services.protection.protection_plugins.volume.house import (
    UNTIL_MAIN,
)

MANY_WAITS = 20


@pytest.fixture
def house(new_house):
    return new_house(CinderBackupProtectionPlugin)


@pytest.fixture
def before(house):
    return house.cinder.listing()


def backup(house):
    info = house.plugin.get_saved_info(house.section, house.resource)
    return house.cinder.things["backups"][info["backup_id"]]


def test_a_backup_of_a_snapshot_is_all_that_is_left(house, before):
    house.protect(
        backup_name="nightly",
        description="of the shop",
        container="vault",
        availability_zone="east",
    )
    made = backup(house)
    assert house.cinder.data[made["id"]] == house.data
    assert made["name"] == "nightly"
    assert made["description"] == "of the shop"
    assert made["container"] == "vault"
    assert made["availability_zone"] == "east"
    assert made["snapshot_id"]
    assert house.cinder.listing() - before == {("backups", made["id"], "nightly")}


def test_the_data_is_that_of_the_moment_of_preparing(house):
    house.volume["status"] = "in-use"
    house.protect("on_prepare_finish")
    house.cinder.data[house.volume_id] = b"written later"
    house.protect("on_main")
    assert house.cinder.data[backup(house)["id"]] == house.data


def test_without_a_snapshot_the_volume_itself_is_backed_up(house):
    house.option("backup_from_snapshot", False)
    house.protect()
    assert backup(house)["snapshot_id"] is None
    assert house.cinder.calls("POST", "snapshots") == []


def test_without_a_snapshot_an_attached_volume_needs_force(house):
    house.option("backup_from_snapshot", False)
    house.volume["status"] = "in-use"
    with pytest.raises(exception.CreateResourceFailed, match="force"):
        house.protect("on_prepare_finish")
    house.protect(force=True)
    assert house.cinder.data[backup(house)["id"]] == house.data


def test_the_automatic_mode_builds_on_what_there_is(house):
    house.protect(backup_mode="auto")
    assert backup(house)["is_incremental"] is False
    house.checkpoint = house.new_checkpoint()
    house.protect(backup_mode="auto")
    assert backup(house)["is_incremental"] is True


def test_the_automatic_mode_is_full_when_the_volume_has_grown(house):
    sizes = (1, 2, 2)
    for size, is_incremental in zip(sizes, (False, False, True), strict=True):
        house.volume["size"] = size
        house.checkpoint = house.new_checkpoint()
        house.protect(backup_mode="auto")
        assert backup(house)["is_incremental"] is is_incremental


def test_the_automatic_mode_looks_at_the_backup_of_the_latest_data(house):
    house.protect("on_prepare_finish")
    house.volume["size"] = 2
    first, house.checkpoint = house.checkpoint, house.new_checkpoint()
    house.protect()
    # Made later, of earlier data, and of a smaller volume.
    house.checkpoint, house.volume["size"] = first, 1
    house.protect("on_main")
    house.checkpoint, house.volume["size"] = house.new_checkpoint(), 2
    house.protect(backup_mode="auto")
    assert backup(house)["is_incremental"] is True


def test_a_volume_that_grows_before_it_is_backed_up_is_as_large_as_its_backup(house):
    house.protect("on_prepare_finish")
    house.volume["size"] = 2
    house.protect("on_main", "on_complete")
    assert house.verify() == "available"
    assert house.restore()["size"] == 2


def test_the_default_is_full(house):
    for _each in range(2):
        house.checkpoint = house.new_checkpoint()
        house.protect()
        assert backup(house)["is_incremental"] is False


def test_incremental_without_a_base_is_cinders_refusal(house, before):
    with pytest.raises(exception.CreateResourceFailed, match="No backups available"):
        house.protect(*UNTIL_MAIN, backup_mode="incremental")
    house.protect("on_revert")
    assert house.cinder.listing() == before


def test_a_base_is_deleted_after_what_builds_on_it(house, before):
    house.protect()
    first, base = house.checkpoint, backup(house)["id"]
    house.checkpoint = house.new_checkpoint()
    house.protect(backup_mode="incremental")
    second, later = house.checkpoint, backup(house)["id"]
    house.checkpoint = first
    with pytest.raises(exception.DeleteResourceFailed) as caught:
        house.delete()
    assert base in str(caught.value)
    assert later in str(caught.value)
    for checkpoint in (second, first):
        house.checkpoint = checkpoint
        house.delete()
        assert house.section.list_objects() == []
    assert house.cinder.listing() == before


def test_a_backup_that_fails_tells_why_and_is_taken_back(house, before):
    house.cinder.breaks.add("backups")
    with pytest.raises(exception.CreateResourceFailed, match="'error'"):
        house.protect(*UNTIL_MAIN)
    for _twice in range(2):
        house.protect("on_revert")
    assert house.cinder.listing() == before
    assert house.section.list_objects() == []


def test_when_another_resource_fails_the_backup_is_taken_back(house, before):
    house.protect()
    house.protect("on_revert")
    assert house.cinder.listing() == before
    assert house.section.list_objects() == []


def test_killed_at_any_wait_it_goes_on_and_makes_one_backup(house, before):
    for waits in range(MANY_WAITS):
        house.checkpoint = house.new_checkpoint()
        house.protect("on_prepare_finish")
        was_cut = house.cut("protect", "on_main", waits)
        house.protect("on_main")
        made = backup(house)
        assert house.cinder.listing() - before == {
            ("backups", made["id"], made["name"])
        }
        house.delete()
        if not was_cut:
            break
    assert waits > 1
    assert house.cinder.listing() == before


def test_killed_and_reverted_at_any_wait_it_leaves_nothing(house, before):
    for waits in range(MANY_WAITS):
        house.checkpoint = house.new_checkpoint()
        house.protect("on_prepare_finish")
        was_cut = house.cut("protect", "on_main", waits)
        house.protect("on_revert")
        assert house.cinder.listing() == before
        if not was_cut:
            return
    pytest.fail("the hook has no end")


def test_all_of_the_volume_comes_back(house):
    house.volume.update(
        volume_type="slow",
        bootable="true",
        metadata={"tier": "1"},
        volume_image_metadata={"os_distro": "debian"},
    )
    house.protect()
    made = house.restore(restore_name="again", restore_description="a trial")
    assert house.cinder.data[made["id"]] == house.data
    assert made["name"] == "again"
    assert made["description"] == "a trial"
    assert made["volume_type"] == "slow"
    assert made["metadata"] == {"tier": "1"}
    assert made["bootable"] == "true"
    assert made["volume_image_metadata"] == {"os_distro": "debian"}


def test_a_given_volume_is_overwritten_and_keeps_its_name(house):
    house.protect()
    target = house.cinder.add_volume(b"old", name="mine", size=2)
    made = house.restore(volume_id=target)
    assert made["id"] == target
    assert house.cinder.data[target] == house.data
    assert made["name"] == "mine"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "in-use"}, "detach it"),
        ({"status": "restoring-backup"}, "or wait"),
        ({"size": 0}, "does not fit"),
    ],
)
def test_a_given_volume_must_fit(house, fields, reason):
    house.protect()
    target = house.cinder.add_volume(b"old", **fields)
    with pytest.raises(exception.RestoreResourceFailed, match=reason):
        house.restore(*UNTIL_MAIN, volume_id=target)
    house.restore("on_revert", volume_id=target)
    assert house.cinder.data[target] == b"old"
    assert "neither its old data" not in house.remark()


def test_killed_while_it_overwrites_a_given_volume_it_goes_on(house):
    house.protect()
    target = house.cinder.add_volume(b"old", name="mine")
    assert house.cut("restore", "on_main", 0, parameters={"volume_id": target})
    assert house.cinder.things["volumes"][target]["status"] == "restoring-backup"
    house.restore(volume_id=target)
    assert house.cinder.data[target] == house.data
    restores = [
        one for one in house.cinder.calls("POST", "backups") if "restore" in one.path
    ]
    assert len(restores) == 1


def test_a_given_volume_must_exist(house):
    house.protect()
    with pytest.raises(exception.RestoreResourceFailed, match="another volume_id"):
        house.restore(*UNTIL_MAIN, volume_id="nowhere")


def test_a_given_volume_that_is_half_overwritten_is_told(house):
    house.protect()
    target = house.cinder.add_volume(b"old", name="mine")
    house.cinder.breaks.add("volumes")
    with pytest.raises(exception.RestoreResourceFailed):
        house.restore(*UNTIL_MAIN, volume_id=target)
    house.restore("on_revert", volume_id=target)
    assert "neither its old data" in house.remark()
    assert target in house.cinder.things["volumes"]


def test_in_another_project_the_error_says_what_would_help(house):
    house.protect()
    house.cinder.things["backups"].clear()
    with pytest.raises(exception.RestoreResourceFailed, match="volume-glance-plugin"):
        house.restore(*UNTIL_MAIN)


def test_a_restore_that_fails_leaves_nothing(house):
    house.protect()
    before = house.cinder.listing()
    house.cinder.breaks.add("volumes")
    with pytest.raises(exception.RestoreResourceFailed, match="'error'"):
        house.restore(*UNTIL_MAIN)
    house.restore("on_revert")
    assert house.cinder.listing() == before


def test_verifying_looks_at_state_and_size(house):
    house.protect()
    assert house.verify() == "available"
    backup(house).update(size=7)
    with pytest.raises(exception.VerifyResourceFailed, match="has 7 GiB"):
        house.verify()
    backup(house).update(size=1, status="error", fail_reason="No space left.")
    with pytest.raises(exception.VerifyResourceFailed, match="No space left"):
        house.verify()


def test_a_copy_is_refused_before_it_begins(house):
    house.protect()
    with pytest.raises(exception.CreateResourceFailed, match="glance-plugin"):
        house.call("copy", ["on_prepare_begin"], {}, checkpoint_copy=None)


def test_deleting_goes_on_when_somebody_has_deleted_the_backup(house):
    house.protect()
    house.cinder.things["backups"].clear()
    house.delete()
    assert house.section.list_objects() == []


def test_a_checkpoint_of_karbor_1_is_restored_and_deleted(house):
    house.volume["metadata"] = {"tier": "1"}
    house.protect()
    backup_id = backup(house)["id"]
    house.checkpoint = house.new_checkpoint()
    house.section.update_object(
        "metadata", {"volume_id": house.volume_id, "backup_id": backup_id}
    )
    assert house.verify() == "available"
    made = house.restore()
    assert house.cinder.data[made["id"]] == house.data
    assert made["metadata"] == {"tier": "1"}, "as Cinder put it back"
    house.delete()
    assert house.cinder.things["backups"] == {}


def test_killed_at_any_wait_and_deleted_it_leaves_nothing(house, before):
    for waits in range(MANY_WAITS):
        house.checkpoint = house.new_checkpoint()
        house.protect("on_prepare_finish")
        was_cut = house.cut("protect", "on_main", waits)
        house.delete()
        assert house.cinder.listing() == before
        if not was_cut:
            return
    pytest.fail("the hook has no end")


def test_a_restore_that_was_killed_is_cleaned_up_with_its_checkpoint(house, before):
    house.protect()
    assert house.cut("restore", "on_main", 0)
    house.delete()
    assert house.cinder.listing() == before


def test_all_that_a_revert_could_not_delete_is_named(house):
    house.conf.set_override("retries", 0, "cinder_client")
    house.protect("on_prepare_finish")
    house.cut("protect", "on_main", 0)
    house.cinder.failing["GET backups"] = [503]
    house.cinder.failing["GET snapshots"] = [503]
    with pytest.raises(exception.KarborException) as caught:
        house.protect("on_revert")
    for text in ("volume backup karbor-", "volume snapshot karbor-"):
        assert text in str(caught.value)


def test_what_builds_on_a_backup_is_found_before_anything_is_deleted(house):
    house.protect()
    first = house.checkpoint
    house.checkpoint = house.new_checkpoint()
    house.protect(backup_mode="incremental")
    house.checkpoint = first
    with pytest.raises(exception.DeleteResourceFailed, match="build on it"):
        house.call("delete", ["on_prepare_begin"], {}, operation_log=None)


def test_messages_that_cannot_be_read_hide_no_status(house):
    house.protect()
    backup(house)["status"] = "error"
    house.cinder.failing["GET messages"] = [403]
    with pytest.raises(exception.VerifyResourceFailed, match="is 'error'"):
        house.verify()
