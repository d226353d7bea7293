# SPDX-License-Identifier: Apache-2.0
"""The Swift bank on the cloud's Swift, by Keystone's credentials and by Swift's own."""

import contextlib
import time
import uuid
from http import HTTPStatus

import pytest
from swiftclient import client as swift

from karbor.tests.cloud.project import Project
from karbor.tests.conformance.bank import BankConformance, LeaseConformance
from karbor.tests.fakes.swift_bank import swift_bank
from karbor.tests.rabbit.daemon import wait_until


@pytest.fixture(scope="module", params=["Keystone", "tempauth"])
def credentials(request, cloud):
    """Options of ``[swift_client]`` by which a bank logs in."""
    if request.param == "tempauth":
        yield {
            "swift_auth_url": f"{cloud.swift_url}/auth/v1.0",
            "swift_auth_version": "1",
            "swift_user": "test:tester",
            "swift_key": "testing",
        }
        return
    with Project(cloud, cloud.region) as project:
        yield {
            "swift_auth_url": cloud.auth_url,
            "swift_user": project.name,
            "swift_key": project.password,
            "swift_tenant_name": project.name,
        }


@pytest.fixture
def connection(credentials):
    """To look at what the bank has put there."""
    connection = swift.Connection(
        authurl=credentials["swift_auth_url"],
        user=credentials["swift_user"],
        key=credentials["swift_key"],
        auth_version=credentials.get("swift_auth_version", "3"),
        os_options={
            "project_name": credentials.get("swift_tenant_name"),
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
    )
    yield connection
    connection.close()


@pytest.fixture
def container(connection):
    """The name of a container that is deleted at the end, if it was made."""
    name = f"bank-{uuid.uuid4().hex}"
    yield name
    for found in connection.get_account(prefix=name)[1]:
        wait_until(
            lambda found=found: is_deleted(connection, found["name"]),
            f"the container {found['name']} deleted",
        )


def is_deleted(connection, container):
    """Empty a container and delete it; not done while it lists expired objects."""
    for one in connection.get_container(container, full_listing=True)[1]:
        with contextlib.suppress(swift.ClientException):
            connection.delete_object(container, one["name"])
    try:
        connection.delete_container(container)
    except swift.ClientException as error:
        if error.http_status != HTTPStatus.CONFLICT:
            raise
        return False
    return True


@pytest.fixture
def make(credentials, container):
    """``make(option=value, …)`` gives a plugin on that container."""
    return lambda **options: swift_bank(
        **credentials, bank_swift_object_container=container, **options
    )


class TestBank(BankConformance):
    @pytest.fixture
    def bank_plugin(self, make):
        return make()


class TestLease(LeaseConformance):
    @pytest.fixture
    def bank_plugin(self, make):
        return make()

    @pytest.fixture
    def second_instance(self, make):
        return make()


def test_a_lease_that_nobody_renews_is_deleted_by_swift(make, connection, container):
    owner = make(lease_expire_window=10, lease_renew_window=1, lease_validity_window=1)
    other, owner_id = make(), owner.get_owner_id()
    # The time of a login is not the lease's.
    for one in (owner, other):
        one.list_objects()
    owner.acquire_lease()
    headers = connection.head_object(container, f"leases/{owner_id}")
    assert 0 < int(headers["x-delete-at"]) - time.time() <= 11
    assert other.check_lease_existence(owner_id)

    wait_until(lambda: not other.check_lease_existence(owner_id), "an expired lease")
    assert not owner.check_lease_validity()
    wait_until(lambda: not other.list_objects("/leases/"), "the lease unlisted")

    owner.renew_lease()
    assert other.check_lease_existence(owner_id)
