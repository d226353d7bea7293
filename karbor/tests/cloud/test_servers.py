# SPDX-License-Identifier: Apache-2.0
"""Servers come back with what they had, in a real Nova."""

import re

import pytest

from karbor.tests.rabbit.daemon import wait_until

SERVER = "OS::Nova::Server"
VOLUME = "OS::Cinder::Volume"


def devices(project, server_id):
    """The bytes of each volume of a server, by device."""
    return {
        one.device: project.digest(one.volume_id)
        for one in project.connection.compute.volume_attachments(server_id)
    }


def ports(project, server_id):
    """What can be told of each port of a server without an id."""
    network = project.connection.network
    groups = {one.id: one.name for one in network.security_groups()}
    return sorted(
        (
            port.name,
            port.mac_address,
            [one["ip_address"] for one in port.fixed_ips],
            sorted(groups[one] for one in port.security_group_ids),
            port.allowed_address_pairs,
        )
        for port in network.ports(device_id=server_id)
    )


def lose(project, server):
    """Delete a server with its volumes and the ports that stay behind."""
    storage = project.connection.block_storage
    compute, network = project.connection.compute, project.connection.network
    port_ids = [port.id for port in network.ports(device_id=server.id)]
    volume_ids = [one.volume_id for one in compute.volume_attachments(server.id)]
    compute.delete_server(server.id)
    # Nova calls it deleted a moment before it lists it no more.
    wait_until(
        lambda: server.id not in {one.id for one in compute.servers(details=False)},
        "a server that is gone",
    )
    for port_id in port_ids:
        network.delete_port(port_id)
    for volume_id in volume_ids:
        volume = project.wait_for(
            lambda one=volume_id: storage.get_volume(one), "available"
        )
        storage.delete_volume(volume)
    wait_until(
        lambda: (
            not {one.id for one in storage.volumes(details=False)} & set(volume_ids)
        ),
        "volumes that are gone",
    )


@pytest.fixture
def names():
    """The parameters of a restore that names its volumes."""
    return {VOLUME: {"restore_name": "again"}}


def test_a_server_comes_back_with_its_volumes_and_addresses(
    project, karbor, provider, karbor_service, names
):
    compute, network = project.connection.compute, project.connection.network
    net = project.network()
    project.router(net.id)
    group = network.create_security_group(name="web")
    port = network.create_port(
        name="front",
        network_id=net.id,
        fixed_ips=[{"ip_address": "10.20.0.50"}],
        security_group_ids=[group.id],
        allowed_address_pairs=[{"ip_address": "10.20.0.200"}],
    )
    public = network.find_network("public", ignore_missing=False)
    floating = network.create_ip(
        floating_network_id=public.id, port_id=port.id, description="door"
    )
    server = project.server(
        name="web",
        networks=[{"port": port.id}, {"uuid": net.id}],
        metadata={"role": "web"},
        description="of a test",
        config_drive=True,
    )
    for device in ("/dev/vdb", "/dev/vdc"):
        project.attach(server.id, project.volume().id, device)
    before = compute.get_server(server.id)
    facts = devices(project, server.id), ports(project, server.id)
    plan_id = karbor.properties(
        *("plan-create", "web", provider("glance"), f"{server.id}={SERVER}=web"),
        *("--parameters", f"resource_type={SERVER},quiesce=pause"),
    )["id"]

    checkpoint_id = karbor.protect(provider("glance"), plan_id)

    assert compute.get_server(server.id).status == "ACTIVE"
    told = karbor_service.log
    assert re.search(f"Server {server.id} is paused", told)
    assert re.search(f"Server {server.id} is active again", told)
    karbor.verify(provider("glance"), checkpoint_id)
    lose(project, server)
    karbor.restore(provider("glance"), checkpoint_id, parameters=names)

    [restored] = compute.servers(details=True)
    assert restored.id != server.id
    for field in (
        *("name", "status", "metadata", "description", "config_drive", "tags"),
        *("hostname", "key_name"),
    ):
        assert restored[field] == before[field], field
    assert (devices(project, restored.id), ports(project, restored.id)) == facts
    [door] = network.ips()
    assert (door.floating_ip_address, door.description) == (
        floating.floating_ip_address,
        "door",
    )
    assert door.fixed_ip_address == "10.20.0.50"
    karbor.delete(provider("glance"), checkpoint_id)


def test_a_server_that_cannot_be_built_leaves_nothing(project, karbor, provider, names):
    net = project.network()
    volume = project.volume(
        image_id=project.connection.image.find_image("cirros-fake").id
    )
    server = project.server(
        name="system",
        networks=[{"uuid": net.id}],
        block_device_mapping=[
            {
                "boot_index": 0,
                "uuid": volume.id,
                "source_type": "volume",
                "destination_type": "volume",
            }
        ],
    )
    facts = devices(project, server.id)
    plan_id = karbor.plan(provider("glance"), (SERVER, server))
    checkpoint_id = karbor.protect(provider("glance"), plan_id)
    lose(project, server)
    before = project.listing()

    shown = karbor.restore(
        provider("glance"),
        checkpoint_id,
        parameters={
            **names,
            SERVER: {"restore_availability_zone": "nowhere"},
        },
        status="fail",
    )

    assert "zone is not available" in shown["resources_reason"]
    left = project.listing()
    # Nothing half-made: the volume was whole before the server failed, and is kept.
    [(volume_id, name)] = left.pop("volumes")
    assert name == "again"
    assert f"became {volume_id} before" in shown["resources_reason"]
    assert left == before

    karbor.restore(provider("glance"), checkpoint_id, parameters=names)

    [restored] = project.connection.compute.servers(details=True)
    assert (restored.name, restored.status) == ("system", "ACTIVE")
    assert devices(project, restored.id) == facts
    karbor.delete(provider("glance"), checkpoint_id)
