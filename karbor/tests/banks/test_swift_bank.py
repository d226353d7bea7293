# SPDX-License-Identifier: Apache-2.0
"""What is Swift's own: pages, expiry, what Karbor 1.x wrote, what others put there."""

import json
import time

import pytest

from karbor import exception
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.bank_plugins import swift_bank_plugin
from karbor.tests.fakes.swift_bank import swift_bank


@pytest.fixture
def make(swift_server, container):
    """``make(option=value, …)`` gives a plugin on one container."""

    def make(**options):
        return swift_bank(
            swift_server.url, bank_swift_object_container=container, **options
        )

    return make


@pytest.fixture
def bank_plugin(make):
    return make()


@pytest.fixture
def connection(swift_server):
    connection = swift_server.connection()
    yield connection
    connection.close()


def test_it_promises_no_more_than_swift_does(bank_plugin):
    assert bank_plugin.capabilities == BankCapabilities()


@pytest.mark.parametrize("sort_dir", ["asc", "desc"])
@pytest.mark.parametrize("limit", [None, 5, 21, 24, 100])
def test_a_listing_goes_on_over_pages(bank_plugin, monkeypatch, sort_dir, limit):
    """As one of more than 10,000 objects does."""
    monkeypatch.setattr(swift_bank_plugin, "_PAGE", 7)
    keys = sorted(f"/folder/{number:02}-\U0001f4be" for number in range(24))
    for key in keys:
        bank_plugin.update_object(key, None)
    bank_plugin.update_object("/other", None)

    found = bank_plugin.list_objects("/folder/", limit=limit, sort_dir=sort_dir)

    assert found == (keys[::-1] if sort_dir == "desc" else keys)[:limit]


def test_objects_that_are_no_keys_are_passed_over(
    bank_plugin, connection, container, monkeypatch
):
    monkeypatch.setattr(swift_bank_plugin, "_PAGE", 2)
    bank_plugin.update_object("/b", 1)
    for name in ("a//x", "a/", "a/../b", "a\tb", "c/."):
        connection.put_object(container, name, b"someone else's")

    assert bank_plugin.list_objects() == ["/b"]
    assert bank_plugin.list_objects(limit=1) == ["/b"]


def test_a_prefix_keeps_banks_of_one_container_apart(make):
    first = make(bank_swift_object_prefix="lab/")
    second = make(bank_swift_object_prefix="lab2/")
    first.update_object("/a/b", 1)
    second.update_object("/a/b", 2)

    assert first.get_object("/a/b") == 1
    assert first.list_objects() == ["/a/b"]
    assert make().list_objects() == ["/lab/a/b", "/lab2/a/b"]


def test_what_karbor_1_wrote_is_read(make, connection, container):
    plugin = make(bank_swift_object_prefix="/")
    plugin.list_objects()
    for name, body, serialized in (
        ("/checkpoints/x/index.json", json.dumps({"status": "available"}), "True"),
        ("/checkpoints/x/text", "some text", "False"),
        ("/checkpoints/x/data_1", b"\xff\x00\x80", "False"),
    ):
        connection.put_object(
            container, name, body, headers={"x-object-meta-serialized": serialized}
        )
    connection.put_object(
        container, "/checkpoints/x/other", "[1]", content_type="application/json"
    )

    found = {key: plugin.get_object(key) for key in plugin.list_objects()}

    assert found == {
        "/checkpoints/x/data_1": b"\xff\x00\x80",
        "/checkpoints/x/index.json": {"status": "available"},
        "/checkpoints/x/other": [1],
        "/checkpoints/x/text": "some text",
    }


def test_a_body_that_its_metadata_belies_is_an_error(
    bank_plugin, connection, container
):
    bank_plugin.list_objects()
    for kind, body in (("json", b"{"), ("text", b"\xff"), ("martian", b"x")):
        headers = {"X-Object-Meta-Karbor-Value": kind}
        connection.put_object(container, "value", body, headers=headers)
        with pytest.raises(exception.BankGetObjectFailed, match="/value"):
            bank_plugin.get_object("/value")


def test_a_lease_expires_by_the_clock_of_swift(make, connection, container):
    owner = make(lease_expire_window=8, lease_renew_window=1, lease_validity_window=1)
    other = make()
    # The time of a login is not the lease's.
    for one in (owner, other):
        one.list_objects()
    owner.acquire_lease()
    headers = connection.head_object(container, f"leases/{owner.get_owner_id()}")
    assert other.check_lease_existence(owner.get_owner_id())
    assert "x-delete-at" in headers

    give_up = time.monotonic() + 60
    while other.check_lease_existence(owner.get_owner_id()):
        assert time.monotonic() < give_up
        time.sleep(0.1)

    assert not owner.check_lease_validity()
    owner.renew_lease()
    assert other.check_lease_existence(owner.get_owner_id())


def test_expired_leases_leave_the_container(make):
    owner = make(lease_expire_window=8, lease_renew_window=1, lease_validity_window=1)
    owner.list_objects()
    owner.acquire_lease()
    assert owner.list_objects("/leases/")

    give_up = time.monotonic() + 90
    while owner.list_objects("/leases/"):
        assert time.monotonic() < give_up
        time.sleep(0.2)


def test_a_container_that_is_gone_is_told(bank_plugin, connection, container):
    bank_plugin.update_object("/value", 1)
    bank_plugin.delete_object("/value")
    connection.delete_container(container)

    with pytest.raises(exception.BankUpdateObjectFailed, match=f"{container}' is gone"):
        bank_plugin.update_object("/value", 2)
    with pytest.raises(exception.BankListObjectsFailed, match=f"{container}' is gone"):
        bank_plugin.list_objects()


def test_a_value_that_json_cannot_say_is_refused(bank_plugin):
    with pytest.raises(exception.BankUpdateObjectFailed, match="cannot be kept"):
        bank_plugin.update_object("/value", object())


def test_a_server_that_is_down_is_told_and_used_when_it_is_back(own_swift):
    plugin = swift_bank(own_swift.url, swift_retry_attempts=1)
    plugin.update_object("/value", 1)

    own_swift.stop()
    with pytest.raises(exception.BankGetObjectFailed, match="refused"):
        plugin.get_object("/value")

    own_swift.start()
    assert plugin.get_object("/value") == 1


def test_a_storage_server_that_hangs_makes_clear_errors(own_swift):
    plugin = swift_bank(own_swift.url, swift_retry_attempts=0)
    plugin.update_object("/value", "old")

    with own_swift.paused("swift.obj.server"):
        with pytest.raises(exception.BankUpdateObjectFailed, match="503"):
            plugin.update_object("/value", "new")
        with pytest.raises(exception.BankGetObjectFailed):
            plugin.get_object("/value")
        assert plugin.list_objects() == ["/value"]

    assert plugin.get_object("/value") in ("old", "new")


def test_the_size_of_bytes_is_told_without_reading_them(bank_plugin):
    for size in (0, 1, 5000):
        bank_plugin.update_object("/a", b"x" * size)
        assert bank_plugin.stored_size("/a") == size
    for other in ("text", {"a": 1}, None):
        bank_plugin.update_object("/a", other)
        assert bank_plugin.stored_size("/a") is None
    with pytest.raises(exception.BankGetObjectFailed, match="no such object"):
        bank_plugin.stored_size("/b")
