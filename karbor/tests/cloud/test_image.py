# SPDX-License-Identifier: Apache-2.0
"""The shortest way through all of it: client, Keystone, RabbitMQ, daemon, bank."""

import os

import pytest

IMAGE = "OS::Glance::Image"


@pytest.mark.parametrize("bank", ["swift", "fs"])
def test_an_image_is_protected_lost_and_restored(project, karbor, provider, bank):
    data = os.urandom(3 * 1024 * 1024)
    image = project.image(data, name="precious")
    before = project.listing()
    plan_id = karbor.plan(provider(bank=bank), (IMAGE, image))

    checkpoint_id = karbor.protect(provider(bank=bank), plan_id)

    assert project.listing() == before
    karbor.verify(provider(bank=bank), checkpoint_id)
    project.connection.image.delete_image(image)
    karbor.restore(
        provider(bank=bank),
        checkpoint_id,
        parameters={IMAGE: {"restore_name": "again"}},
    )
    [restored] = project.connection.image.images(owner=project.id)
    assert restored.name == "again"
    assert project.image_data(restored.id) == data
    karbor.delete(provider(bank=bank), checkpoint_id)


def test_what_is_deleted_with_a_project_is_all_that_it_has(make_project, karbor):
    """Of the fixtures: each kind of thing is listed, and deleted."""
    project = make_project()
    assert project.listing() == {}
    network = project.network()
    project.router(network.id)
    volume = project.volume()
    server = project.server(network.id)
    project.attach(server.id, volume.id)
    project.image(b"bytes")

    found = project.listing()

    assert set(found) == {
        *("servers", "networks", "subnets", "ports", "routers"),
        *("volumes", "images"),
    }
    assert found["volumes"] == {(volume.id, "volume")}
    project.purge()
    assert project.listing() == {}
