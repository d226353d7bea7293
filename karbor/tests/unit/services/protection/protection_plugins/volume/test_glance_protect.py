# SPDX-License-Identifier: Apache-2.0
"""Protecting a volume's data by way of Glance, and what may go wrong on it."""

import pytest

from karbor import exception
from karbor.services.protection.protection_plugins.volume.volume_glance_plugin import (
    VolumeGlanceProtectionPlugin,
)
from karbor.tests.unit.services.protection.protection_plugins.volume.house import (
    UNTIL_MAIN,
)

#: More than a protect's main hook has.
MANY_WAITS = 20


@pytest.fixture
def house(new_house):
    return new_house(VolumeGlanceProtectionPlugin)


@pytest.fixture
def before(house):
    return house.cinder.listing()


def saved(house):
    info = house.plugin.get_saved_info(house.section, house.resource)
    return info and info["size"]


def test_data_and_description_are_in_the_bank_and_nothing_else_is_left(house, before):
    house.protect(backup_name="nightly", description="of the database")
    info = house.plugin.get_saved_info(house.section, house.resource)
    assert info["size"] == len(house.data)
    assert info["backup_name"] == "nightly"
    assert info["description"] == "of the database"
    assert info["volume_metadata"]["name"] == "data"
    assert house.cinder.listing() == before
    assert not [key for key in house.section.list_objects() if key.startswith("notes")]


def test_the_data_is_that_of_the_moment_of_preparing(house):
    house.protect("on_prepare_finish")
    house.cinder.data[house.volume_id] = b"written later"
    house.protect("on_main")
    with house.section.open_stream("data") as stream:
        assert stream.read() == house.data


def test_snapshot_and_volume_are_gone_before_the_data_is_read(house):
    house.protect()
    deletions = house.cinder.calls("DELETE", "volumes") + house.cinder.calls(
        "DELETE", "snapshots"
    )
    assert len(deletions) == 2
    last = house.images.requests
    assert [request.method for request in last if "/file" in request.path] == ["GET"]


def test_an_attached_volume_is_protected_while_it_is_used(house):
    house.volume["status"] = "in-use"
    house.protect()
    assert saved(house) == len(house.data)


def test_progress_counts_all_bytes_of_the_volume(house):
    house.protect()
    sums = house.progress.snapshot()
    assert sums["bytes_total"] == 1024**3
    assert sums["bytes_done"] == len(house.data)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("error", "repair it first"),
        ("error_extending", "repair it first"),
        ("awaiting-transfer", "its transfer"),
        ("maintenance", "its migration"),
        ("deleting", "out of the plan"),
    ],
)
def test_a_state_that_forbids_it_is_an_error_with_advice(house, before, status, advice):
    house.volume["status"] = status
    house.cinder.messages[house.volume_id] = "The disk is on fire."
    with pytest.raises(exception.CreateResourceFailed) as caught:
        house.protect("on_prepare_finish")
    for part in (f"'{status}'", advice, "The disk is on fire", house.volume_id):
        assert part in str(caught.value)
    assert house.cinder.listing() <= before


def test_a_state_that_passes_is_waited_for(house):
    house.volume["status"] = "restoring-backup"
    house.protect()
    assert saved(house) == len(house.data)


def test_an_encrypted_volume_is_refused(house, before):
    house.volume["encrypted"] = True
    with pytest.raises(exception.CreateResourceFailed, match="key that stays"):
        house.protect("on_prepare_finish")
    assert house.cinder.listing() == before


def test_a_vanished_volume_is_named(house):
    house.cinder.drop_volume(house.volume_id)
    with pytest.raises(exception.CreateResourceFailed, match="called 'data'") as caught:
        house.protect("on_prepare_finish")
    assert house.volume_id in str(caught.value)


def test_a_snapshot_that_fails_tells_cinders_reason_and_is_taken_back(house, before):
    house.cinder.breaks.add("snapshots")
    with pytest.raises(exception.CreateResourceFailed, match="'error'"):
        house.protect("on_prepare_finish")
    house.protect("on_revert")
    assert house.cinder.listing() == before
    assert house.section.list_objects() == []


def test_a_snapshot_that_never_ends_is_left_to_an_administrator(house):
    house.cinder.stuck.add("snapshots")
    house.option("status_timeout", 0.1)
    with pytest.raises(exception.CreateResourceFailed, match="status_timeout"):
        house.protect("on_prepare_finish")
    (snapshot_id,) = house.cinder.things["snapshots"]
    with pytest.raises(exception.KarborException, match="left behind") as caught:
        house.protect("on_revert")
    assert snapshot_id in str(caught.value)
    house.cinder.stuck.clear()
    house.protect("on_revert")
    assert house.cinder.things["snapshots"] == {}


@pytest.mark.parametrize("kind", ["snapshots", "volumes", "uploads"])
def test_whatever_breaks_nothing_is_left(house, before, kind):
    house.cinder.breaks.add(kind)
    with pytest.raises(exception.CreateResourceFailed):
        house.protect(*UNTIL_MAIN)
    for _twice in range(2):
        house.protect("on_revert")
    assert house.cinder.listing() == before
    assert house.section.list_objects() == []


def test_a_full_glance_is_the_reason(house, before):
    house.images.room = 1000
    with pytest.raises(exception.CreateResourceFailed) as caught:
        house.protect(*UNTIL_MAIN)
    assert "Failed to upload volume to image" in str(caught.value)
    assert "room for 1 GiB" in str(caught.value)
    house.protect("on_revert")
    assert house.cinder.listing() == before


