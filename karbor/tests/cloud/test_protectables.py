# SPDX-License-Identifier: Apache-2.0
"""Which resources are found in a real cloud, by whom, and what depends on what."""

import pytest
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.tests.rabbit.daemon import wait_until

PROJECT = "OS::Keystone::Project"
SERVER = "OS::Nova::Server"
VOLUME = "OS::Cinder::Volume"
IMAGE = "OS::Glance::Image"
NETWORK = "OS::Neutron::Network"
SHARE = "OS::Manila::Share"
DATABASE = "OS::Trove::Instance"


def context_of(connection, *, is_admin=False):
    """Who asks, as the API makes it of a token."""
    auth, session = connection.session.auth, connection.session
    access = auth.get_access(session)
    return RequestContext(
        user_id=access.user_id,
        project_id=access.project_id,
        auth_token=access.auth_token,
        service_catalog=list(access.service_catalog.catalog),
        roles=list(access.role_names),
        is_admin=is_admin,
        overwrite=False,
    )


@pytest.fixture
def admin(cloud):
    with cloud.connect("admin", cloud.password, "admin") as connection:
        yield context_of(connection, is_admin=True)


@pytest.fixture
def registry():
    registry = ProtectableRegistry(cfg.ConfigOpts())
    assert registry.failures == []
    return registry


@pytest.fixture
def things(project):
    """A server with a volume on a network, and one thing of each type beside it."""
    network = project.network("inside")
    made = {
        "network": network,
        "server": project.server(network.id, name="web"),
        "data": project.connection.block_storage.create_volume(name="data", size=1),
        "loose": project.connection.block_storage.create_volume(name="loose", size=1),
        "image": project.image(b"bytes", name="own"),
        "share": project.connection.shared_file_system.create_share(
            name="files", share_protocol="NFS", size=1
        ),
    }
    volumes = project.connection.block_storage
    project.wait_for(lambda: volumes.get_volume(made["data"].id), "available")
    project.wait_for(lambda: volumes.get_volume(made["loose"].id), "available")
    project.attach(made["server"].id, made["data"].id)
    shares = project.connection.shared_file_system
    project.wait_for(lambda: shares.get_share(made["share"].id), "available")
    return made


def below(graph, resource_type, resource_id):
    index = graph.resources.index(Resource(resource_type, resource_id, None))
    return {graph.resources[child].key for child in graph.dependencies[index]}


def check_graph(graph, project, things):
    server, network = things["server"], things["network"]
    assert below(graph, PROJECT, project.id) == {
        (SERVER, server.id),
        (VOLUME, things["data"].id),
        (VOLUME, things["loose"].id),
        (IMAGE, things["image"].id),
        (NETWORK, network.id),
        (SHARE, things["share"].id),
    }
    booted = project.connection.image.find_image("cirros-fake")
    assert below(graph, SERVER, server.id) == {
        (VOLUME, things["data"].id),
        (IMAGE, booted.id),
        (NETWORK, network.id),
    }
    names = {resource.name for resource in graph.resources}
    assert names >= {"web", "data", "loose", "own", "inside", "files"}


def test_a_project_is_found_with_all_that_it_has(
    project, make_project, registry, things, admin
):
    root = Resource(PROJECT, project.id, None)
    member = context_of(project.connection)
    check_graph(registry.build_graph(member, [root]), project, things)
    check_graph(registry.build_graph(admin, [root]), project, things)

    stranger = context_of(make_project().connection)
    with pytest.raises(exception.ProtectableResourceNotFound, match=project.id):
        registry.build_graph(stranger, [root])
    for resource_type, name in ((SERVER, "server"), (VOLUME, "data")):
        roots = [Resource(resource_type, things[name].id, "mine")]
        graph = registry.build_graph(admin, roots)
        assert graph.roots == tuple(roots)
        assert graph.roots[0].extra_info == {"availability_zone": "nova"}
        with pytest.raises(exception.ProtectableResourceNotFound, match="mine"):
            registry.build_graph(stranger, roots)


def test_a_server_depends_on_a_network_that_another_project_shares(
    project, make_project, registry
):
    guest = make_project()
    shared = project.network("shared")
    project.connection.network.create_rbac_policy(
        object_type="network",
        object_id=shared.id,
        action="access_as_shared",
        target_project_id=guest.id,
    )
    server = guest.server(shared.id)
    graph = registry.build_graph(
        context_of(guest.connection), [Resource(PROJECT, guest.id, None)]
    )
    assert (NETWORK, shared.id) in below(graph, SERVER, server.id)
    assert below(graph, PROJECT, guest.id) == {(SERVER, server.id)}


def test_the_client_lists_and_shows_them(project, karbor, things):
    for resource_type, name in (
        (SERVER, "server"),
        (VOLUME, "data"),
        (IMAGE, "image"),
        (NETWORK, "network"),
        (SHARE, "share"),
    ):
        thing = things[name]
        listed = karbor.table("protectable-list-instances", resource_type)
        assert thing.id in {row["Id"] for row in listed}
        shown = karbor.properties("protectable-show-instance", resource_type, thing.id)
        assert shown["name"] == thing.name
    assert karbor.table("protectable-list-instances", DATABASE) == []


def test_states_are_told(project, registry, things, admin, cloud):
    volume = things["loose"]
    with cloud.connect("admin", cloud.password, "admin") as connection:
        connection.block_storage.reset_volume_status(volume.id, "error")
    member = context_of(project.connection)
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match="error"):
        registry.show_resource(member, VOLUME, volume.id)
    assert volume.id not in {
        found.id for found in registry.list_resources(member, VOLUME)
    }
    graph = registry.build_graph(member, [Resource(PROJECT, project.id, None)])
    assert (VOLUME, volume.id) in below(graph, PROJECT, project.id)


def test_what_is_gone_fails_a_checkpoint_by_name(project, karbor, provider):
    image = project.image(b"bytes", name="precious")
    chosen = provider()
    plan_id = karbor.plan(chosen, (IMAGE, image))
    project.connection.image.delete_image(image)
    images = project.connection.image
    wait_until(
        lambda: project.is_gone(lambda: images.get_image(image.id)), "no image", 30
    )
    checkpoint_id = karbor.protect(chosen, plan_id, status="error")
    shown = karbor.properties("checkpoint-show", chosen, checkpoint_id)
    assert f"{IMAGE} {image.id} (precious)" in str(shown)
