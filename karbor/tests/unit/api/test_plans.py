# SPDX-License-Identifier: Apache-2.0
"""Plans over REST."""

import pytest

from karbor.tests.fakes.protection_api import IMAGE, IMAGE_ID, SERVER
from karbor.tests.unit.api.conftest import PLAN, PROJECT, fault

NOBODY = "00000000-0000-4000-8000-00000000dead"


def test_a_plan_is_created_suspended_and_shown_as_created(client):
    plan = client.create_plan(description="d", parameters={IMAGE: {"backup_name": "b"}})
    assert plan["status"] == "suspended"
    assert plan["project_id"] == PROJECT
    assert plan["resources"] == PLAN["resources"]
    assert client.get(f"/plans/{plan['id']}", "plan") == plan
    assert client.get("/plans", "plans") == [plan]
    assert client.get("/plans/detail", "plans") == [plan]


@pytest.mark.parametrize("extra_info", [{"k": "v"}, '{"k": "v"}'])
def test_extra_info_may_be_an_object_or_its_json(client, database, extra_info):
    resource = {**PLAN["resources"][0], "extra_info": extra_info}
    plan = client.create_plan(resources=[resource])
    assert plan["resources"][0]["extra_info"] == {"k": "v"}


@pytest.mark.parametrize("extra_info", [None, {}, ""])
def test_no_extra_info_is_left_out(client, extra_info):
    resource = {**PLAN["resources"][0], "extra_info": extra_info}
    plan = client.create_plan(resources=[resource])
    assert "extra_info" not in plan["resources"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resources": []}, "plan/resources: it needs at least 1 item"),
        ({"resources": [{"id": "x"}]}, "plan/resources/0: missing type, name"),
        ({"resources": [{"id": "x", "type": "OS::X", "name": "n"}]}, "OS::X"),
        (
            {"resources": [{**PLAN["resources"][0], "extra_info": "{"}]},
            f"extra_info of resource {IMAGE_ID}",
        ),
        ({"provider_id": "x"}, "plan/provider_id: it is no uuid"),
        ({"provider_id": NOBODY}, NOBODY),
        (
            {"resources": [{**PLAN["resources"][0], "extra_info": "[" * 900}]},
            f"extra_info of resource {IMAGE_ID}",
        ),
        (
            {
                "resources": [
                    {**PLAN["resources"][0], "extra_info": "[" * 900 + "]" * 900}
                ]
            },
            "deep",
        ),
        ({"name": "n" * 256}, "plan/name: it is longer than 255"),
        ({"name": 5}, "plan/name: it must be string or null"),
        ({"parameters": {"OS::X": {}}}, "no plugin for 'OS::X'"),
        ({"parameters": {IMAGE: {"colour": 1}}}, "backup_name"),
        ({"parameters": {IMAGE: 5}}, f"plan/parameters/{IMAGE}"),
        ({"colour": "red"}, "unknown key"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_the_reason(client, change, said):
    answer = client.call("POST", "/plans", json={"plan": {**PLAN, **change}})
    assert said in fault(answer, "badRequest", 400)
    assert client.get("/plans", "plans") == []


def test_parameters_of_a_type_without_a_schema_are_anybodys(client):
    plan = client.create_plan(parameters={f"{SERVER}#x": {"anything": 1}})
    assert plan["parameters"] == {f"{SERVER}#x": {"anything": 1}}


def test_a_plan_of_ten_thousand_resources_is_taken(client):
    resources = [
        {"id": f"{n:036}", "type": IMAGE, "name": f"image {n}"} for n in range(10_000)
    ]
    plan = client.create_plan(resources=resources)
    assert plan["resources"] == resources


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"description": None},
        {"resources": [{"id": "x", "type": IMAGE, "name": None}]},
        {"parameters": {IMAGE: {"backup_name": "b"}}},
        {"status": "started"},
    ],
)
def test_a_plan_is_updated_field_by_field(client, change):
    plan = client.create_plan(description="d")
    answer = client.call("PUT", f"/plans/{plan['id']}", json={"plan": change})
    changed = answer.json["plan"]
    assert changed.pop("updated_at")
    assert changed == {**{k: plan[k] for k in changed}, **change}


@pytest.mark.parametrize(
    "change",
    [{}, {"provider_id": NOBODY}, {"status": "asleep"}, {"resources": []}],
)
def test_what_a_plan_cannot_be_changed_to_is_refused(client, change):
    plan = client.create_plan()
    answer = client.call("PUT", f"/plans/{plan['id']}", json={"plan": change})
    fault(answer, "badRequest", 400)
    assert client.get(f"/plans/{plan['id']}", "plan") == plan


def test_a_started_plan_is_changed_only_after_it_was_suspended(client):
    plan = client.create_plan()
    path = f"/plans/{plan['id']}"
    assert client.call("PUT", path, json={"plan": {"status": "started"}}).json
    answer = client.call("PUT", path, json={"plan": {"name": "n"}})
    assert "'suspended'" in fault(answer, "badRequest", 400)
    client.call("PUT", path, json={"plan": {"status": "suspended"}})
    answer = client.call("PUT", path, json={"plan": {"name": "n"}})
    assert answer.json["plan"]["name"] == "n"


def test_a_deleted_plan_is_gone_and_its_checkpoints_stay(client, protection):
    plan = client.create_plan()
    checkpoint = client.protect(plan["id"])
    assert client.call("DELETE", f"/plans/{plan['id']}").status_code == 200
    for method in ("GET", "DELETE"):
        answer = client.call(method, f"/plans/{plan['id']}")
        assert plan["id"] in fault(answer, "itemNotFound", 404)
    assert checkpoint["id"] in protection.checkpoints


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_unknown_plans_are_not_found_and_impossible_ids_refused(client, method):
    body = {"plan": {"name": "n"}}
    fault(client.call(method, f"/plans/{NOBODY}", json=body), "itemNotFound", 404)
    fault(client.call(method, "/plans/x", json=body), "badRequest", 400)
