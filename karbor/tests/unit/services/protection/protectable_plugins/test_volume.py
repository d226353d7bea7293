# SPDX-License-Identifier: Apache-2.0
"""Finding volumes."""

import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protectable_plugins.volume import (
    VolumeProtectablePlugin,
)
from karbor.tests.conformance.protectable import ProtectableConformance
from karbor.tests.unit.services.protection.protectable_plugins.cloud import (
    OTHER,
    PROJECT,
    ids,
    project,
    server,
)


def volume(volume_id):
    return Resource(constants.VOLUME_RESOURCE_TYPE, volume_id, None)


class TestVolumeProtectable(ProtectableConformance):
    plugin_class = VolumeProtectablePlugin

    @pytest.fixture(autouse=True)
    def running(self, cinder, nova):
        return None

    @pytest.fixture
    def existing(self, cinder, context):
        names = [str(uuid.uuid4()) for _ in range(7)]
        for name in names:
            cinder.add(name, context.project_id)
        return [volume(name) for name in names]

    @pytest.fixture
    def parents(self, nova, context, existing):
        nova.add("with", None, volumes=[item.id for item in existing[:5]])
        nova.add("without", "image")
        return [project(context.project_id), server("with"), server("without")]

    @pytest.fixture
    def unreachable(self, nova, cinder):
        nova.failure = 500
        cinder.failure = 500


@pytest.fixture
def plugin(conf, context, cinder, nova):
    return VolumeProtectablePlugin(context, conf)


def test_a_volume_has_its_name_and_its_zone(plugin, context, cinder):
    cinder.add("data", PROJECT)
    (found,) = plugin.list_resources(context)
    assert found.name == "name of data"
    assert found.extra_info == {"availability_zone": "zone of volumes"}


def test_all_pages_are_read(plugin, context, cinder):
    for number in range(10):
        cinder.add(f"{number:02}", PROJECT)
    assert ids(plugin.list_resources(context)) == [f"{n:02}" for n in range(10)]
    assert len(cinder.requests) == 4


@pytest.mark.parametrize("status", ["available", "in-use", "backing-up", "extending"])
def test_a_volume_that_can_be_protected_soon_is_found(plugin, context, cinder, status):
    cinder.add("data", PROJECT, status=status)
    assert ids(plugin.list_resources(context)) == ["data"]
    assert plugin.show_resource(context, "data") == volume("data")


@pytest.mark.parametrize("status", ["creating", "downloading", "deleting"])
def test_a_volume_that_is_not_there_is_left_out_and_named(
    plugin, context, cinder, status, caplog
):
    caplog.set_level("INFO")
    cinder.add("data", PROJECT, status=status)
    assert plugin.get_dependent_resources(context, project()) == []
    assert f"data (name of data) is left out, because its status is '{status}'" in (
        caplog.text
    )
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match=status):
        plugin.show_resource(context, "data")


@pytest.mark.parametrize("status", ["error", "awaiting-transfer", "something-new"])
def test_a_volume_that_may_have_data_never_vanishes_from_a_graph(
    plugin, context, cinder, nova, status
):
    cinder.add("data", PROJECT, status=status)
    nova.add("web", None, volumes=["data"])
    assert plugin.get_dependent_resources(context, project()) == [volume("data")]
    assert plugin.get_dependent_resources(context, server("web")) == [volume("data")]
    assert plugin.list_resources(context) == []
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match=status):
        plugin.show_resource(context, "data")


def test_a_volume_that_is_attached_stays_whatever_its_state(
    plugin, context, cinder, nova
):
    cinder.add("data", PROJECT, status="error_deleting")
    nova.add("web", None, volumes=["data"])
    assert plugin.get_dependent_resources(context, server("web")) == [volume("data")]


def test_an_attached_volume_that_cinder_does_not_know_stays_too(plugin, context, nova):
    nova.add("web", None, volumes=["gone"])
    (found,) = plugin.get_dependent_resources(context, server("web"))
    assert (found.id, found.name) == ("gone", None)


def test_a_volume_of_several_servers_is_below_each(plugin, context, cinder, nova):
    cinder.add("shared", PROJECT)
    for name in ("a", "b"):
        nova.add(name, None, volumes=["shared"])
    found = plugin.get_dependent_resources_many(context, [server("a"), server("b")])
    assert found == {server("a"): [volume("shared")], server("b"): [volume("shared")]}


def test_a_server_that_is_gone_is_named(plugin, context):
    with pytest.raises(
        exception.ListProtectableResourceFailed,
        match=r"gone \(web-1\) of type OS",
    ):
        plugin.get_dependent_resources(context, server("gone", "web-1"))


def test_servers_without_volumes_need_no_cinder(plugin, context, nova, cinder):
    nova.add("web", "image")
    assert plugin.get_dependent_resources(context, server("web")) == []
    assert cinder.requests == []


def test_an_admin_finds_the_volumes_of_another_project(plugin, admin, cinder, nova):
    for number in range(5):
        cinder.add(f"theirs-{number}", OTHER)
    cinder.add("own", PROJECT)
    nova.add("web", None, project=OTHER, volumes=["theirs-3"])
    theirs = [f"theirs-{number}" for number in range(5)]
    assert ids(plugin.get_dependent_resources(admin, project(OTHER))) == theirs
    assert ids(plugin.get_dependent_resources(admin, server("web"))) == ["theirs-3"]
    assert plugin.show_resource(admin, "theirs-4") == volume("theirs-4")
    assert ids(plugin.list_resources(admin)) == ["own"]


def test_an_admin_of_karbor_alone_does_not_get_the_callers_for_another_projects(
    plugin, context, cinder
):
    cinder.add("own", PROJECT)
    context.is_admin = True
    with pytest.raises(exception.ListProtectableResourceFailed, match="no admin to it"):
        plugin.get_dependent_resources(context, project(OTHER))


def test_a_cinder_that_fails_in_the_middle_gives_no_part(plugin, context, cinder):
    for number in range(5):
        cinder.add(f"{number}", PROJECT)
    answer = cinder.answer
    cinder.answer = lambda question: (
        None if question.get("marker") else answer(question)
    )
    with pytest.raises(exception.ListProtectableResourceFailed, match="Cinder"):
        plugin.list_resources(context)


@pytest.mark.parametrize("own", [[], ["own"]])
def test_an_admin_who_asks_about_another_project_finds_its_volumes(
    plugin, visitor, cinder, own
):
    """And not those of the project that the token is for."""
    cinder.add("theirs", OTHER)
    for name in own:
        cinder.add(name, PROJECT)
    assert ids(plugin.list_resources(visitor)) == ["theirs"]
    assert ids(plugin.get_dependent_resources(visitor, project(OTHER))) == ["theirs"]
    assert ids(plugin.get_dependent_resources(visitor, project())) == own
