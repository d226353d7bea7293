# SPDX-License-Identifier: Apache-2.0
"""Finding database instances."""

import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protectable_plugins.database import (
    DatabaseInstanceProtectablePlugin,
)
from karbor.tests.conformance.protectable import ProtectableConformance
from karbor.tests.unit.services.protection.protectable_plugins.cloud import (
    OTHER,
    PROJECT,
    ids,
    project,
)


def instance(instance_id):
    return Resource(constants.DATABASE_RESOURCE_TYPE, instance_id, None)


class TestDatabaseProtectable(ProtectableConformance):
    plugin_class = DatabaseInstanceProtectablePlugin

    @pytest.fixture(autouse=True)
    def running(self, trove):
        return None

    @pytest.fixture
    def existing(self, trove, context):
        names = [str(uuid.uuid4()) for _ in range(7)]
        for name in names:
            trove.add(name, context.project_id)
        return [instance(name) for name in names]

    @pytest.fixture
    def parents(self, context):
        return [project(context.project_id)]

    @pytest.fixture
    def unreachable(self, trove):
        trove.failure = 500


@pytest.fixture
def plugin(conf, context, trove):
    return DatabaseInstanceProtectablePlugin(context, conf)


def test_a_project_depends_on_its_instances_from_all_pages(plugin, context, trove):
    wanted = [f"{number:02}" for number in range(10)]
    for name in wanted:
        trove.add(name, PROJECT)
    trove.add("theirs", OTHER)
    found = plugin.get_dependent_resources(context, project())
    assert ids(found) == wanted
    assert found[0].name == "name of 00"


@pytest.mark.parametrize(
    ("status", "is_listed", "is_in_graph"),
    [
        ("ACTIVE", True, True),
        ("BACKUP", True, True),
        ("SHUTDOWN", False, True),
        ("ERROR", False, True),
        ("BUILD", False, False),
    ],
)
def test_what_a_state_means(plugin, context, trove, status, is_listed, is_in_graph):
    trove.add("db", PROJECT, status=status)
    assert bool(plugin.list_resources(context)) is is_listed
    assert bool(plugin.get_dependent_resources(context, project())) is is_in_graph
    if not is_listed:
        with pytest.raises(exception.ProtectableResourceInvalidStatus, match=status):
            plugin.show_resource(context, "db")


@pytest.mark.parametrize("filters", [True, False])
def test_an_admin_finds_the_instances_of_another_project(plugin, admin, trove, filters):
    trove.filters = filters
    theirs = [f"theirs-{number}" for number in range(5)]
    for name in theirs:
        trove.add(name, OTHER)
    trove.add("own", PROJECT)
    trove.add("third", "e" * 32)
    assert ids(plugin.get_dependent_resources(admin, project(OTHER))) == theirs
    assert plugin.show_resource(admin, "theirs-1") == instance("theirs-1")
    assert ids(plugin.list_resources(admin)) == ["own"]


def test_nobody_else_looks_into_another_project(plugin, context, trove):
    trove.add("theirs", OTHER)
    with pytest.raises(exception.ListProtectableResourceFailed, match="admin"):
        plugin.get_dependent_resources(context, project(OTHER))
    assert plugin.show_resource(context, "theirs") is None


def test_a_trove_without_management_says_so(plugin, context, trove):
    context.is_admin = True
    with pytest.raises(
        exception.ListProtectableResourceFailed, match=f"Trove could not .*{OTHER}"
    ):
        plugin.get_dependent_resources(context, project(OTHER))
