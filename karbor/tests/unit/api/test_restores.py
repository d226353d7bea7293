# SPDX-License-Identifier: Apache-2.0
"""Restores and verifications over REST, also when they cannot begin."""

import oslo_messaging as messaging
import pytest

from karbor import exception
from karbor.tests.fakes.protection_api import IMAGE, PROVIDER_ID
from karbor.tests.unit.api.conftest import PROJECT, fault

NOBODY = "00000000-0000-4000-8000-00000000dead"
BOTH = ["restore", "verification"]


@pytest.fixture
def body(client):
    checkpoint = client.protect(client.create_plan()["id"])
    return {
        "provider_id": PROVIDER_ID,
        "checkpoint_id": checkpoint["id"],
        "parameters": {IMAGE: {"restore_name": "again"}},
    }


@pytest.mark.parametrize("kind", BOTH)
def test_it_begins_and_its_record_tells(client, protection, body, kind):
    created = client.post(f"/{kind}s", **{kind: body})
    assert created["status"] == "in_progress"
    assert created["project_id"] == PROJECT
    assert created["parameters"] == body["parameters"]
    assert (created["resources_status"], created["resources_reason"]) == ({}, {})
    name, _, arguments = protection.calls[-1]
    assert name == kind
    assert arguments[kind]["id"] == created["id"]
    assert arguments[kind]["created_at"] == created["created_at"]
    assert client.get(f"/{kind}s/{created['id']}", kind) == created
    assert client.get(f"/{kind}s", f"{kind}s") == [created]


@pytest.mark.parametrize("kind", BOTH)
def test_parameters_may_be_left_out(client, body, kind):
    del body["parameters"]
    assert client.post(f"/{kind}s", **{kind: body})["parameters"] == {}


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("error", "name", "code"),
    [
        (
            exception.CheckpointNotAvailable(checkpoint_id="c"),
            "conflictingRequest",
            409,
        ),
        (exception.InvalidInput(reason="r"), "badRequest", 400),
        (exception.AccessCheckpointNotAllowed(checkpoint_id="c"), "forbidden", 403),
        (exception.CheckpointNotFound(checkpoint_id="c"), "itemNotFound", 404),
    ],
)
def test_what_is_refused_at_once_leaves_no_record(
    client, protection, body, kind, error, name, code
):
    protection.error = error
    answer = client.call("POST", f"/{kind}s", json={kind: body})
    assert fault(answer, name, code) == error.msg
    assert client.get(f"/{kind}s", f"{kind}s") == []


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("error", "name", "code"),
    [
        (messaging.MessagingTimeout("t"), "computeFault", 504),
        (messaging.MessageDeliveryFailure("t"), "serviceUnavailable", 503),
        (exception.FlowError(flow="f", error="e"), "computeFault", 500),
        (ValueError("a defect"), "computeFault", 500),
    ],
)
def test_what_may_have_begun_leaves_a_failed_record(
    client, protection, body, kind, error, name, code
):
    protection.error = error
    message = fault(client.call("POST", f"/{kind}s", json={kind: body}), name, code)
    assert "a defect" not in message
    [record] = client.get(f"/{kind}s", f"{kind}s")
    assert record["status"] == "fail"


@pytest.mark.parametrize("kind", BOTH)
def test_what_the_service_has_already_ended_stays_as_it_is(
    client, protection, database, body, kind
):
    repository = getattr(database, f"{kind}s")

    def end_and_answer_nobody(context, record, restore_auth=None):
        repository.update(context, record["id"], {"status": "success"})
        raise messaging.MessagingTimeout("too late")

    setattr(protection, kind, end_and_answer_nobody)
    client.call("POST", f"/{kind}s", json={kind: body})
    [record] = client.get(f"/{kind}s", f"{kind}s")
    assert record["status"] == "success"


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    "change",
    [
        {"provider_id": "x"},
        {"checkpoint_id": None},
        {"parameters": []},
        {"parameters": {IMAGE: "x"}},
        {"colour": "red"},
    ],
)
def test_what_makes_no_sense_is_refused(client, body, kind, change):
    answer = client.call("POST", f"/{kind}s", json={kind: {**body, **change}})
    fault(answer, "badRequest", 400)
    assert client.get(f"/{kind}s", f"{kind}s") == []


@pytest.mark.parametrize("kind", BOTH)
def test_unknown_ones_are_not_found(client, kind):
    fault(client.call("GET", f"/{kind}s/{NOBODY}"), "itemNotFound", 404)
    fault(client.call("GET", f"/{kind}s/x"), "badRequest", 400)


def test_the_target_and_the_credentials_reach_the_protection_service(
    client, protection, body
):
    auth = {"type": "password", "username": "u", "password": "p"}
    target = {"restore_target": "http://192.0.2.1/v3", "restore_auth": auth}
    created = client.post("/restores", restore={**body, **target})
    assert created["restore_target"] == "http://192.0.2.1/v3"
    assert protection.calls[-1][2]["restore_auth"] == auth


@pytest.mark.parametrize(
    "target", ["nonsense", "ftp://cloud/v3", "http://", "https://u:geheim@cloud/v3"]
)
def test_a_target_is_a_url_in_which_nothing_is_secret(client, body, target):
    restore = {**body, "restore_target": target}
    answer = client.call("POST", "/restores", json={"restore": restore})
    message = fault(answer, "badRequest", 400)
    assert "restore_target: it is no http URL" in message
    assert "geheim" not in message
