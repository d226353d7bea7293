# SPDX-License-Identifier: Apache-2.0
"""What is the S3 bank's own: pages both ways, leases by its clock, abilities."""

import json
import time

import boto3
import pytest

from karbor import exception
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.bank_plugins.s3 import listing, objects
from karbor.tests.fakes.s3_bank import s3_bank


@pytest.fixture
def make(s3_server, container):
    """``make(option=value, …)`` gives a plugin on one bucket."""

    def make(**options):
        return s3_bank(s3_server.endpoint, bank_s3_object_bucket=container, **options)

    return make


@pytest.fixture
def bank_plugin(make):
    return make()


@pytest.fixture
def client(s3_server):
    return boto3.session.Session().client(
        "s3",
        endpoint_url=s3_server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test:tester",
        aws_secret_access_key="testing",
    )


def test_what_the_server_can_do_is_found_out(bank_plugin, s3_server):
    bank_plugin.update_object("/value", 1)

    found = bank_plugin.capabilities

    # moto says it is AmazonS3 by none of its headers.
    conditional = s3_server.name == "Moto"
    assert found == BankCapabilities(
        atomic_create=conditional, compare_and_swap=conditional
    )
    assert bank_plugin.list_objects() == ["/value"]


@pytest.mark.parametrize("sort_dir", ["asc", "desc"])
@pytest.mark.parametrize("limit", [None, 5, 45])
def test_a_listing_goes_on_over_pages(bank_plugin, monkeypatch, sort_dir, limit):
    """As one of more than 1,000 objects does."""
    monkeypatch.setattr(objects, "_PAGE", 3)
    monkeypatch.setattr(listing, "_ENOUGH", 1)
    keys = sorted(f"/folder/{number:02}-é" for number in range(40))
    for key in keys:
        bank_plugin.update_object(key, None)
    bank_plugin.update_object("/other", None)

    found = bank_plugin.list_objects("/folder/", limit=limit, sort_dir=sort_dir)
    middle = bank_plugin.list_objects(
        "/folder/", limit=limit, sort_dir=sort_dir, marker=keys[30]
    )

    backwards = sort_dir == "desc"
    assert found == (keys[::-1] if backwards else keys)[:limit]
    assert middle == (keys[29::-1] if backwards else keys[31:])[:limit]


def test_objects_that_are_no_keys_are_passed_over(bank_plugin, client, container):
    bank_plugin.update_object("/b", 1)
    for name in ("a/", "c/../b"):
        client.put_object(Bucket=container, Key=name, Body=b"someone else's")

    assert bank_plugin.list_objects() == ["/b"]
    assert bank_plugin.list_objects(limit=1) == ["/b"]
    assert bank_plugin.list_objects(limit=1, sort_dir="desc") == ["/b"]


def test_a_prefix_keeps_banks_of_one_bucket_apart(make):
    first = make(bank_s3_object_prefix="lab/")
    second = make(bank_s3_object_prefix="lab2/")
    first.update_object("/a/b", 1)
    second.update_object("/a/b", 2)

    assert first.get_object("/a/b") == 1
    assert first.list_objects() == ["/a/b"]
    assert first.list_objects(sort_dir="desc", limit=3) == ["/a/b"]
    assert make().list_objects() == ["/lab/a/b", "/lab2/a/b"]


def test_what_karbor_1_wrote_is_read(bank_plugin, client, container):
    bank_plugin.list_objects()
    for name, body, serialized in (
        ("json", json.dumps({"status": "available"}).encode(), "True"),
        ("text", b"some text", "False"),
    ):
        client.put_object(
            Bucket=container,
            Key=name,
            Body=body,
            Metadata={"x-object-meta-serialized": serialized},
        )

    assert bank_plugin.get_object("/json") == {"status": "available"}
    assert bank_plugin.get_object("/text") == "some text"


def test_a_lease_expires_by_the_clock_of_the_store(make, monkeypatch):
    owner = make(lease_expire_window=8, lease_renew_window=1, lease_validity_window=1)
    other = make()
    # Finding out what the store can do takes time that is not the lease's.
    for one in (owner, other):
        one.list_objects()
    # Clocks of services may say anything.
    monkeypatch.setattr("time.time", lambda: 0.0)
    owner.acquire_lease()
    assert other.check_lease_existence(owner.get_owner_id())

    give_up = time.monotonic() + 60
    while other.check_lease_existence(owner.get_owner_id()):
        assert time.monotonic() < give_up
        time.sleep(0.1)

    assert not owner.check_lease_validity()


def test_leases_of_the_long_dead_are_cleaned_up(make):
    dead = make(lease_expire_window=2, lease_renew_window=1, lease_validity_window=1)
    dead.acquire_lease()
    give_up = time.monotonic() + 60
    while True:
        living = make(
            lease_expire_window=8, lease_renew_window=1, lease_validity_window=1
        )
        living.acquire_lease()
        if dead.get_owner_id() not in str(dead.list_objects("/leases/")):
            break
        assert time.monotonic() < give_up
        time.sleep(0.3)

    assert living.check_lease_existence(living.get_owner_id())


def test_a_lease_that_is_none_is_an_error(bank_plugin):
    bank_plugin.update_object("/leases/odd", "no lease")

    with pytest.raises(exception.BankGetObjectFailed, match="/leases/odd"):
        bank_plugin.check_lease_existence("odd")


def test_a_bucket_that_is_gone_is_told(bank_plugin, client, container):
    bank_plugin.update_object("/value", 1)
    bank_plugin.delete_object("/value")
    client.delete_bucket(Bucket=container)

    with pytest.raises(exception.BankUpdateObjectFailed, match=f"{container}' is gone"):
        bank_plugin.update_object("/value", 2)
    with pytest.raises(exception.BankListObjectsFailed, match=f"{container}' is gone"):
        bank_plugin.list_objects()


def test_a_secret_key_that_is_wrong_is_told(swift_server, container):
    """moto takes any."""
    plugin = s3_bank(
        swift_server.endpoint, bank_s3_object_bucket=container, s3_secret_key="hunter2"
    )

    with pytest.raises(exception.BankListObjectsFailed, match="403") as caught:
        plugin.list_objects()

    assert "hunter2" not in str(caught.value)


def test_the_size_of_bytes_is_told_without_reading_them(bank_plugin):
    for size in (0, 1, 5000):
        bank_plugin.update_object("/a", b"x" * size)
        assert bank_plugin.stored_size("/a") == size
    for other in ("text", {"a": 1}, None):
        bank_plugin.update_object("/a", other)
        assert bank_plugin.stored_size("/a") is None
    with pytest.raises(exception.BankGetObjectFailed, match="no such object"):
        bank_plugin.stored_size("/b")
