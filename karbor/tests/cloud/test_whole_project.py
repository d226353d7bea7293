# SPDX-License-Identifier: Apache-2.0
"""A whole project is protected, lost, and comes back, here or in another project."""

import re

import pytest

from karbor.tests.cloud.application import Application

PROJECT = "OS::Keystone::Project"
SERVER = "OS::Nova::Server"
VOLUME = "OS::Cinder::Volume"

PROTECT = {
    SERVER: {"quiesce": "pause"},
    VOLUME: {"backup_name": "nightly", "description": "of a test"},
}


@pytest.fixture
def application(project):
    return Application(project).make()


@pytest.fixture
def protected(application, karbor, provider):
    """The checkpoint of the whole project, in the Swift bank."""
    plan_id = karbor.plan(
        provider("glance"), (PROJECT, application.project), parameters=PROTECT
    )
    return karbor.protect(provider("glance"), plan_id)


def names_of(application):
    """What each volume is to be called again, as the plugin wants a name."""
    return {
        f"{VOLUME}#{volume.id}": {"restore_name": volume.name}
        for volume in (*application.volumes.values(), application.boot_volume)
    }


def test_all_of_a_project_comes_back_as_it_was(
    application, protected, karbor, provider, karbor_service
):
    project = application.project
    facts = application.facts()
    assert_quiesced_as_long_as_needed(karbor_service.log, application)
    left = project.listing()
    assert not left.keys() & {"volume snapshots"}, "nothing temporary is left"
    assert len(left["volumes"]) == 3
    assert len(left["images"]) == 1
    project.purge()

    karbor.restore(provider("glance"), protected, parameters=names_of(application))

    again = application.facts()
    assert len(facts["servers"]["web"]["volumes"]) == 2
    assert facts["groups"].keys() == {"default", "web", "friends", "spare"}
    assert again == facts
    assert {one["status"] for one in again["servers"].values()} == {"ACTIVE"}


def test_all_of_a_project_comes_back_in_another_one(
    application, protected, karbor, provider, cloud, make_project
):
    facts = application.facts()
    before = application.project.listing()
    other = make_project()

    karbor.restore(
        provider("glance"),
        protected,
        *("--restore_target", cloud.auth_url),
        *("--restore_username", other.name, "--restore_password", other.password),
        parameters=names_of(application),
    )

    again = Application(other).facts()
    # The original still has its floating address.
    [(floating, fixed)] = facts.pop("floating addresses")
    [(other_floating, other_fixed)] = again.pop("floating addresses")
    assert other_floating != floating
    assert other_fixed == fixed
    assert again == facts
    assert application.project.listing() == before


def assert_quiesced_as_long_as_needed(log, application):
    """Pause, then all snapshots, then unpause, then the data; for each server."""
    volumes = [volume.id for volume in application.volumes.values()]
    for server, its_volumes in (
        (application.server, volumes),
        (application.booted, [application.boot_volume.id]),
    ):
        paused = place(log, rf"Server {server.id} is paused")
        ended = place(log, rf"Ending the pause of server {server.id}")
        for volume in its_volumes:
            snapshotted = place(log, rf"Volume {volume} has its temporary snapshot")
            read = place(log, rf"The data of volume {volume} goes to the bank")
            assert paused < snapshotted < ended < read


def place(log, pattern):
    """Where the log says something, which it says once."""
    [found] = re.finditer(pattern, log)
    return found.start()
