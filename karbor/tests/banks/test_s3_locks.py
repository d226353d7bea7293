# SPDX-License-Identifier: Apache-2.0
"""What is the S3 bank's own about locked objects: the bucket, versions, modes."""

import datetime
import logging

import boto3
import botocore.exceptions
import pytest

from karbor import exception
from karbor.tests.fakes.s3_bank import s3_bank

UNTIL = datetime.datetime(2126, 12, 24, 18, 30, tzinfo=datetime.UTC)
CHUNK = "/chunks/project/data/ab/abcdef.10.0123456789ab"


@pytest.fixture
def client(moto_server):
    return boto3.session.Session().client(
        "s3",
        endpoint_url=moto_server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test:tester",
        aws_secret_access_key="testing",
    )


@pytest.fixture
def make(moto_server, container):
    def make(**options):
        return s3_bank(moto_server.endpoint, bank_s3_object_bucket=container, **options)

    return make


@pytest.fixture
def bank(make):
    return make(bank_s3_object_lock=True)


def test_a_bucket_with_object_lock_is_noticed(make, client, container):
    client.create_bucket(Bucket=container, ObjectLockEnabledForBucket=True)
    plugin = make()

    assert plugin.capabilities.object_lock
    plugin.update_object("/a", b"kept")
    plugin.lock_object("/a", UNTIL)
    with pytest.raises(exception.BankObjectLocked, match="2126-12-24T18:30:00"):
        plugin.delete_object("/a")


def test_a_bucket_without_it_says_what_to_do(make, client, container, caplog):
    client.create_bucket(Bucket=container)
    plugin = make(bank_s3_object_lock=True)
    with caplog.at_level(logging.WARNING):
        plugin.update_object("/a", b"1")
    assert f"'{container}' was made without object lock" in caplog.text
    assert not plugin.capabilities.object_lock

    with pytest.raises(exception.BankLockNotSupported, match="without object lock"):
        plugin.lock_object("/a", UNTIL)

    assert plugin.locked_until("/a") is None
    plugin.delete_object("/a")


def test_a_store_without_it_says_so(swift_server, container):
    plugin = s3_bank(
        swift_server.endpoint,
        bank_s3_object_bucket=container,
        bank_s3_object_lock=True,
    )
    plugin.update_object("/a", b"1")
    assert not plugin.capabilities.object_lock

    with pytest.raises(exception.BankLockNotSupported, match=r"object lock") as refused:
        plugin.lock_object("/a", UNTIL)

    assert "/a" in str(refused.value)
    plugin.delete_object("/a")


def test_a_bucket_that_locks_everything_is_not_used_for_locks(make, client, container):
    client.create_bucket(Bucket=container, ObjectLockEnabledForBucket=True)
    client.put_object_lock_configuration(
        Bucket=container,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    plugin = make()
    plugin.acquire_lease()
    plugin.update_object("/a", b"1")

    assert not plugin.capabilities.object_lock
    with pytest.raises(exception.BankLockNotSupported, match="default retention"):
        plugin.lock_object("/a", UNTIL)
    # As in any bucket with versions: gone for us, kept by the store.
    plugin.delete_object("/a")
    assert plugin.list_objects("/a") == []


def test_old_versions_are_cleaned_in_a_bucket_that_karbor_made(bank, client, container):
    bank.update_object("/a", b"1")

    rules = client.get_bucket_lifecycle_configuration(Bucket=container)["Rules"]

    assert rules[0]["Status"] == "Enabled"
    assert rules[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_the_store_itself_keeps_what_is_locked(make, client, container, mode):
    bank = make(bank_s3_object_lock=True, bank_s3_lock_mode=mode)
    bank.update_object(CHUNK, b"kept")
    bank.lock_object(CHUNK, UNTIL)

    found = client.head_object(Bucket=container, Key=CHUNK[1:])

    assert found["ObjectLockMode"] == mode.upper()
    assert found["ObjectLockRetainUntilDate"] == UNTIL
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        client.delete_object(
            Bucket=container, Key=CHUNK[1:], VersionId=found["VersionId"]
        )


def test_what_is_hidden_past_the_bank_comes_back(bank, client, container):
    """As the operator's page tells: the markers are deleted, not the versions."""
    bank.update_object(CHUNK, b"kept")
    bank.lock_object(CHUNK, UNTIL)
    marker = client.delete_object(Bucket=container, Key=CHUNK[1:])
    with pytest.raises(exception.BankGetObjectFailed):
        bank.get_object(CHUNK)

    client.delete_object(Bucket=container, Key=CHUNK[1:], VersionId=marker["VersionId"])

    assert bank.get_object(CHUNK) == b"kept"
    assert bank.locked_until(CHUNK) == UNTIL


def test_compliance_is_not_weakened_by_who_only_governs(make, client, container):
    strict = make(bank_s3_object_lock=True, bank_s3_lock_mode="compliance")
    strict.update_object("/a", b"kept")
    strict.lock_object("/a", UNTIL)
    later = UNTIL + datetime.timedelta(days=1)

    make(bank_s3_lock_mode="governance").lock_object("/a", later)

    found = client.head_object(Bucket=container, Key="a")
    assert found["ObjectLockMode"] == "COMPLIANCE"
    assert found["ObjectLockRetainUntilDate"] == later


def test_a_chunk_that_is_there_is_replaced_when_it_is_not_locked(bank):
    bank.update_object(CHUNK, b"first")
    bank.update_object(CHUNK, b"second")

    assert bank.get_object(CHUNK) == b"second"
    assert bank.list_objects("/chunks/") == [CHUNK]


def test_a_locked_chunk_is_not_replaced(bank):
    bank.update_object(CHUNK, b"kept")
    bank.lock_object(CHUNK, UNTIL)

    with pytest.raises(exception.BankObjectLocked):
        bank.update_object(CHUNK, b"other")
    assert bank.get_object(CHUNK) == b"kept"


def test_leases_of_a_bucket_with_locks_are_renewed_and_given_up(bank, make):
    bank.acquire_lease()
    bank.renew_lease()
    assert make().check_lease_existence(bank.get_owner_id())

    bank.release_lease()

    assert not make().check_lease_existence(bank.get_owner_id())
