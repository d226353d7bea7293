# SPDX-License-Identifier: Apache-2.0
"""A password or a token that comes in goes into no log, answer or record."""

import logging

import pytest

from karbor import exception
from karbor.tests.fakes.protection_api import PROVIDER_ID
from karbor.tests.unit.api.conftest import fault

SECRET = "hunter2-is-the-password"
AUTH = {"type": "password", "username": "u", "password": SECRET}


@pytest.fixture
def everything_logged(caplog):
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def restore(client):
    checkpoint = client.protect(client.create_plan()["id"])
    return {"provider_id": PROVIDER_ID, "checkpoint_id": checkpoint["id"]}


@pytest.mark.parametrize(
    "error",
    [None, exception.CheckpointNotFound(checkpoint_id="c"), ValueError("a defect")],
)
def test_restore_auth_is_in_no_record_log_or_answer(
    client, protection, database, restore, everything_logged, error, tmp_path
):
    protection.error = error
    body = {"restore": {**restore, "restore_auth": AUTH}}
    answer = client.call("POST", "/restores", json=body)
    assert protection.calls[-1][2]["restore_auth"] == AUTH
    listed = client.call("GET", "/restores")
    database.close()
    for text in (answer.text, listed.text, everything_logged.text):
        assert SECRET not in text
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    "auth",
    [
        SECRET,
        [SECRET],
        {"password": [SECRET]},
        {"password": {"p": SECRET}},
        {SECRET * 20: "x"},
        {f"!{SECRET}": "x"},
    ],
)
def test_restore_auth_of_a_wrong_form_is_refused_without_quoting_it(
    client, restore, everything_logged, auth
):
    body = {"restore": {**restore, "restore_auth": auth}}
    answer = client.call("POST", "/restores", json=body)
    message = fault(answer, "badRequest", 400)
    assert "restore/restore_auth" in message
    for text in (answer.text, everything_logged.text):
        assert SECRET not in text


@pytest.mark.parametrize(
    "raw", ['{"restore": {"restore_auth": "%s', '{"password": "%s"} x', '"%s"']
)
def test_a_body_that_is_no_json_is_refused_without_quoting_it(
    client, everything_logged, raw
):
    answer = client.call("POST", "/restores", body=raw % SECRET)
    fault(answer, "badRequest", 400)
    for text in (answer.text, everything_logged.text):
        assert SECRET not in text


def test_a_token_is_in_no_log_and_no_answer(cloud, everything_logged, protection):
    token = cloud.alice._default_headers["X-Auth-Token"]
    plan = cloud.alice.create_plan()
    protection.error = ValueError("a defect")
    answer = cloud.alice.call("GET", "/providers")
    assert fault(answer, "computeFault", 500)
    assert cloud.alice.call("GET", "/plans?limit=x").status_code == 400
    assert token not in str(plan)
    assert token not in answer.text
    assert token not in everything_logged.text
    assert "service-secret" not in everything_logged.text


def test_a_users_password_header_is_in_no_log(client, everything_logged):
    client.call("GET", "/plans", headers={"X-Auth-User": "u", "X-Auth-Key": SECRET})
    assert SECRET not in everything_logged.text
