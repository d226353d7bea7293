# SPDX-License-Identifier: Apache-2.0
"""The graph of a whole project by all installed plugins, and what it costs."""

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.tests.unit.services.protection.protectable_plugins.cloud import (
    OTHER,
    PROJECT,
    project,
    server,
)

#: A graph asks each service for a project's list, and about ids 50 at a time.
SERVERS_OF_A_PAGE = 50


@pytest.fixture
def services(nova, cinder, glance, neutron, manila, trove):
    running = (nova, cinder, glance, neutron, manila, trove)
    for service in running:
        service.page = 1000
    return running


@pytest.fixture
def make_servers(services, nova, cinder, glance, neutron):
    """Makes servers of a project, each with an image, two volumes and two networks."""

    def make(number, owner=PROJECT):
        names = [f"{owner[:4]}-{index:03}" for index in range(number)]
        neutron.add(f"{owner[:4]}-net", owner)
        neutron.add("public", "admins", shared=True)
        for name in names:
            image = f"image of {name}"
            glance.add(image, "admins")
            volumes = [f"root of {name}", f"data of {name}"]
            for volume in volumes:
                cinder.add(volume, owner, status="in-use")
            nova.add(name, image, volumes=volumes, project=owner)
            neutron.plug(name, f"{owner[:4]}-net")
            neutron.plug(name, "public")
        return names

    return make


@pytest.fixture
def build(conf, services):
    """Builds a graph, and counts the calls that it took of each service."""
    registry = ProtectableRegistry(conf)
    assert registry.failures == []

    def build(context, *roots):
        before = [len(service.requests) for service in services]
        graph = registry.build_graph(context, roots)
        asked = zip(services, before, strict=True)
        return graph, {
            service.client.OPTIONS.service: len(service.requests) - count
            for service, count in asked
        }

    return build


def below(graph, resource):
    index = graph.resources.index(resource)
    return {graph.resources[child].id for child in graph.dependencies[index]}


@pytest.mark.parametrize("number", [1, 10, 100])
def test_the_calls_for_a_project_do_not_grow_with_its_servers(
    build, context, make_servers, number
):
    names = make_servers(number)
    graph, calls = build(context, project())
    assert len(graph) == 1 + 4 * number + 2
    for name in names:
        assert below(graph, server(name)) == {
            f"image of {name}",
            f"root of {name}",
            f"data of {name}",
            "0123-net",
            "public",
        }
    id_pages = -(-number // SERVERS_OF_A_PAGE)
    assert calls == {
        # The second page is empty, and ends the list.
        "nova": 2,
        "cinder": 1,
        # Of the project, and those that servers were booted from; hidden ones apart.
        "glance": 2 + (1 if number == 1 else 2 * id_pages),
        # Of the project, ports, and the networks of others.
        "neutron": 1 + id_pages + 1,
        "manila": 1,
        "trove": 1,
    }


@pytest.mark.parametrize("number", [10, 100])
def test_nor_do_those_for_a_plan_of_servers(build, context, make_servers, number):
    names = make_servers(number)
    graph, calls = build(context, *(server(name) for name in names))
    assert len(graph) == 4 * number + 2
    id_pages = -(-number // SERVERS_OF_A_PAGE)
    assert calls == {
        # One server tells the project that is listed.
        "nova": 1 + 2,
        "cinder": 1 + 1,
        "glance": 2 * id_pages,
        "neutron": id_pages + 1,
        "manila": 0,
        "trove": 0,
    }


def test_an_admin_protects_another_project(
    build, admin, make_servers, cinder, glance, manila, trove
):
    names = make_servers(10, owner=OTHER)
    make_servers(3)
    cinder.add("loose", OTHER)
    glance.add("theirs", OTHER)
    manila.add("files", OTHER)
    trove.add("db", OTHER)
    graph, calls = build(admin, project(OTHER))
    assert below(graph, project(OTHER)) == {
        *names,
        *(f"root of {name}" for name in names),
        *(f"data of {name}" for name in names),
        *("ffff-net", "loose", "theirs", "files", "db"),
    }
    assert below(graph, server("ffff-004")) >= {"ffff-net", "public"}
    assert calls["nova"] == 2


def test_servers_and_volumes_of_another_project_may_be_named(
    build, admin, make_servers
):
    make_servers(2, owner=OTHER)
    volume = Resource(constants.VOLUME_RESOURCE_TYPE, "data of ffff-001", None)
    graph, _calls = build(admin, server("ffff-000"), volume)
    assert set(graph.roots) == {server("ffff-000"), volume}
    assert graph.resources[graph.resources.index(volume)].extra_info == {
        "availability_zone": "zone of volumes"
    }


def test_what_a_plan_names_and_nobody_has_is_reported_by_name(
    build, context, make_servers
):
    make_servers(1)
    roots = [server("0123-000"), server("gone", "web"), server("lost", "db")]
    with pytest.raises(exception.ProtectableResourceNotFound) as caught:
        build(context, *roots)
    assert "OS::Nova::Server gone (web), OS::Nova::Server lost (db)" in str(
        caught.value
    )


def test_a_plans_volume_in_error_is_refused_before_anything_is_made(
    build, context, cinder, services
):
    cinder.add("broken", PROJECT, status="error")
    volume = Resource(constants.VOLUME_RESOURCE_TYPE, "broken", "data")
    with pytest.raises(
        exception.ProtectableResourceInvalidStatus,
        match=r"broken \(name of broken\)",
    ):
        build(context, volume)
