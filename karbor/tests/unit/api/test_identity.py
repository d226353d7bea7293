# SPDX-License-Identifier: Apache-2.0
"""Who may do what: Keystone's tokens, projects, admins, policies."""

import pytest

from karbor.api import policies
from karbor.api.app import ROUTES, create_app
from karbor.context import get_admin_context
from karbor.tests.fakes.protection_api import IMAGE, IMAGE_ID, PROVIDER_ID
from karbor.tests.unit.api.conftest import (
    PLAN,
    PROJECT,
    PROJECT_OF_BOB,
    PROJECT_OF_ROOT,
    Client,
    fault,
    make_conf,
)

#: A body for each method that wants one.
BODIES = {
    ("POST", "/plans"): {"plan": PLAN},
    ("PUT", "/plans/{plan_id}"): {"plan": {"name": "taken"}},
    ("POST", "/providers/{provider_id}/checkpoints"): {
        "checkpoint": {"plan_id": "{plan_id}"}
    },
    ("POST", "/providers/{provider_id}/checkpoints/action"): {
        "copy": {"plan_id": "{plan_id}"}
    },
    ("PUT", "/providers/{provider_id}/checkpoints/{checkpoint_id}"): {
        "os-resetState": {"state": "error"}
    },
    ("POST", "/restores"): {
        "restore": {
            "provider_id": "{provider_id}",
            "checkpoint_id": "{checkpoint_id}",
        }
    },
    ("POST", "/verifications"): {
        "verification": {
            "provider_id": "{provider_id}",
            "checkpoint_id": "{checkpoint_id}",
        }
    },
    ("PUT", "/os-services/{service_id}"): {"status": "disabled"},
}

METHODS = sorted(
    (method, path)
    for path, controller in ROUTES.items()
    for method in ("GET", "POST", "PUT", "DELETE")
    if hasattr(controller, f"on_{method.lower()}")
)

#: What is nobody's own: anybody may see it, or only an admin.
OF_NOBODY = {
    ("GET", "/providers"),
    ("GET", "/providers/{provider_id}"),
    ("GET", "/protectables"),
    ("GET", "/protectables/{protectable_type}"),
    ("GET", "/protectables/{protectable_type}/instances"),
    ("GET", "/protectables/{protectable_type}/instances/{protectable_id}"),
    ("POST", "/plans"),
}


