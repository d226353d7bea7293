# SPDX-License-Identifier: Apache-2.0
"""Two daemons on one RabbitMQ, with more work at once than one of them takes."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from keystoneauth1.exceptions import GatewayTimeout

from karbor.tests.cloud import broker
from karbor.tests.rabbit.daemon import wait_until

IMAGE = "OS::Glance::Image"
PLANS = 20
_PATIENCE = 300


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(PLANS) as threads:
        yield threads


@pytest.fixture
def images(project):
    """The data of each image, by its id."""
    data = [os.urandom(1024 * 1024) for _ in range(PLANS)]
    return {project.image(one, name="precious").id: one for one in data}


@pytest.fixture
def plan_ids(project, provider, images):
    """A plan for each image."""
    return [
        project.api.post(
            "/plans",
            json={
                "plan": {
                    "name": "plan",
                    "provider_id": provider(),
                    "resources": [{"id": image, "type": IMAGE, "name": "precious"}],
                    "parameters": {},
                }
            },
        ).json()["plan"]["id"]
        for image in images
    ]


def protect(project, provider_id, plan_id):
    """Begin to make a checkpoint; gives its id."""
    answer = project.api.post(
        f"/providers/{provider_id}/checkpoints",
        json={"checkpoint": {"plan_id": plan_id}},
    )
    return answer.json()["checkpoint"]["id"]


def restore(project, provider_id, checkpoint_id):
    """Begin to restore a checkpoint; gives the restore's id."""
    answer = project.api.post(
        "/restores",
        json={
            "restore": {
                "provider_id": provider_id,
                "checkpoint_id": checkpoint_id,
                "parameters": {IMAGE: {"restore_name": "again"}},
            }
        },
    )
    return answer.json()["restore"]["id"]


def wait_for_all(project, path, key, while_in, ids):
    """List until all are listed and nothing is at work; gives each status by id."""

    def ended():
        found = {one["id"]: one["status"] for one in project.api.get(path).json()[key]}
        is_ended = found.keys() >= set(ids) and while_in not in found.values()
        return found if is_ended else None

    return wait_until(ended, f"the end of all {key}", _PATIENCE)


def are_restored(project, images):
    """Whether each image is there a second time, with the same bytes."""
    restored = [
        project.image_data(image.id)
        for image in project.connection.image.images(owner=project.id, name="again")
    ]
    return sorted(restored) == sorted(images.values())


def test_twenty_plans_at_once_end_well(
    project, provider, karbor_service, images, plan_ids, threads
):
    provider_id = provider()

    made = list(
        threads.map(lambda plan_id: protect(project, provider_id, plan_id), plan_ids)
    )

    path = f"/providers/{provider_id}/checkpoints"
    ended = wait_for_all(project, path, "checkpoints", "protecting", made)
    assert ended == dict.fromkeys(made, "available")
    taken = [
        {one for one in made if one in daemon.log} for daemon in karbor_service.daemons
    ]
    assert all(taken), "one daemon did all the work"
    ids = list(threads.map(lambda one: restore(project, provider_id, one), made))
    ended = wait_for_all(project, "/restores", "restores", "in_progress", ids)
    assert ended == dict.fromkeys(ids, "success")
    assert are_restored(project, images)


def protect_somehow(project, provider_id, plan_id):
    """Begin to make a checkpoint, and ask again if the call was lost on its way."""

    def begin():
        with contextlib.suppress(GatewayTimeout):
            return protect(project, provider_id, plan_id)

    return wait_until(begin, "an answer", _PATIENCE)


def test_a_broker_that_restarts_in_the_middle_loses_none(
    project, provider, cloud, images, plan_ids, threads
):
    provider_id = provider()
    half = PLANS // 2

    def begin(plan_id):
        return protect_somehow(project, provider_id, plan_id)

    made = list(threads.map(begin, plan_ids[:half]))
    with broker.stopped(cloud):
        coming = [threads.submit(begin, plan_id) for plan_id in plan_ids[half:]]
    made += [future.result() for future in coming]

    path = f"/providers/{provider_id}/checkpoints"
    ended = wait_for_all(project, path, "checkpoints", "protecting", made)
    # One whose answer was lost is there too.
    assert ended.keys() >= set(made)
    assert set(ended.values()) == {"available"}
    ids = list(threads.map(lambda one: restore(project, provider_id, one), made))
    ended = wait_for_all(project, "/restores", "restores", "in_progress", ids)
    assert ended == dict.fromkeys(ids, "success")
    assert are_restored(project, images)
