# SPDX-License-Identifier: Apache-2.0
"""Listings over REST: pages, links, order, filters."""

import urllib.parse

import pytest

from karbor.tests.fakes.protection_api import (
    IMAGE,
    OTHER_PROVIDER_ID,
    PROVIDER_ID,
    SERVER,
)
from karbor.tests.unit.api.conftest import PROJECT, fault


def walk(client, path, key):
    """All items by following the links, and the number of pages."""
    items, pages = [], 0
    url = f"/v1/{PROJECT}{path}"
    while url:
        answer = client.simulate_get(url)
        assert answer.status_code == 200, answer.text
        items += answer.json[key]
        pages += 1
        links = answer.json.get(f"{key}_links", [])
        url = links[0]["href"] if links else None
        if url:
            parts = urllib.parse.urlsplit(url)
            url = f"{parts.path}?{parts.query}"
    return items, pages


def test_following_the_links_gives_every_plan_once_and_in_order(client):
    names = [client.create_plan(name=f"{n % 3}")["name"] for n in range(7)]
    items, pages = walk(client, "/plans?limit=2&sort=name:desc,id:asc", "plans")
    assert [item["name"] for item in items] == sorted(names, reverse=True)
    assert len({item["id"] for item in items}) == 7
    assert pages == 4


def test_a_page_that_is_not_full_has_no_link(client):
    client.create_plan()
    assert "plans_links" not in client.call("GET", "/plans?limit=2").json
    assert "plans_links" not in client.call("GET", "/plans").json


def test_links_lead_to_the_public_endpoint(client, conf):
    client.create_plan()
    conf.set_override("public_endpoint", "https://cloud.example.com/dp/")
    [link] = client.get("/plans?limit=1", "plans_links")
    assert link["href"].startswith(f"https://cloud.example.com/dp/v1/{PROJECT}/plans?")


def test_links_lead_through_the_proxy_that_is_in_front(client, conf):
    client.create_plan()
    conf.set_override("enable_proxy_headers_parsing", True, group="oslo_middleware")
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "cloud.example.com"}
    answer = client.call("GET", "/plans?limit=1", headers=headers)
    [link] = answer.json["plans_links"]
    assert link["href"].startswith("https://cloud.example.com/v1/")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/providers?limit=1", "providers"),
        (f"/protectables/{IMAGE}/instances?limit=1", "instances"),
        (f"/providers/{PROVIDER_ID}/checkpoints?limit=1", "checkpoints"),
        ("/restores?limit=1", "restores"),
        ("/verifications?limit=1", "verifications"),
        ("/operation_logs?limit=1", "operation_logs"),
    ],
)
def test_every_listing_pages(client, protection, database, path, key):
    protection.instances[IMAGE].append({"id": "2", "name": "n", "extra_info": None})
    plan = client.create_plan()
    ids = {"provider_id": PROVIDER_ID}
    for _ in range(2):
        ids["checkpoint_id"] = client.protect(plan["id"])["id"]
        client.post("/restores", restore={**ids, "parameters": {}})
        client.post("/verifications", verification=ids)
        database.operation_logs.create(
            protection.calls[0][1], {"operation_type": "protect"}
        )
    items, pages = walk(client, path, key)
    assert len({item["id"] for item in items}) == 2
    assert pages == 3


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "offset=1",
        "limit=0",
        "limit=-1",
        "limit=ten",
        "limit=" + "9" * 200,
        "limit=1&limit=2",
        "marker=nobody",
        "marker=%00",
        "marker=%ff",
        "sort=colour",
        "sort=resources",
        "sort=name:up",
        "sort=,",
        "sort=name&sort_key=name",
        "sort_key=name&sort_dir=up",
        "all_tenants=maybe",
        "name=" + "n" * 256,
    ],
)
def test_a_query_that_makes_no_sense_is_refused(client, query):
    client.create_plan()
    answer = client.call("GET", f"/plans?{query}")
    if query.startswith("limit=999"):
        # More than there can be is cut to the most that is answered.
        assert answer.status_code == 200
        return
    fault(answer, "badRequest", 400)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"a", "b", "c"}),
        ("name=a", {"a"}),
        ("name=a&description=other", set()),
        ("description=second&status=suspended", {"b"}),
        ("status=started", set()),
        ("name=", set()),
        ("project_id=" + PROJECT, {"a", "b", "c"}),
        ("all_tenants=1", {"a", "b", "c", "elsewhere"}),
        ("all_tenants=True&project_id=" + "f" * 32, {"elsewhere"}),
        ("project_id=" + "f" * 32, {"elsewhere"}),
    ],
)
def test_filters_select(client, query, expected):
    for name, description in (("a", "first"), ("b", "second"), ("c", None)):
        client.create_plan(name=name, description=description)
    client.project = "f" * 32
    client.create_plan(name="elsewhere")
    client.project = PROJECT
    found = client.get(f"/plans?{query}", "plans")
    assert {plan["name"] for plan in found} == expected