def fill(value, ids):
    if isinstance(value, dict):
        return {key: fill(item, ids) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("{"):
        return ids[value.strip("{}")]
    return value


@pytest.fixture
def ids(cloud, database):
    """What alice has, by the names that the routes use."""
    plan = cloud.alice.create_plan()
    checkpoint = cloud.alice.protect(plan["id"])
    of_checkpoint = {"provider_id": PROVIDER_ID, "checkpoint_id": checkpoint["id"]}
    restore = cloud.alice.post("/restores", restore=of_checkpoint)
    verification = cloud.alice.post("/verifications", verification=of_checkpoint)
    admin = get_admin_context()
    log = database.operation_logs.create(admin, {"project_id": PROJECT})
    service = database.services.heartbeat(admin, "host", "karbor-protection", "t")
    return {
        "plan_id": plan["id"],
        "provider_id": PROVIDER_ID,
        "checkpoint_id": checkpoint["id"],
        "protectable_type": IMAGE,
        "protectable_id": IMAGE_ID,
        "restore_id": restore["id"],
        "verification_id": verification["id"],
        "operation_log_id": log["id"],
        "service_id": service["id"],
    }


def ask(client, method, path, ids):
    body = fill(BODIES.get((method, path)), ids)
    kwargs = {"json": body} if body else {}
    return client.call(method, path.format(**ids), **kwargs)


@pytest.mark.parametrize(("method", "path"), METHODS)
def test_another_project_neither_sees_nor_changes_anything(
    cloud, database, protection, ids, method, path
):
    before = {
        name: cloud.alice.call("GET", name).json
        for name in (
            "/plans",
            "/restores",
            "/verifications",
            "/operation_logs",
            f"/providers/{PROVIDER_ID}/checkpoints",
        )
    }
    answer = ask(cloud.bob, method, path, ids)
    if (method, path) not in OF_NOBODY:
        if method == "GET" and "{" not in path.rpartition("/")[2]:
            if path == "/os-services":
                fault(answer, "forbidden", 403)
            else:
                assert answer.status_code == 200
                [items] = answer.json.values()
                assert items == []
        else:
            assert answer.status_code in (403, 404), answer.text
    for name, content in before.items():
        assert cloud.alice.call("GET", name).json == content
    assert protection.checkpoints[ids["checkpoint_id"]]["status"] == "available"


@pytest.mark.parametrize(("method", "path"), METHODS)
def test_the_url_of_another_project_is_forbidden(cloud, ids, method, path):
    cloud.bob.project = PROJECT
    fault(ask(cloud.bob, method, path, ids), "forbidden", 403)


@pytest.mark.parametrize(("method", "path"), METHODS)
def test_without_a_token_there_is_nothing(cloud, ids, method, path):
    for headers in ({}, {"X-Auth-Token": "made-up"}, {"X-Roles": "admin"}):
        stranger = Client(cloud.app, PROJECT, headers)
        answer = ask(stranger, method, path, ids)
        fault(answer, "unauthorized", 401)
        assert "Keystone uri=" in answer.headers["www-authenticate"]


def test_identity_headers_of_a_caller_count_for_nothing(cloud):
    forged = {
        "X-Identity-Status": "Confirmed",
        "X-Project-Id": PROJECT,
        "X-Roles": "admin",
        "X-User-Id": "alice",
    }
    answer = Client(cloud.app, PROJECT, forged).call("GET", "/plans")
    fault(answer, "unauthorized", 401)


@pytest.mark.parametrize(("method", "path"), METHODS)
def test_an_admin_may_do_everything_in_any_project(cloud, ids, method, path):
    cloud.root.project = PROJECT
    answer = ask(cloud.root, method, path, ids)
    assert answer.status_code == 200, answer.text


def test_all_tenants_is_for_admins(cloud, ids):
    listings = (
        "/plans",
        "/restores",
        "/verifications",
        "/operation_logs",
        f"/providers/{PROVIDER_ID}/checkpoints",
    )
    for path in listings:
        for query in ("all_tenants=1", f"project_id={PROJECT}"):
            answer = cloud.bob.call("GET", f"{path}?{query}")
            fault(answer, "forbidden", 403)
            [items] = cloud.root.call("GET", f"{path}?{query}").json.values()
            assert len(items) == 1
        [items] = cloud.root.call("GET", path).json.values()
        assert items == []


def test_the_context_says_who_asks(cloud, protection):
    cloud.alice.get("/providers", "providers")
    _, context, _ = protection.calls[-1]
    assert context.user_id == "id-of-alice"
    assert context.project_id == PROJECT
    assert context.roles == ["member"]
    assert context.is_admin is False
    assert context.request_id.startswith("req-")
    assert context.auth_token
    assert context.service_catalog[0]["type"] == "identity"
    cloud.root.get("/providers", "providers")
    assert protection.calls[-1][1].is_admin is True
    assert protection.calls[-1][1].project_id == PROJECT_OF_ROOT
    assert protection.calls[-1][1].token_project_id == PROJECT_OF_ROOT


def test_an_admin_in_another_project_keeps_the_project_of_the_token(cloud, protection):
    cloud.root.project = PROJECT
    cloud.root.get("/providers", "providers")
    context = protection.calls[-1][1]
    assert context.project_id == PROJECT
    assert context.token_project_id == PROJECT_OF_ROOT


def test_a_callers_global_request_id_goes_on(cloud, protection):
    global_id = "req-11111111-2222-4333-8444-555555555555"
    cloud.alice.call("GET", "/providers", headers={"X-Openstack-Request-Id": global_id})
    assert protection.calls[-1][1].global_request_id == global_id


def test_versions_and_health_need_no_token(cloud):
    stranger = Client(cloud.app)
    assert stranger.simulate_get("/healthcheck").status_code == 200
    versions = stranger.simulate_get("/")
    assert versions.status_code == 300
    assert versions.json["versions"][0]["id"] == "v1.0"
    for path in ("/v1", "/v1/"):
        version = stranger.simulate_get(path).json["version"]
        assert (version["id"], version["status"]) == ("v1.0", "CURRENT")
    for path in ("/v2", "/v1//", "/v1/x", "//", "/v1/../v1"):
        assert stranger.simulate_get(path).status_code == 401


def test_a_keystone_that_is_down_is_said(cloud, identity):
    identity.fail_with = 500
    cloud.alice._default_headers["X-Auth-Token"] = "new"
    answer = cloud.alice.call("GET", "/plans")
    assert "identity service" in fault(answer, "serviceUnavailable", 503)


def test_without_keystone_the_project_is_the_urls_and_everybody_is_admin(
    client, protection
):
    for headers, user in (
        ({}, "admin"),
        ({"X-Auth-User": "bob"}, "bob"),
        ({"X-Auth-Token": "carol:other-project"}, "carol"),
    ):
        client.call("GET", "/providers", headers=headers)
        _, context, _ = protection.calls[-1]
        assert (context.user_id, context.project_id) == (user, PROJECT)
        assert context.is_admin is True


def test_every_method_has_a_documented_rule():
    documented = {
        (
            operation["method"],
            operation["path"].replace("resource_id", "protectable_id"),
        )
        for rule in policies.list_rules()
        for operation in getattr(rule, "operations", None) or []
    }
    assert documented == set(METHODS) - {("GET", "/plans/detail")}


def test_a_rule_that_the_operator_changed_holds(tmp_path, protection, database):
    policy = tmp_path / "policy.yaml"
    policy.write_text('"plan:create": "!"\n', encoding="utf-8")
    conf = make_conf(
        tmp_path / "karbor.sqlite",
        f"[DEFAULT]\nauth_strategy = noauth\n[oslo_policy]\npolicy_file = {policy}\n",
    )
    client = Client(create_app(conf, protection, database))
    answer = client.call("POST", "/plans", json={"plan": PLAN})
    assert "plan:create" in fault(answer, "forbidden", 403)
    assert client.get("/plans", "plans") == []


def test_bob_has_what_is_his(cloud):
    plan = cloud.bob.create_plan()
    assert plan["project_id"] == PROJECT_OF_BOB
    assert cloud.alice.get("/plans", "plans") == []


@pytest.mark.parametrize("project", ["..", "%20", "a%00b", "%0a", "a" * 256])
def test_a_project_id_that_no_bank_can_keep_is_refused(
    conf, protection, database, project
):
    client = Client(create_app(conf, protection, database), project=project)
    answer = client.call("GET", "/plans")
    assert "project id" in fault(answer, "badRequest", 400)
