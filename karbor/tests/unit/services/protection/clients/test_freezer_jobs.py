# SPDX-License-Identifier: Apache-2.0
"""What is read of a Freezer's jobs, over real HTTP."""

import pytest

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import freezer_jobs
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.freezer_jobs import Jobs
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.freezer import FreezerServer, RenamingComputeServer
from karbor.tests.fakes.neutron_ports import PortsServer

CONTEXT = RequestContext(user_id="user", project_id="project", overwrite=False)


@pytest.fixture
def freezer():
    server = FreezerServer()
    server.nova = RenamingComputeServer(PortsServer("project"))
    with server.running():
        yield server


@pytest.fixture
def jobs(freezer):
    conf = empty_configuration()
    freezer.configure(conf)
    return Jobs(ClientFactory.create_client("freezer", CONTEXT, conf), CONTEXT)


@pytest.fixture
def action():
    return {"action": "backup", "mode": "cinder"}


def test_a_job_is_found_by_what_its_description_has_on_any_page(
    jobs, action, monkeypatch
):
    monkeypatch.setattr(freezer_jobs, "PAGE_SIZE", 2)
    for number in range(5):
        jobs.create(f"text [mark-{number}]", "scheduler-1", [action])
    for number in range(5):
        assert f"mark-{number}" in jobs.marked(f"mark-{number}")["description"]
    assert jobs.marked("mark-5") is None


def test_a_job_is_deleted_with_its_actions_however_often(freezer, jobs, action):
    job_id = jobs.create("text", "scheduler-1", [action, action])
    job = jobs.get(job_id)
    for _twice in range(2):
        jobs.delete(job)
    assert (freezer.jobs, freezer.actions) == ({}, set())
    assert jobs.get(job_id) is None


def test_what_freezer_refuses_is_told_in_its_words(jobs, action):
    with pytest.raises(ServiceFailed, match=r"for scheduler .none.: .*no client none"):
        jobs.create("text", "none", [action])


@pytest.mark.parametrize(
    ("schedule", "status"),
    [
        ({}, "waiting"),
        ({"status": "", "event": "start"}, "waiting"),
        ({"status": "stop"}, "stop"),
        ({"status": "running", "result": ""}, "running"),
        ({"status": "completed", "result": "success"}, "success"),
        ({"status": "completed", "result": "fail"}, "fail"),
        ({"status": "completed", "result": "aborted"}, "aborted"),
    ],
)
def test_the_status_of_a_job_is_its_result_at_the_end(jobs, schedule, status):
    assert jobs.status_of({"job_schedule": schedule}) == status


def test_many_jobs_cost_one_listing(freezer, jobs, action):
    ids = [jobs.create("text", "scheduler-1", [action]) for _job in range(10)]
    assert jobs.find(ids).keys() == set(ids)
    assert len(freezer.calls("GET", "jobs")) == 1
