# SPDX-License-Identifier: Apache-2.0
"""Finding shares."""

import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protectable_plugins.share import (
    ShareProtectablePlugin,
)
from karbor.tests.conformance.protectable import ProtectableConformance
from karbor.tests.unit.services.protection.protectable_plugins.cloud import (
    OTHER,
    PROJECT,
    ids,
    project,
)


def share(share_id):
    return Resource(constants.SHARE_RESOURCE_TYPE, share_id, None)


class TestShareProtectable(ProtectableConformance):
    plugin_class = ShareProtectablePlugin

    @pytest.fixture(autouse=True)
    def running(self, manila):
        return None

    @pytest.fixture
    def existing(self, manila, context):
        names = [str(uuid.uuid4()) for _ in range(7)]
        for name in names:
            manila.add(name, context.project_id)
        return [share(name) for name in names]

    @pytest.fixture
    def parents(self, context):
        return [project(context.project_id)]

    @pytest.fixture
    def unreachable(self, manila):
        manila.failure = 500


@pytest.fixture
def plugin(conf, context, manila):
    return ShareProtectablePlugin(context, conf)


def test_a_project_depends_on_the_shares_that_it_owns(plugin, context, manila):
    manila.add("own", PROJECT)
    manila.add("public", OTHER, public=True)
    (found,) = plugin.get_dependent_resources(context, project())
    assert (found.id, found.name) == ("own", "name of own")
    assert found.extra_info == {"availability_zone": "zone of shares"}


@pytest.mark.parametrize("replicas", [1, 2])
def test_all_pages_are_read_however_small_manila_makes_them(
    plugin, context, manila, replicas
):
    wanted = [f"{number:02}" for number in range(10)]
    for name in wanted:
        manila.add(name, PROJECT, replicas=replicas)
    assert ids(plugin.list_resources(context)) == wanted


def test_a_share_that_goes_meanwhile_hides_no_other(plugin, context, manila):
    for number in range(8):
        manila.add(f"{number:02}", PROJECT)
    answer = manila.answer

    def delete_one_first(question):
        if len(manila.requests) == 2:
            manila.things.pop("01", None)
        return answer(question)

    manila.answer = delete_one_first
    assert ids(plugin.list_resources(context)) == [
        f"{number:02}" for number in (0, 2, 3, 4, 5, 6, 7)
    ]


def test_a_list_that_never_keeps_still_is_an_error(plugin, context, manila):
    for number in range(60):
        manila.add(f"{number:02}", PROJECT)
    answer = manila.answer

    def delete_one_each_time(question):
        said = answer(question)
        del manila.things[min(manila.things)]
        return said

    manila.answer = delete_one_each_time
    with pytest.raises(exception.ListProtectableResourceFailed, match="try again"):
        plugin.list_resources(context)


@pytest.mark.parametrize(
    ("status", "is_listed", "is_in_graph"),
    [
        ("available", True, True),
        ("extending", True, True),
        ("error", False, True),
        ("awaiting_transfer", False, True),
        ("creating", False, False),
        ("deleting", False, False),
    ],
)
def test_what_a_state_means(plugin, context, manila, status, is_listed, is_in_graph):
    manila.add("files", PROJECT, status=status)
    assert bool(plugin.list_resources(context)) is is_listed
    assert bool(plugin.get_dependent_resources(context, project())) is is_in_graph
    if not is_listed:
        with pytest.raises(exception.ProtectableResourceInvalidStatus, match=status):
            plugin.show_resource(context, "files")


def test_an_admin_finds_the_shares_of_another_project(plugin, admin, manila):
    theirs = [f"theirs-{number}" for number in range(5)]
    for name in theirs:
        manila.add(name, OTHER)
    manila.add("own", PROJECT)
    assert ids(plugin.get_dependent_resources(admin, project(OTHER))) == theirs
    assert plugin.show_resource(admin, "theirs-1") == share("theirs-1")
    assert ids(plugin.list_resources(admin)) == ["own"]


def test_nobody_else_looks_into_another_project(plugin, context, manila):
    manila.add("theirs", OTHER)
    with pytest.raises(exception.ListProtectableResourceFailed, match="admin"):
        plugin.get_dependent_resources(context, project(OTHER))
    assert plugin.show_resource(context, "theirs") is None
