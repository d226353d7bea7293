# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in, the answer is a fault that says why, and never a 500."""

import json
import logging
import urllib.parse

import oslo_messaging as messaging
import pytest
import webob.exc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oslo_db import exception as db_exception

from karbor import exception
from karbor.api.app import ROUTES
from karbor.tests.fakes.protection_api import IMAGE, IMAGE_ID, PROVIDER_ID
from karbor.tests.unit.api.conftest import PLAN, fault

IDS = {
    "plan_id": "00000000-0000-4000-8000-000000000001",
    "provider_id": PROVIDER_ID,
    "checkpoint_id": "00000000-0000-4000-8000-000000000002",
    "protectable_type": IMAGE,
    "protectable_id": IMAGE_ID,
    "restore_id": "00000000-0000-4000-8000-000000000003",
    "verification_id": "00000000-0000-4000-8000-000000000004",
    "operation_log_id": "00000000-0000-4000-8000-000000000005",
    "service_id": "00000000-0000-4000-8000-000000000006",
}
WRITERS = sorted(
    (method, path.format(**IDS))
    for path, controller in ROUTES.items()
    for method in ("POST", "PUT")
    if hasattr(controller, f"on_{method.lower()}")
)

BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"plan": "\xff"}',
    "UTF-16": '{"plan": {}}'.encode("utf-16"),
    "two documents": b"{}{}",
    "NaN": b'{"plan": NaN}',
    "Infinity": b'{"plan": -Infinity}',
    "a number beyond floats": b'{"plan": 1e999}',
    "a very long integer": b'{"plan": ' + b"9" * 5000 + b"}",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "deep and closed": b"[" * 500 + b"]" * 500,
    "a NUL": b'{"plan": {"name": "\\u0000"}}',
    "half a surrogate pair": b'{"plan": {"name": "\\ud800"}}',
    "half a surrogate pair as key": b'{"\\udfff": {}}',
    "a list": b"[]",
    "null": b"null",
    "true": b"true",
    "a text": b'"plan"',
    "a number": b"5",
    "the wrong object": b'{"volume": {}}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
@pytest.mark.parametrize(("method", "path"), WRITERS)
def test_a_body_that_cannot_be_is_a_bad_request(client, method, path, body):
    answer = client.call(
        method, path, body=body, headers={"Content-Type": "application/json"}
    )
    fault(answer, "badRequest", 400)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data", "x", "é"]
)
def test_another_content_type_is_not_supported(client, content_type):
    answer = client.call(
        "POST",
        "/plans",
        body=json.dumps({"plan": PLAN}),
        headers={"Content-Type": content_type},
    )
    assert "application/json" in fault(answer, "badMediaType", 415)


@pytest.mark.parametrize(
    "content_type", [None, "application/json; charset=utf-8", "Application/JSON"]
)
def test_json_is_taken_however_it_is_called(client, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.call(
        "POST", "/plans", body=json.dumps({"plan": PLAN}), headers=headers
    )
    assert answer.status_code == 200


def test_a_body_that_is_too_large_is_refused(client, conf):
    conf.set_override("max_request_body_size", 1000, group="oslo_middleware")
    answer = client.call("POST", "/plans", json={"plan": {"name": "x" * 1000}})
    assert "max_request_body_size" in fault(answer, "overLimit", 413)


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT", "TRACE", "CONNECT"])
def test_a_method_that_a_path_does_not_take(client, method):
    answer = client.call(method, "/plans")
    assert "Allow" in fault(answer, "badMethod", 405)
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "path", ["", "/nothing", "/plans/a/b", "/plans/%00", "/plans/%ff", "/plans/%2F"]
)
def test_a_path_that_is_not_there(client, path):
    answer = client.call("GET", path)
    assert answer.status_code in (400, 404)
    fault(
        answer,
        *{400: ("badRequest", 400), 404: ("itemNotFound", 404)}[answer.status_code],
    )


@pytest.mark.parametrize(
    "kind", ["quotas", "quota_classes", "scheduled_operations", "triggers"]
)
@pytest.mark.parametrize("rest", ["", "/x", "/x/defaults"])
def test_what_only_karbor_1_had_is_said_to_be_missing(client, kind, rest):
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = client.call(method, f"/{kind}{rest}")
        assert f"no {kind}" in fault(answer, "itemNotFound", 404)