def test_the_newest_comes_first_when_nothing_is_said(client):
    ids = [client.create_plan()["id"] for _ in range(3)]
    assert [plan["id"] for plan in client.get("/plans", "plans")] == ids[::-1]


def test_checkpoints_are_asked_for_as_the_query_says(client, protection):
    client.get(
        f"/providers/{PROVIDER_ID}/checkpoints?plan_id=p&start_date=2026-01-02"
        "&status=error&limit=5&sort=created_at:asc",
        "checkpoints",
    )
    name, _, arguments = protection.calls[-1]
    assert name == "list_checkpoints"
    assert arguments == {
        "provider_id": PROVIDER_ID,
        "marker": None,
        "limit": 5,
        "sort_keys": ["created_at"],
        "sort_dirs": ["asc"],
        "filters": {"plan_id": "p", "start_date": "2026-01-02", "status": "error"},
        "all_tenants": False,
    }


@pytest.mark.parametrize("date", ["2026-13-01", "yesterday", "2026", ""])
def test_a_date_that_is_none_is_refused(client, date):
    path = f"/providers/{PROVIDER_ID}/checkpoints?end_date={date}"
    assert "end_date" in fault(client.call("GET", path), "badRequest", 400)


def test_providers_are_filtered(client):
    [found] = client.get("/providers?name=second provider", "providers")
    assert found["id"] == OTHER_PROVIDER_ID


def test_instances_of_another_type_are_none(client):
    path = f"/protectables/{IMAGE}/instances"
    assert client.get(f"{path}?type={SERVER}", "instances") == []
    assert len(client.get(f"{path}?type={IMAGE}&name=cirros", "instances")) == 1


@pytest.mark.parametrize(
    "text", ["{'a': 'b', 'c': None}", '{"a": "b", "c": null}', "{'a':'b','c':None}"]
)
def test_parameters_come_as_python_or_as_json(client, protection, text):
    for path in (f"/protectables/{IMAGE}/instances",):
        query = urllib.parse.urlencode({"parameters": text})
        client.get(f"{path}?{query}", "instances")
        [given] = [
            arguments["parameters"]
            for name, _, arguments in protection.calls
            if name == "list_protectable_instances"
        ]
        assert given == {"a": "b", "c": None}


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[1]",
        "5",
        "{1: 2}",
        "{'a': {1, 2}}",
        "{'a': b'x'}",
        "{'a': 1j}",
        "{'a': NaN}",
        '{"a": NaN}',
        "__import__('os').system('true')",
        "(" * 300,
        "[" * 4000,
        "{'a': '" + "x" * 4096 + "'}",
        "9" * 4001,
    ],
)
def test_parameters_that_are_no_object_are_refused(client, text):
    query = urllib.parse.urlencode({"parameters": text})
    for path in ("instances", "instances/x"):
        answer = client.call("GET", f"/protectables/{IMAGE}/{path}?{query}")
        fault(answer, "badRequest", 400)
