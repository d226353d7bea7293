# SPDX-License-Identifier: Apache-2.0
"""Finding servers."""

import uuid

import pytest

from karbor import exception
from karbor.services.protection.protectable_plugins.server import (
    ServerProtectablePlugin,
)
from karbor.tests.conformance.protectable import ProtectableConformance
from karbor.tests.unit.services.protection.protectable_plugins.cloud import (
    OTHER,
    PROJECT,
    ids,
    project,
    server,
)


class TestServerProtectable(ProtectableConformance):
    plugin_class = ServerProtectablePlugin

    @pytest.fixture(autouse=True)
    def running(self, nova):
        return None

    @pytest.fixture
    def existing(self, nova, context):
        names = [str(uuid.uuid4()) for _ in range(7)]
        for name in names:
            nova.add(name, None, project=context.project_id)
        return [server(name) for name in names]

    @pytest.fixture
    def parents(self, context):
        return [project(context.project_id)]

    @pytest.fixture
    def unreachable(self, nova):
        nova.failure = 500


@pytest.fixture
def plugin(conf, context, nova):
    return ServerProtectablePlugin(context, conf)


def test_a_server_has_its_name_and_its_zone(plugin, context, nova):
    nova.add("web", None)
    (found,) = plugin.list_resources(context)
    assert found.name == "web"
    assert found.extra_info == {"availability_zone": "zone of servers"}


@pytest.mark.parametrize("status", ["BUILD", "DELETED", "SOFT_DELETED"])
def test_a_server_that_is_not_there_is_not_found(plugin, context, nova, status, caplog):
    caplog.set_level("INFO")
    nova.add("gone", None, status=status)
    assert plugin.list_resources(context) == []
    assert plugin.get_dependent_resources(context, project()) == []
    assert "gone" in caplog.text
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match=status):
        plugin.show_resource(context, "gone")


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF", "ERROR", "SHELVED_OFFLOADED"])
def test_a_server_in_whatever_other_state_is_found(plugin, context, nova, status):
    nova.add("web", None, status=status)
    assert ids(plugin.list_resources(context)) == ["web"]
    assert plugin.show_resource(context, "web") == server("web")


def test_a_state_of_a_nova_to_come_does_not_hide_a_server(plugin, context, nova):
    nova.add("web", None, status="HOVERING")
    assert ids(plugin.get_dependent_resources(context, project())) == ["web"]
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match="HOVERING"):
        plugin.show_resource(context, "web")


def test_a_cell_that_is_away_is_an_error_that_names_the_server(plugin, context, nova):
    nova.add("web", None, status="UNKNOWN")
    for ask in (
        lambda: plugin.list_resources(context),
        lambda: plugin.show_resource(context, "web"),
    ):
        with pytest.raises(
            exception.ListProtectableResourceFailed, match="server web: the cell"
        ):
            ask()
    assert nova.requests[0].headers["X-OpenStack-Nova-API-Version"] == "2.69"


def test_an_admin_finds_the_servers_of_another_project(plugin, admin, nova):
    for number in range(5):
        nova.add(f"theirs-{number}", None, project=OTHER)
    nova.add("own", None, project=PROJECT)
    found = plugin.get_dependent_resources(admin, project(OTHER))
    assert ids(found) == [f"theirs-{number}" for number in range(5)]
    assert ids(plugin.list_resources(admin)) == ["own"]
    assert plugin.show_resource(admin, "theirs-1") == server("theirs-1")


def test_nobody_else_looks_into_another_project(plugin, context, nova):
    nova.add("theirs", None, project=OTHER)
    with pytest.raises(exception.ListProtectableResourceFailed, match="admin"):
        plugin.get_dependent_resources(context, project(OTHER))
    assert plugin.show_resource(context, "theirs") is None


def test_many_servers_are_shown_by_listing_their_projects(plugin, admin, nova):
    for number in range(40):
        nova.add(f"{number:02}", None, project=(PROJECT, OTHER)[number % 2])
    nova.page = 1000
    wanted = [f"{number:02}" for number in range(40)]
    shown = plugin.show_resources(admin, [*wanted, "gone"])
    assert shown == {**{name: server(name) for name in wanted}, "gone": None}
    # For each project one that is shown and a list, which ends with an empty page.
    assert len(nova.requests) == 2 * 3 + 1


def test_an_id_is_not_a_path(plugin, context, nova):
    assert plugin.show_resource(context, "../flavors?x") is None
    assert nova.requests[-1].path.endswith("/servers/..%2Fflavors%3Fx")


def test_a_cloud_without_nova_has_no_servers(conf, context):
    plugin = ServerProtectablePlugin(context, conf)
    assert plugin.get_dependent_resources(context, project()) == []
    with pytest.raises(exception.ListProtectableResourceFailed, match="nova_endpoint"):
        plugin.list_resources(context)


def test_the_catalogue_says_whether_there_is_a_nova(conf, context):
    endpoint = {"interface": "admin", "region_id": "far", "url": "http://x"}
    context.auth_token = "t"
    context.service_catalog = [{"type": "identity", "endpoints": [endpoint]}]
    plugin = ServerProtectablePlugin(context, conf)
    assert plugin.get_dependent_resources(context, project()) == []
    context.service_catalog.append({"type": "compute", "endpoints": [endpoint]})
    with pytest.raises(exception.ListProtectableResourceFailed, match="endpoint of"):
        plugin.get_dependent_resources(context, project())


def test_a_token_without_a_catalogue_hides_nothing(conf, context):
    context.auth_token = "t"
    plugin = ServerProtectablePlugin(context, conf)
    with pytest.raises(exception.ListProtectableResourceFailed, match="nova"):
        plugin.get_dependent_resources(context, project())
