# SPDX-License-Identifier: Apache-2.0
"""Volumes and servers by a real Freezer: its scheduler runs as the project's user."""

import os
import subprocess

import pytest

from karbor.tests.rabbit.daemon import wait_until

VOLUME = "OS::Cinder::Volume"
SERVER = "OS::Nova::Server"
PROJECT = "OS::Keystone::Project"


def freezer(project, method, path):
    """Of Freezer's REST, what is below the project."""
    return project.connection.session.request(
        f"/v2/{project.id}/{path}", method, endpoint_filter={"service_type": "backup"}
    )


@pytest.fixture(autouse=True)
def scheduler(project, cloud, tmp_path):
    """A freezer-scheduler that acts for the project's user; gives its client id."""
    credentials = {
        "OS_AUTH_URL": cloud.auth_url,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": cloud.region,
        "OS_USERNAME": project.name,
        "OS_PASSWORD": project.password,
        "OS_PROJECT_NAME": project.name,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }
    # It finds its agent there.
    path = f"{cloud.programs}:{os.environ['PATH']}"
    with open(tmp_path / "out", "wb") as out:
        process = subprocess.Popen(
            [
                *(cloud.programs / "freezer-scheduler", "--no-daemon"),
                *("--client-id", project.name, "--interval", "2"),
                *("--conf", tmp_path / "jobs", "--log-file", tmp_path / "log"),
                "start",
            ],
            cwd=tmp_path,
            env={**os.environ, **credentials, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        [client] = wait_until(
            lambda: freezer(project, "GET", "clients").json()["clients"],
            "the scheduler registered",
            60,
        )
        yield project.name
        freezer(project, "DELETE", f"clients/{client['client']['client_id']}")
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_volume_comes_back_with_every_byte(project, karbor, provider):
    block_storage = project.connection.block_storage
    volume = project.volume(name="data", metadata={"owner": "me"})
    digest = project.digest(volume.id)
    before = project.listing()
    chosen = provider("freezer")
    plan_id = karbor.plan(
        chosen, (VOLUME, volume), parameters={VOLUME: {"backup_name": "each night"}}
    )

    checkpoint_id = karbor.protect(chosen, plan_id)

    left = project.listing()
    stored = left.pop("objects")
    assert any(volume.id in name for name, _ in stored)
    assert {**left, "containers": None} == {**before, "containers": None}
    karbor.verify(chosen, checkpoint_id)
    block_storage.delete_volume(volume.id)
    wait_until(
        lambda: project.is_gone(lambda: block_storage.get_volume(volume.id)),
        "the volume deleted",
        60,
    )
    karbor.restore(
        chosen, checkpoint_id, parameters={VOLUME: {"restore_name": "again"}}
    )
    [restored] = block_storage.volumes(details=True)
    assert (restored.name, restored.status) == ("again", "available")
    assert restored.metadata == {"owner": "me"}
    assert project.digest(restored.id) == digest
    karbor.delete(chosen, checkpoint_id)
    expected = before.keys() | {"containers"}
    after = project.settled(lambda found: found.keys() == expected)
    assert after.keys() == expected


@pytest.mark.parametrize("is_whole", [False, True], ids=["server", "project"])
def test_a_server_comes_back_from_an_image_of_its_disk(
    project, karbor, provider, is_whole
):
    compute = project.connection.compute
    network = project.network()
    server = project.server(network.id, name="web")
    chosen = provider("freezer")
    planned = (PROJECT, project) if is_whole else (SERVER, server)
    plan_id = karbor.plan(chosen, planned)

    checkpoint_id = karbor.protect(chosen, plan_id)

    # Of the project it is one backup, which has the server's.
    folders = {name.split("/")[2] for name, _ in project.listing()["objects"]}
    assert folders == {planned[1].id}
    karbor.verify(chosen, checkpoint_id)
    compute.delete_server(server.id)
    wait_until(
        lambda: project.is_gone(lambda: compute.get_server(server.id)),
        "the server deleted",
        60,
    )
    karbor.restore(chosen, checkpoint_id)
    [restored] = compute.servers()
    assert (restored.name, restored.status) == ("web", "ACTIVE")
    assert list(restored.addresses) == ["network"]
    karbor.delete(chosen, checkpoint_id)
    gone = {"objects", "backup jobs", "backup actions"}
    assert not gone & project.settled(lambda found: not gone & found.keys()).keys()
