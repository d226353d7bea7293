# SPDX-License-Identifier: Apache-2.0
"""Checkpoints and copies over REST."""

import json

import pytest

from karbor.tests.fakes.protection_api import (
    IMAGE,
    IMAGE_ID,
    OTHER_PROVIDER_ID,
    PROVIDER_ID,
)
from karbor.tests.unit.api.conftest import PROJECT, fault

NOBODY = "00000000-0000-4000-8000-00000000dead"
CHECKPOINTS = f"/providers/{PROVIDER_ID}/checkpoints"


@pytest.fixture
def plan(client):
    resource = {"id": IMAGE_ID, "type": IMAGE, "name": "n", "extra_info": {"k": "v"}}
    return client.create_plan(resources=[resource])


@pytest.fixture
def checkpoint(client, plan):
    return client.protect(plan["id"])


def test_protecting_sends_what_the_protection_service_knows(client, protection, plan):
    created = client.protect(plan["id"])
    name, context, arguments = protection.calls[-1]
    assert name == "protect"
    assert context.project_id == PROJECT
    resource = {"id": IMAGE_ID, "type": IMAGE, "name": "n", "extra_info": '{"k": "v"}'}
    assert arguments["plan"] == {
        "id": plan["id"],
        "name": "plan",
        "description": None,
        "project_id": PROJECT,
        "provider_id": PROVIDER_ID,
        "status": "suspended",
        "parameters": {},
        "resources": [resource],
        "created_at": plan["created_at"],
        "updated_at": None,
    }
    assert arguments["checkpoint_properties"] == {
        "project_id": PROJECT,
        "status": "protecting",
        "provider_id": PROVIDER_ID,
        "protection_plan": {
            "id": plan["id"],
            "name": "plan",
            "provider_id": PROVIDER_ID,
            "resources": [resource],
        },
        "extra_info": '{"created_by": "manual"}',
    }
    assert json.dumps(arguments["plan"])
    assert created["status"] == "protecting"
    assert created["resource_graph"] is None


@pytest.mark.parametrize("key", ["extra-info", "extra_info"])
def test_extra_info_is_added_to_who_created_it(client, plan, key):
    body = {"plan_id": plan["id"], key: {"why": "test", "unset": None}}
    created = client.post(CHECKPOINTS, checkpoint=body)
    assert json.loads(created["extra_info"]) == {
        "created_by": "manual",
        "why": "test",
        "unset": None,
    }


def test_a_plan_of_another_provider_is_refused(client, plan):
    answer = client.call(
        "POST",
        f"/providers/{OTHER_PROVIDER_ID}/checkpoints",
        json={"checkpoint": {"plan_id": plan["id"]}},
    )
    assert PROVIDER_ID in fault(answer, "badRequest", 400)


def test_a_plan_that_is_not_there_is_not_found(client):
    for path, body in (
        (CHECKPOINTS, {"checkpoint": {"plan_id": NOBODY}}),
        (f"{CHECKPOINTS}/action", {"copy": {"plan_id": NOBODY}}),
    ):
        answer = client.call("POST", path, json=body)
        assert NOBODY in fault(answer, "itemNotFound", 404)


def test_a_checkpoint_is_shown(client, checkpoint):
    shown = client.get(f"{CHECKPOINTS}/{checkpoint['id']}", "checkpoint")
    assert shown["status"] == "available"
    assert shown["created_at"] == "2026-11-20"
    assert "status_reason" not in shown


def test_a_failed_checkpoint_says_why(client, protection, checkpoint):
    stored = protection.checkpoints[checkpoint["id"]]
    stored["status_reason"] = "the disk is full"
    stored["resources_status"] = {f"{IMAGE}#x": {"status": "error", "reason": "r"}}
    shown = client.get(f"{CHECKPOINTS}/{checkpoint['id']}", "checkpoint")
    assert shown["status_reason"] == "the disk is full"
    assert shown["resources_status"] == stored["resources_status"]


