# SPDX-License-Identifier: Apache-2.0
"""Finding networks."""

import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protectable_plugins.network import (
    NetworkProtectablePlugin,
)
from karbor.tests.conformance.protectable import ProtectableConformance
from karbor.tests.unit.services.protection.protectable_plugins.cloud import (
    OTHER,
    PROJECT,
    ids,
    project,
    server,
)


def network(network_id):
    return Resource(constants.NETWORK_RESOURCE_TYPE, network_id, None)


class TestNetworkProtectable(ProtectableConformance):
    plugin_class = NetworkProtectablePlugin

    @pytest.fixture(autouse=True)
    def running(self, neutron):
        return None

    @pytest.fixture
    def existing(self, neutron, context):
        names = [str(uuid.uuid4()) for _ in range(7)]
        for name in names:
            neutron.add(name, context.project_id)
        return [network(name) for name in names]

    @pytest.fixture
    def parents(self, neutron, context, existing):
        for item in existing[:4]:
            neutron.plug("with", item.id)
        return [project(context.project_id), server("with"), server("without")]

    @pytest.fixture
    def unreachable(self, neutron):
        neutron.failure = 500


@pytest.fixture
def plugin(conf, context, neutron):
    return NetworkProtectablePlugin(context, conf)


def test_a_project_depends_on_the_networks_that_it_owns(plugin, context, neutron):
    neutron.add("own", PROJECT)
    neutron.add("public", OTHER, shared=True)
    neutron.add("theirs", OTHER)
    (found,) = plugin.get_dependent_resources(context, project())
    assert (found.id, found.name, found.extra_info) == ("own", "name of own", None)
    assert ids(plugin.list_resources(context)) == ["own"]


def test_all_pages_are_read(plugin, context, neutron):
    for number in range(10):
        neutron.add(f"{number:02}", PROJECT)
    assert ids(plugin.list_resources(context)) == [f"{n:02}" for n in range(10)]
    assert len(neutron.requests) == 4


def test_a_server_depends_on_the_networks_it_is_on(plugin, context, neutron):
    neutron.add("own", PROJECT)
    neutron.add("public", OTHER, shared=True)
    for name in ("own", "public", "own"):
        neutron.plug("a", name)
    neutron.plug("b", "own")
    found = plugin.get_dependent_resources_many(
        context, [server("a"), server("b"), server("c")]
    )
    assert found == {
        server("a"): [network("own"), network("public")],
        server("b"): [network("own")],
        server("c"): [],
    }
    assert found[server("a")][1].name == "name of public"


def test_a_network_that_the_caller_does_not_see_is_named(
    plugin, context, neutron, caplog
):
    neutron.add("theirs", OTHER)
    neutron.plug("a", "theirs")
    assert plugin.get_dependent_resources(context, server("a")) == []
    assert "theirs" in caplog.text


def test_servers_are_asked_about_together(plugin, context, neutron):
    neutron.page = 1000
    for name in ("one", "two"):
        neutron.add(name, PROJECT)
    servers = [server(f"{number:03}") for number in range(100)]
    for parent in servers:
        neutron.plug(parent.id, "one")
        neutron.plug(parent.id, "two")
    found = plugin.get_dependent_resources_many(context, servers)
    assert all(len(networks) == 2 for networks in found.values())
    # Ports of 50 servers in one query, and the networks in one.
    assert len(neutron.requests) == 3


def test_an_admin_finds_the_networks_of_another_project(plugin, admin, neutron):
    neutron.add("theirs", OTHER)
    neutron.add("own", PROJECT)
    neutron.plug("a", "theirs")
    assert ids(plugin.get_dependent_resources(admin, project(OTHER))) == ["theirs"]
    assert ids(plugin.get_dependent_resources(admin, server("a"))) == ["theirs"]
    assert plugin.show_resource(admin, "theirs") == network("theirs")
    assert ids(plugin.list_resources(admin)) == ["own"]


def test_nobody_else_looks_into_another_project(plugin, context, neutron):
    neutron.add("theirs", OTHER)
    with pytest.raises(exception.ListProtectableResourceFailed, match="admin"):
        plugin.get_dependent_resources(context, project(OTHER))
    assert plugin.show_resource(context, "theirs") is None