@pytest.mark.parametrize(
    ("error", "name", "code", "said"),
    [
        (exception.InvalidInput(reason="why"), "badRequest", 400, "why"),
        (exception.ProviderNotFound(provider_id="p"), "itemNotFound", 404, "p"),
        (exception.AdminRequired(), "forbidden", 403, "admin"),
        (
            exception.CheckpointNotAvailable(checkpoint_id="c"),
            "conflictingRequest",
            409,
            "c",
        ),
        (
            exception.ListProtectableResourceFailed(type="t", reason="Glance is down"),
            "computeFault",
            500,
            "Glance is down",
        ),
        (messaging.MessagingTimeout("x"), "computeFault", 504, "in time"),
        (messaging.MessageDeliveryFailure("x"), "serviceUnavailable", 503, "broker"),
        (
            messaging.RemoteError("ValueError", "secret", ["traceback"]),
            "computeFault",
            500,
            "protection service",
        ),
        (db_exception.DBConnectionError("x"), "serviceUnavailable", 503, "database"),
        (ZeroDivisionError("internal"), "computeFault", 500, "X-Openstack-Request-Id"),
        (
            webob.exc.HTTPRequestEntityTooLarge(explanation="big"),
            "overLimit",
            413,
            "big",
        ),
    ],
)
def test_errors_behind_the_api_have_their_own_answers(
    client, protection, error, name, code, said
):
    protection.error = error
    message = fault(client.call("GET", "/providers"), name, code)
    assert said in message
    for internal in ("Traceback", "secret", "internal", "ZeroDivision"):
        assert internal not in message


def test_an_error_that_came_over_rpc_shows_no_remote_traceback(client, protection):
    class ProviderNotFound_Remote(exception.ProviderNotFound):
        """As oslo.messaging makes it: its text has the remote traceback."""

        def __str__(self):
            return f"{self.msg}\nTraceback (most recent call last): ..."

    protection.error = ProviderNotFound_Remote("Provider x could not be found.")
    answer = client.call("GET", "/providers")
    assert fault(answer, "itemNotFound", 404) == "Provider x could not be found."


def test_an_unexpected_error_is_logged_with_its_traceback(client, protection, caplog):
    caplog.set_level(logging.ERROR)
    protection.error = ZeroDivisionError("a defect")
    client.call("GET", "/providers")
    [record] = [record for record in caplog.records if record.name.startswith("karbor")]
    assert record.exc_info[0] is ZeroDivisionError
    assert "GET" in record.getMessage()


def test_a_head_and_options_do_no_harm(client):
    assert client.call("OPTIONS", "/plans").status_code == 200
    answer = client.call("HEAD", "/plans")
    assert (answer.status_code, answer.text) == (405, "")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [
        *("name", "description", "provider_id", "parameters", "resources", "status"),
        *("plan_id", "extra-info", "checkpoint_id", "restore_target", "restore_auth"),
        *("state", "id", "type", "extra_info", "disabled_reason", "x"),
    ]
)
VALUES = st.one_of(
    JSON,
    st.sampled_from([*IDS.values(), IMAGE, "started", "enabled", {IMAGE: {}}]),
    st.lists(st.dictionaries(KEYS, JSON | st.just(IMAGE), max_size=4), max_size=2),
)
BODIES = st.one_of(
    JSON,
    st.dictionaries(
        st.sampled_from(
            [
                *("plan", "checkpoint", "os-resetState", "copy", "restore"),
                *("verification", "status", "disabled_reason"),
            ]
        ),
        st.dictionaries(KEYS, VALUES, max_size=6) | VALUES,
        min_size=1,
        max_size=2,
    ),
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(target=st.sampled_from(WRITERS), body=BODIES)
def test_no_body_at_all_makes_the_api_fail(client, target, body):
    answer = client.call(*target, json=body)
    assert answer.status_code < 500, answer.text


QUERY_KEYS = st.sampled_from(
    [
        *("limit", "marker", "sort", "sort_key", "sort_dir", "all_tenants"),
        *("project_id", "name", "status", "parameters", "start_date", "type", "host"),
    ]
)
QUERY_VALUES = st.one_of(
    st.text(max_size=20),
    st.integers().map(str),
    st.sampled_from(
        ["name:asc", "id:desc,name", "created_at", "asc", "1", "{'a': 1}", "%ff", ":"]
    ),
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    path=st.sampled_from(sorted(ROUTES)),
    ids=st.fixed_dictionaries(
        {
            name: st.sampled_from([value, "x", "%00", "%F0%28"]) | st.uuids().map(str)
            for name, value in IDS.items()
        }
    ),
    query=st.dictionaries(QUERY_KEYS, QUERY_VALUES, max_size=4),
)
def test_no_path_and_no_query_makes_the_api_fail(client, path, ids, query):
    query = {key: value.encode("utf-8", "replace") for key, value in query.items()}
    answer = client.call(
        "GET", path.format(**ids), query_string=urllib.parse.urlencode(query)
    )
    assert answer.status_code < 500, answer.text