def test_a_checkpoint_is_deleted(client, checkpoint):
    path = f"{CHECKPOINTS}/{checkpoint['id']}"
    assert client.call("DELETE", path).status_code == 200
    for method in ("GET", "DELETE"):
        message = fault(client.call(method, path), "itemNotFound", 404)
        assert checkpoint["id"] in message


def test_a_checkpoint_in_work_is_not_deleted(client, protection, checkpoint):
    protection.checkpoints[checkpoint["id"]]["status"] = "protecting"
    answer = client.call("DELETE", f"{CHECKPOINTS}/{checkpoint['id']}")
    assert "can not be deleted" in fault(answer, "badRequest", 400)


def test_a_state_is_reset(client, protection, checkpoint):
    path = f"{CHECKPOINTS}/{checkpoint['id']}"
    for state in ("error", "available"):
        answer = client.call("PUT", path, json={"os-resetState": {"state": state}})
        assert (answer.status_code, answer.json) == (200, {})
        assert protection.checkpoints[checkpoint["id"]]["status"] == state
    answer = client.call("PUT", path, json={"os-resetState": {"state": "deleted"}})
    assert "available, error" in fault(answer, "badRequest", 400)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_ids_that_are_nobodys(client, method):
    body = {"os-resetState": {"state": "error"}}
    for provider, checkpoint, name, code in (
        (PROVIDER_ID, NOBODY, "itemNotFound", 404),
        (NOBODY, NOBODY, "itemNotFound", 404),
        (PROVIDER_ID, "x", "badRequest", 400),
        ("x", NOBODY, "badRequest", 400),
    ):
        path = f"/providers/{provider}/checkpoints/{checkpoint}"
        fault(client.call(method, path, json=body), name, code)


def test_a_plans_checkpoints_are_copied(client, protection, plan, checkpoint):
    parameters = {IMAGE: {"backup_name": "b"}}
    copy = client.post(
        f"{CHECKPOINTS}/action", copy={"plan_id": plan["id"], "parameters": parameters}
    )
    [pair] = copy.pop("checkpoint_id")
    assert pair["checkpoint_protect_id"] == checkpoint["id"]
    assert copy == {
        "project_id": PROJECT,
        "provider_id": PROVIDER_ID,
        "plan_id": plan["id"],
        "parameters": parameters,
    }
    name, _, arguments = protection.calls[-1]
    assert name == "copy"
    assert arguments["plan"]["parameters"] == parameters
    assert client.get(f"/plans/{plan['id']}", "plan")["parameters"] == {}


def test_a_copy_names_another_provider(client, protection, plan, checkpoint):
    parameters = {IMAGE: {"backup_name": "b"}, "target_provider_id": NOBODY}
    copy = client.post(
        f"{CHECKPOINTS}/action", copy={"plan_id": plan["id"], "parameters": parameters}
    )
    assert copy["parameters"] == parameters
    assert protection.calls[-1][2]["plan"]["parameters"] == parameters


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"target_provider_id": "somewhere"}, "it is no uuid"),
        ({"target_provider_id": {}}, "it must be string"),
        ({"target": "x"}, "it must be object"),
        ({"a/b": {}}, "not allowed"),
    ],
)
def test_parameters_of_a_copy_that_make_no_sense(client, plan, parameters, said):
    body = {"copy": {"plan_id": plan["id"], "parameters": parameters}}
    answer = client.call("POST", f"{CHECKPOINTS}/action", json=body)
    assert said in fault(answer, "badRequest", 400)


def test_a_copy_shows_what_it_is_a_copy_of(client, protection, checkpoint):
    source = {"copied_from": NOBODY, "copied_from_provider": PROVIDER_ID}
    protection.checkpoints[checkpoint["id"]].update(source)
    shown = client.get(f"{CHECKPOINTS}/{checkpoint['id']}", "checkpoint")
    assert shown.items() >= source.items()


def test_a_plan_that_was_never_protected_has_nothing_to_copy(client, plan):
    answer = client.call(
        "POST", f"{CHECKPOINTS}/action", json={"copy": {"plan_id": plan["id"]}}
    )
    assert "no checkpoint to copy" in fault(answer, "badRequest", 400)
