# SPDX-License-Identifier: Apache-2.0
"""Asking Neutron, in pages and by ids, and what it is not to say in the log."""

import logging

import pytest

from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import neutron_networks
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import (
    Kind,
    Neutron,
    is_over_quota,
)
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.neutron.server import NeutronServer, context_of


@pytest.fixture
def server():
    with NeutronServer().running() as running:
        yield running


@pytest.fixture
def neutron(server):
    conf = empty_configuration()
    server.configure(conf)
    client = ClientFactory.create_client("neutron", context_of("project"), conf)
    return Neutron(client, page_size=4)


def make(neutron, count):
    return [
        neutron.create(Kind.NETWORK, {"name": f"net-{number}"})["id"]
        for number in range(count)
    ]


def test_a_listing_has_all_pages(neutron, server):
    made = make(neutron, 10)
    asked = len(server.requests)
    found = neutron.list(Kind.NETWORK, project_id="project")
    assert {one["id"] for one in found} == set(made)
    assert len(server.requests) - asked == 3


def test_many_ids_are_asked_for_in_urls_that_are_not_too_long(
    neutron, server, monkeypatch
):
    monkeypatch.setattr(neutron_networks, "IDS_PER_QUERY", 3)
    made = make(neutron, 8)
    asked = len(server.requests)
    assert neutron.by_ids(Kind.NETWORK, [*made, "gone"]).keys() == set(made)
    assert len(server.requests) - asked == 3


def test_no_ids_are_no_question(neutron, server):
    assert neutron.by_ids(Kind.NETWORK, []) == {}
    assert server.requests == []


def test_a_tag_must_be_on_what_is_listed_by_it(neutron):
    first, second = make(neutron, 2)
    neutron.set_tags(Kind.NETWORK, first, ["a", "b"])
    neutron.set_tags(Kind.NETWORK, second, ["b"])
    (found,) = neutron.list(Kind.NETWORK, tags="a,b")
    assert found["id"] == first


def test_what_is_gone_is_none_or_false(neutron):
    assert neutron.get(Kind.PORT, "gone") is None
    assert neutron.delete(Kind.PORT, "gone") is False
    assert neutron.remove_interface("gone", "gone") is False


def test_many_are_made_or_none(neutron, server):
    group = neutron.create(Kind.SECURITY_GROUP, {"name": "group"})
    rule = {"security_group_id": group["id"], "direction": "ingress"}
    rules = [{**rule, "protocol": name} for name in ("tcp", "udp", "tcp")]
    with pytest.raises(ServiceFailed) as error:
        neutron.create_many(Kind.RULE, rules)
    assert error.value.is_conflict
    assert len(neutron.list(Kind.RULE, security_group_id=group["id"])) == 2
    neutron.create_many(Kind.RULE, rules[:2])
    assert len(neutron.list(Kind.RULE, security_group_id=group["id"])) == 4


def test_a_quota_is_told_from_another_conflict(neutron, server):
    server.state.quotas["network"] = 1
    make(neutron, 1)
    with pytest.raises(ServiceFailed, match=r"'net-0'.*Quota exceeded") as error:
        make(neutron, 1)
    assert is_over_quota(error.value)
    assert error.value.is_conflict


def test_the_librarys_notice_of_its_end_is_not_logged(neutron, server, caplog):
    conf = empty_configuration()
    server.configure(conf)
    caplog.clear()
    ClientFactory.create_client("neutron", context_of("project"), conf)
    assert "deprecated" not in caplog.text
    logging.getLogger("neutronclient.v2_0.client").warning("something else")
    assert "something else" in caplog.text