@pytest.mark.parametrize("call", ["POST snapshots", "POST volumes"])
def test_a_cinder_that_fails_in_the_middle_leaves_nothing(house, before, call):
    house.cinder.failing[call] = [500]
    with pytest.raises(exception.CreateResourceFailed, match="made to fail"):
        house.protect(*UNTIL_MAIN)
    house.protect("on_revert")
    assert house.cinder.listing() == before


@pytest.mark.parametrize("call", ["DELETE volumes", "DELETE snapshots"])
def test_a_deletion_is_asked_for_again_when_cinder_fails(house, before, call):
    house.cinder.failing[call] = [500, 503]
    house.protect()
    assert house.cinder.listing() == before


def test_a_deletion_that_cinder_refuses_is_reported_by_name(house):
    house.cinder.breaks.add("deletions")
    with pytest.raises(exception.CreateResourceFailed, match="left behind") as caught:
        house.protect(*UNTIL_MAIN)
    (temporary,) = house.cinder.things["volumes"].keys() - {house.volume_id}
    assert temporary in str(caught.value)
    assert "error_deleting" in str(caught.value)


def test_a_glance_that_gives_other_data_is_found_out(house, before):
    house.protect("on_prepare_finish")
    fill = house.images.fill

    def fill_badly(image_id, data):
        fill(image_id, data)
        house.images.data[image_id] = b"x" * len(data)

    house.images.fill = fill_badly
    with pytest.raises(exception.CreateResourceFailed, match="other data"):
        house.protect("on_main")
    house.protect("on_revert")
    assert house.cinder.listing() == before


def test_back_ends_that_keep_a_snapshot_for_its_volume_are_served(house, before):
    house.cinder.is_cloning = True
    house.protect()
    assert house.cinder.listing() == before


def test_main_needs_what_was_prepared(house):
    with pytest.raises(exception.CreateResourceFailed, match="not prepared"):
        house.protect("on_main")


def test_a_snapshot_that_somebody_deletes_is_an_error(house):
    house.protect("on_prepare_finish")
    house.cinder.things["snapshots"].clear()
    with pytest.raises(exception.CreateResourceFailed, match="snapshot is gone"):
        house.protect("on_main")


def test_killed_at_any_wait_it_goes_on_in_another_process(house, before):
    house.protect("on_prepare_finish")
    made = set()
    for waits in range(MANY_WAITS):
        house.checkpoint = house.new_checkpoint()
        house.protect("on_prepare_finish")
        was_cut = house.cut("protect", "on_main", waits)
        house.protect("on_main")
        assert saved(house) == len(house.data)
        made.add(len(house.cinder.calls("POST", "snapshots")))
        if not was_cut:
            break
    else:
        pytest.fail("the hook has no end")
    assert waits > 3
    house.protect("on_revert")
    left = house.cinder.listing() - before
    assert {kind for kind, _id, _name in left} == {"snapshots"}, "of the first prepare"


def test_killed_while_it_prepares_it_makes_no_second_snapshot(house):
    assert house.cut("protect", "on_prepare_finish", 0)
    house.protect("on_prepare_finish")
    assert len(house.cinder.things["snapshots"]) == 1


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


def test_killed_at_any_wait_and_deleted_it_leaves_nothing(house, before):
    for waits in range(MANY_WAITS):
        house.checkpoint = house.new_checkpoint()
        house.protect("on_prepare_finish")
        was_cut = house.cut("protect", "on_main", waits)
        house.delete()
        assert house.cinder.listing() == before
        assert house.section.list_objects() == []
        if not was_cut:
            return
    pytest.fail("the hook has no end")


def test_what_cannot_be_deleted_keeps_the_checkpoint_until_it_can(house, before):
    house.protect("on_prepare_finish")
    house.cinder.breaks.add("deletions")
    with pytest.raises(exception.DeleteResourceFailed, match="left behind"):
        house.delete()
    house.cinder.breaks.clear()
    (snapshot,) = house.cinder.things["snapshots"].values()
    snapshot["status"] = "available"
    house.delete()
    assert house.cinder.listing() == before


def test_deleting_what_is_whole_asks_neither_cinder_nor_glance(house):
    house.protect()

    def asked():
        calls = [house.cinder.calls("GET", one) for one in ("volumes", "snapshots")]
        return [len(each) for each in (*calls, house.images.requests)]

    before = asked()
    house.delete()
    assert asked() == before


def test_a_revert_goes_on_when_glance_does_not_answer(house, before):
    house.conf.set_override("retries", 0, "glance_client")
    house.protect("on_prepare_finish")
    house.cut("protect", "on_main", 2)
    (image,) = house.images.images.values()
    house.images.failing["GET"] = [503]
    with pytest.raises(exception.KarborException) as caught:
        house.protect("on_revert")
    assert image["name"] in str(caught.value)
    assert "made to fail" in str(caught.value)
    assert house.cinder.listing() - before == {("images", image["id"], image["name"])}
    house.protect("on_revert")
    assert house.cinder.listing() == before


def test_messages_that_cannot_be_read_hide_no_reason(house):
    house.volume["status"] = "error"
    house.cinder.failing["GET messages"] = [403]
    with pytest.raises(exception.CreateResourceFailed, match="repair it") as caught:
        house.protect("on_prepare_finish")
    assert "cannot be asked" in str(caught.value)


def test_a_full_glance_is_told_without_messages(house):
    house.images.room = 1000
    house.cinder.failing["GET messages"] = [403]
    with pytest.raises(exception.CreateResourceFailed, match="room for 1 GiB"):
        house.protect(*UNTIL_MAIN)
