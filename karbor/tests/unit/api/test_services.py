# SPDX-License-Identifier: Apache-2.0
"""The administration of services over REST."""

import datetime

import pytest
from oslo_utils import timeutils

from karbor.context import get_admin_context
from karbor.tests.unit.api.conftest import fault


@pytest.fixture
def service(database):
    return database.services.heartbeat(
        get_admin_context(), "host-1", "karbor-protection", "topic"
    )


def test_services_are_listed_and_filtered(client, database, service):
    database.services.heartbeat(get_admin_context(), "host-2", "karbor-api", None)
    listed = client.get("/os-services", "services")
    assert [one["host"] for one in listed] == ["host-1", "host-2"]
    assert listed[0] == {
        "id": service["id"],
        "host": "host-1",
        "binary": "karbor-protection",
        "status": "enabled",
        "state": "up",
        "updated_at": service["updated_at"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "disabled_reason": None,
    }
    [found] = client.get("/os-services?host=host-2&binary=karbor-api", "services")
    assert found["host"] == "host-2"
    fault(client.call("GET", "/os-services?topic=x"), "badRequest", 400)


def test_a_service_that_no_longer_reports_is_down(client, conf, service):
    reported = service["updated_at"].replace(tzinfo=None)
    later = reported + datetime.timedelta(seconds=conf.service_down_time + 1)
    timeutils.set_time_override(later)
    try:
        [found] = client.get("/os-services", "services")
        path = f"/os-services/{service['id']}"
        answer = client.call("PUT", path, json={"status": "disabled"})
    finally:
        timeutils.clear_time_override()
    assert found["state"] == "down"
    # An admin's change is no sign of life.
    assert answer.json["service"]["state"] == "down"


def test_a_service_is_disabled_with_a_reason_and_enabled(client, service):
    path = f"/os-services/{service['id']}"
    body = {"status": "disabled", "disabled_reason": "repair"}
    disabled = client.call("PUT", path, json=body).json["service"]
    assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "repair")
    enabled = client.call("PUT", path, json={"status": "enabled"}).json["service"]
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "asleep"},
        {"status": "enabled", "disabled_reason": "why"},
        {"status": "disabled", "disabled_reason": 5},
        {"status": "disabled", "binary": "x"},
    ],
)
def test_what_a_service_cannot_become_is_refused(client, service, body):
    answer = client.call("PUT", f"/os-services/{service['id']}", json=body)
    fault(answer, "badRequest", 400)


def test_an_unknown_service_is_not_found(client):
    answer = client.call("PUT", "/os-services/x", json={"status": "enabled"})
    fault(answer, "itemNotFound", 404)
