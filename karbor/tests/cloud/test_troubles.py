# SPDX-License-Identifier: Apache-2.0
"""What the cloud refuses or breaks in the middle of protecting.

What helps is tried again; else the checkpoint is in error with the reason, the server
runs again, and nothing temporary is left.
"""

import contextlib
import os
import re
import subprocess
import time

import pytest

from karbor.tests.cloud.client import PATIENCE
from karbor.tests.cloud.test_whole_project import place
from karbor.tests.rabbit.daemon import wait_until

SERVER = "OS::Nova::Server"
VOLUME = "OS::Cinder::Volume"

PARAMETERS = {
    SERVER: {"quiesce": "pause"},
    VOLUME: {"backup_name": "nightly", "description": "of a test"},
}
#: Seconds that the store is away, at least.
_OUTAGE = 60


#: What the log has of a call to the store that is made again.
FAILED_CALL = re.compile("Attempt [0-9]+ of a call to Swift failed: .*503")


@pytest.fixture
def volumes(project, server):
    """The two volumes, by name."""
    return {one.name: one for one in project.connection.block_storage.volumes()}


@pytest.fixture
def fail(karbor, provider, server):
    """Protect the server in vain; gives the checkpoint's resources as the client
    shows them."""

    def fail():
        plan_id = karbor.plan(
            provider("glance"), (SERVER, server), parameters=PARAMETERS
        )
        checkpoint_id = karbor.protect(provider("glance"), plan_id, status="error")
        return karbor.properties("checkpoint-show", provider("glance"), checkpoint_id)

    return fail


def test_a_volume_in_error_is_named_and_the_server_runs_again(
    project, server, volumes, fail, cloud, karbor_service
):
    admin = cloud.connect("admin", cloud.password, "admin")
    admin.block_storage.reset_volume_status(volumes["second"].id, status="error")
    before = project.listing()

    shown = fail()

    assert volumes["second"].id in str(shown)
    assert "error" in str(shown)
    assert project.connection.compute.get_server(server.id).status == "ACTIVE"
    assert project.listing() == before
    place(karbor_service.log, f"Server {server.id} is paused")
    place(karbor_service.log, f"Server {server.id} is active again")


def test_a_quota_that_is_used_up_leaves_nothing_temporary(
    project, server, volumes, fail, cloud
):
    """The snapshots are made; the volumes from them are refused."""
    admin = cloud.connect("admin", cloud.password, "admin")
    admin.set_volume_quotas(project.id, volumes=len(volumes))
    before = project.listing()

    shown = fail()

    assert "quota" in str(shown).lower()
    assert project.connection.compute.get_server(server.id).status == "ACTIVE"
    assert project.listing() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
def test_an_image_store_without_room_leaves_nothing_temporary(
    project, server, fail, cloud
):
    before = project.listing()

    with no_room_for_images(cloud):
        shown = fail()

    assert "Glance has room" in str(shown)
    assert project.connection.compute.get_server(server.id).status == "ACTIVE"
    assert project.listing() == before


def test_a_store_that_answers_503_for_a_minute_is_outlasted(
    project, server, volumes, karbor, provider, cloud, karbor_service
):
    compute = project.connection.compute
    before = project.listing()
    digests = {name: project.digest(one.id) for name, one in volumes.items()}
    plan_id = karbor.plan(provider("glance"), (SERVER, server), parameters=PARAMETERS)
    created = karbor.properties("checkpoint-create", provider("glance"), plan_id)
    failures = len(FAILED_CALL.findall(karbor_service.log))
    cloud.stop("swift-object")
    try:
        # Meanwhile nobody is told anything of a checkpoint, either.
        time.sleep(_OUTAGE)
        wait_until(
            lambda: len(FAILED_CALL.findall(karbor_service.log)) > failures,
            "a call that the outage has hit",
            PATIENCE,
        )
    finally:
        cloud.start("swift-object")
    karbor.wait_for_checkpoint(provider("glance"), created["id"])

    assert project.listing() == before
    assert compute.get_server(server.id).status == "ACTIVE"
    karbor.restore(
        provider("glance"),
        created["id"],
        parameters={
            f"{VOLUME}#{one.id}": {"restore_name": f"{name} again"}
            for name, one in volumes.items()
        },
    )
    again = {one.name: one for one in project.connection.block_storage.volumes()}
    assert digests == {
        name: project.digest(again[f"{name} again"].id) for name in volumes
    }
    assert {one.status for one in compute.servers()} == {"ACTIVE"}


@contextlib.contextmanager
def no_room_for_images(cloud):
    """A small file system in place of the folder with the data of Glance's images.

    It has the images that there are, which are small, and no room for a volume.
    """
    folder = cloud.base / "data/glance/images"
    images = {path.name: path.read_bytes() for path in folder.iterdir()}
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True
    )
    try:
        for name, data in images.items():
            (folder / name).write_bytes(data)
        yield
    finally:
        # Whatever Glance still has open there.
        subprocess.run(["umount", "-l", folder], check=True)
