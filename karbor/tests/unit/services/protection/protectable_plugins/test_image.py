# SPDX-License-Identifier: Apache-2.0
"""Finding images: which ones, and with how many questions."""

import logging

import pytest

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.protectable_plugins.image import ImageProtectablePlugin
from karbor.tests.fakes.listing.glance import GlanceLists
from karbor.tests.fakes.nova import NovaServer
from karbor.tests.fakes.web import Answer, WebServer
from karbor.tests.unit.services.protection.protectable_plugins.cloud import (
    PROJECT,
    ids,
    project,
    server,
)

PAGE = 25


@pytest.fixture
def images(conf):
    with GlanceLists(PAGE).running() as server:
        server.configure(conf)
        yield server


@pytest.fixture
def nova():
    with NovaServer().running() as server:
        yield server


@pytest.fixture
def plugin(conf, context, images):
    return ImageProtectablePlugin(None, conf).instance(context, conf)


def test_a_project_depends_on_the_images_that_it_owns(plugin, context, images):
    images.add("own", PROJECT)
    images.add("hidden", PROJECT, hidden=True)
    images.add("shared", owner="another")
    found = plugin.get_dependent_resources(context, project())
    assert ids(found) == ["own", "hidden"]
    assert found[0].name == "name of own"


def test_all_pages_are_read(plugin, context, images):
    for number in range(3 * PAGE + 1):
        images.add(f"image-{number:03}", PROJECT)
    assert len(plugin.list_resources(context)) == 3 * PAGE + 1


def test_a_context_without_a_project_has_no_images(plugin, images):
    images.add("ownerless", owner=None)
    assert plugin.list_resources(RequestContext(overwrite=False)) == []


@pytest.mark.parametrize(
    "status", ["queued", "killed", "deleted", "pending_delete", "deactivated"]
)
def test_an_image_that_cannot_be_protected_is_left_out_and_named(
    plugin, context, images, status
):
    images.add("bad", PROJECT, status=status)
    images.add("good", PROJECT)
    assert ids(plugin.get_dependent_resources(context, project())) == ["good"]
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match=status):
        plugin.show_resource(context, "bad")


def test_an_image_that_only_names_snapshots_is_left_out_and_named(
    plugin, context, images, caplog
):
    caplog.set_level(logging.INFO)
    bdm = '[{"snapshot_id": "s", "boot_index": 0}]'
    images.add("of-a-server", PROJECT, size=0, block_device_mapping=bdm)
    images.add("with-data", PROJECT, size=7, block_device_mapping="[]")
    assert ids(plugin.get_dependent_resources(context, project())) == ["with-data"]
    assert ids(plugin.list_resources(context)) == ["with-data"]
    assert "snapshots of volumes" in caplog.text
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match="snapshots"):
        plugin.show_resource(context, "of-a-server")


@pytest.mark.parametrize("status", ["active", "saving", "uploading", "importing"])
def test_an_image_on_its_way_is_found(plugin, context, images, status):
    images.add("soon", PROJECT, status=status)
    assert ids(plugin.list_resources(context)) == ["soon"]
    assert plugin.show_resource(context, "soon").name == "name of soon"


def test_nova_is_not_needed_without_servers(plugin, images):
    images.add("own", PROJECT)
    admin = RequestContext("root", PROJECT, is_admin=True, overwrite=False)
    found = plugin.get_dependent_resources_many(admin, [project(), project("p2")])
    assert {parent.id: ids(children) for parent, children in found.items()} == {
        PROJECT: ["own"],
        "p2": [],
    }


def test_servers_without_a_nova_are_an_error_with_the_next_step(plugin, context):
    with pytest.raises(exception.ListProtectableResourceFailed, match="nova_endpoint"):
        plugin.get_dependent_resources(context, server("a"))


def test_a_server_depends_on_the_image_it_was_booted_from(
    plugin, context, images, nova, conf
):
    nova.configure(conf)
    images.add("public", owner="another")
    nova.add("from-image", "public")
    nova.add("from-volume", None)
    (found,) = plugin.get_dependent_resources(context, server("from-image"))
    assert found.id == "public"
    assert found.extra_info == {"server_id": "from-image"}
    assert plugin.get_dependent_resources(context, server("from-volume")) == []


def test_the_image_of_a_server_may_be_gone(plugin, context, images, nova, conf, caplog):
    nova.configure(conf)
    nova.add("old", "gone")
    assert plugin.get_dependent_resources(context, server("old")) == []
    assert "gone" in caplog.text


def test_a_server_that_nova_does_not_know_is_an_error(plugin, context, nova, conf):
    nova.configure(conf)
    with pytest.raises(
        exception.ListProtectableResourceFailed, match=r"unknown .*Nova does not know"
    ):
        plugin.get_dependent_resources(context, server("unknown"))


def count_questions(plugin, context, images, nova, number):
    parents = []
    for index in range(number):
        images.add(f"image-{index % 10}", PROJECT)
        nova.add(f"server-{index:04}", f"image-{index % 10}")
        parents.append(server(f"server-{index:04}"))
    before = len(images.requests) + len(nova.requests)
    plugin = plugin.instance(context, plugin._conf)
    found = plugin.get_dependent_resources_many(context, parents)
    assert all(len(found[parent]) == 1 for parent in parents)
    return len(images.requests) + len(nova.requests) - before


def test_questions_do_not_grow_with_the_servers(plugin, context, images, nova, conf):
    nova.configure(conf)
    few = count_questions(plugin, context, images, nova, 20)
    many = count_questions(plugin, context, images, nova, 1000)
    pages = 1000 // 100
    assert many <= few + pages


def test_a_glance_that_fails_in_the_middle_gives_no_part(plugin, context, images):
    for number in range(2 * PAGE):
        images.add(f"image-{number:03}", PROJECT)

    def fail_later(request):
        return Answer(500) if "marker" in request.path else images._answer(request)

    with WebServer(fail_later).running() as failing:
        plugin._conf.set_override("glance_endpoint", failing.url, "glance_client")
        with pytest.raises(exception.ListProtectableResourceFailed, match="Glance"):
            plugin.list_resources(context)


def test_an_image_that_does_not_exist_is_none(plugin, context):
    assert plugin.show_resource(context, "missing") is None


def test_an_id_is_not_a_path(plugin, context, images):
    assert plugin.show_resource(context, "../images?x") is None
    assert images.requests[-1].path == "/v2/images/..%2Fimages%3Fx"


def test_an_answer_that_is_not_glances_is_an_error(plugin, context, images):
    with WebServer(lambda request: Answer(502, b"null")).running() as proxy:
        plugin._conf.set_override("glance_endpoint", proxy.url, "glance_client")
        with pytest.raises(exception.ListProtectableResourceFailed):
            plugin.show_resource(context, "any")
