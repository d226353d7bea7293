# SPDX-License-Identifier: Apache-2.0
"""Nova is asked for what servers are made from, and for many servers at once."""

import uuid

import pytest

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import nova_compute
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.nova_compute import Compute, ServerThings
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.compute import ComputeServer
from karbor.tests.fakes.neutron_ports import PortsServer


@pytest.fixture
def context():
    return RequestContext("user", uuid.uuid4().hex, overwrite=False)


@pytest.fixture
def nova(context):
    server = ComputeServer(PortsServer(context.project_id))
    with server.running():
        yield server


@pytest.fixture
def compute(nova, context):
    conf = empty_configuration()
    nova.configure(conf)
    client = ClientFactory.create_client(
        "nova", context, conf, version=nova_compute.VERSION
    )
    return Compute(client)


@pytest.fixture
def things(compute, context):
    return ServerThings(compute, context)


def test_a_few_servers_are_asked_for_one_by_one(nova, things):
    ids = [nova.add() for _each in range(3)]
    assert set(things.find(ids)) == set(ids)
    paths = [request.path for request in nova.calls("GET", "servers")]
    assert len(paths) == 3
    assert not any("detail" in path for path in paths)


def test_many_servers_cost_one_listing(nova, things):
    ids = [nova.add() for _each in range(20)]
    nova.add()
    assert set(things.find(ids)) == set(ids)
    for request in nova.calls("GET", "servers"):
        assert "detail" in request.path


def test_those_that_no_listing_has_are_asked_for(nova, things):
    """An administrator's are in other projects too."""
    ids = [nova.add() for _each in range(4)]
    nova.unlisted.add(ids[0])
    assert set(things.find(ids)) == set(ids)


def test_many_of_another_project_are_one_listing_for_an_admin(nova, compute):
    root = RequestContext("root", uuid.uuid4().hex, is_admin=True, overwrite=False)
    ids = [nova.add(tenant_id="theirs") for _each in range(20)]
    nova.unlisted.update(ids)
    things = ServerThings(compute, root)

    assert set(things.find(ids)) == set(ids)
    paths = [request.path for request in nova.calls("GET", "servers")]
    assert len([path for path in paths if "detail" not in path]) == 1
    assert "project_id=theirs" in paths[-1]


def test_servers_whose_cell_is_away_keep_no_other_from_being_seen(nova, things):
    ids = [nova.add() for _each in range(5)]
    away = nova.add(status="UNKNOWN")
    found = things.find([*ids, away])
    assert set(found) == {*ids, away}
    assert [name for name, one in found.items() if not things.is_told(one)] == [away]
    assert not things.is_told(things.find([away])[away])


def test_one_that_is_gone_is_not_found(nova, things):
    assert things.find(["nowhere"]) == {}


def test_all_servers_of_one_caller_are_looked_at_together(compute, things):
    same = ServerThings(compute, RequestContext("user", things.key[2], overwrite=False))
    other = ServerThings(
        compute, RequestContext("another", things.key[2], overwrite=False)
    )
    assert same.key == things.key
    assert other.key != things.key


def test_a_fault_is_in_novas_words(things):
    assert things.fault_of({"fault": {"message": "No valid host"}}) == "No valid host"
    assert things.fault_of({"status": "ACTIVE"}) is None


def test_flavors_come_from_all_pages(nova, compute, monkeypatch):
    monkeypatch.setattr(nova_compute, "PAGE_SIZE", 1)
    assert [flavor["id"] for flavor in compute.flavors()] == ["flavor-1"]
    assert len(nova.calls("GET", "flavors")) == 2


def test_what_does_not_exist_is_no_error(compute):
    assert compute.has_keypair("key")
    assert not compute.has_keypair("other")
    assert not compute.has_server_group("other")
    assert compute.delete("nowhere") is False


def test_what_nova_refuses_is_named(nova, compute):
    server_id = nova.add(status="SHUTOFF")
    with pytest.raises(ServiceFailed, match=f"pause server {server_id}.*SHUTOFF"):
        compute.act(server_id, "pause")
