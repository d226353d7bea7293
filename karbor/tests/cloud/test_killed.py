# SPDX-License-Identifier: Apache-2.0
"""A daemon is killed in the middle; what it has left goes with the checkpoint."""

import uuid

import pytest

from karbor.tests.cloud.client import PATIENCE
from karbor.tests.cloud.project import Project
from karbor.tests.cloud.providers import provider_id
from karbor.tests.cloud.service import KarborService
from karbor.tests.cloud.test_troubles import PARAMETERS, SERVER
from karbor.tests.rabbit.daemon import wait_until

PROVIDER = provider_id("glance", "fs")

#: Short, so that the other daemon soon knows that the first is dead.
_LEASE = """\
lease_expire_window = 20
lease_renew_window = 4
lease_validity_window = 4
"""


class MortalService(KarborService):
    """Two daemons that know soon of each other's death, with banks that are files."""

    user = "karbor-mortal"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        for path in (self.folder / "providers.d").iterdir():
            if path.stem.endswith("-fs"):
                path.write_text(path.read_text() + _LEASE)
            else:
                path.unlink()

    def _delete_containers(self):
        """It has no bank in Swift."""

    def kill_who_says(self, text):
        """Kill the daemon in whose log a text comes; the other one goes on."""
        daemon = wait_until(
            lambda: next((one for one in self.daemons if text in one.log), None),
            f"'{text}'",
            PATIENCE,
        )
        daemon.kill()


@pytest.fixture
def mortal(cloud, tmp_path):
    region = f"karbor-{uuid.uuid4().hex[:8]}"
    with cloud.database() as database_url:
        service = MortalService(tmp_path, cloud, database_url, region)
        try:
            service.start()
            yield service
        finally:
            service.stop()


@pytest.fixture
def project(cloud, mortal):
    with Project(cloud, mortal.region) as project:
        yield project


@pytest.fixture
def begin(project, server):
    """Begin to protect the server; gives the checkpoint's id."""

    def begin():
        plan_id = project.karbor.plan(PROVIDER, (SERVER, server), parameters=PARAMETERS)
        return project.karbor.properties("checkpoint-create", PROVIDER, plan_id)["id"]

    return begin


def temporary(project):
    """What Karbor has made for a while, by its names."""
    storage = project.connection.block_storage
    made = [
        *storage.volumes(),
        *storage.snapshots(),
        *project.connection.image.images(),
    ]
    return [one.name for one in made if (one.name or "").startswith("karbor-")]


def ended(shown):
    """What the client shows of an operation, when that has ended."""
    return shown if shown["status"] != "in_progress" else None


@pytest.mark.parametrize(
    ("moment", "status", "leaves_data"),
    [
        ("Server {id} is paused", "PAUSED", False),
        ("goes to the bank", "ACTIVE", True),
    ],
)
def test_a_protection_that_is_killed_leaves_nothing_once_it_is_deleted(
    project, mortal, server, begin, moment, status, leaves_data
):
    before = project.listing()
    checkpoint_id = begin()

    mortal.kill_who_says(moment.format(id=server.id))
    project.karbor.wait_for_checkpoint(PROVIDER, checkpoint_id, "error")

    assert project.connection.compute.get_server(server.id).status == status
    assert bool(temporary(project)) >= leaves_data
    project.karbor.delete(PROVIDER, checkpoint_id)
    assert project.connection.compute.get_server(server.id).status == "ACTIVE"
    assert project.listing() == before


def test_a_restore_that_is_killed_leaves_nothing_once_its_checkpoint_is_deleted(
    project, mortal, server, begin
):
    checkpoint_id = begin()
    project.karbor.wait_for_checkpoint(PROVIDER, checkpoint_id)
    before = project.listing()
    restore = project.karbor.properties("restore-create", PROVIDER, checkpoint_id)
    wait_until(lambda: temporary(project), "a volume or an image", PATIENCE)

    mortal.kill_who_says(f"Begin restore of checkpoint {checkpoint_id}")
    shown = wait_until(
        lambda: ended(project.karbor.properties("restore-show", restore["id"])),
        "the end of the restore",
        PATIENCE,
    )

    assert shown["status"] == "fail"
    assert "restoring" not in shown["resources_status"]
    assert temporary(project)
    project.karbor.delete(PROVIDER, checkpoint_id)
    assert project.listing() == before
