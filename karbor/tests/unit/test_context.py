# SPDX-License-Identifier: Apache-2.0
"""The request context, as messages carry it and as flows may keep it."""

import json

from karbor.context import RequestContext, get_admin_context

SENT_BY_KARBOR_1 = {
    "auth_token": "secret-token",
    "auth_token_info": {"token": {"id": "secret-token"}},
    "is_admin": True,
    "project_id": "0123",
    "tenant": "0123",
    "user": "admin",
    "user_id": "admin",
    "read_deleted": "no",
    "quota_class": None,
    "remote_address": "127.0.0.1",
    "request_id": "req-1",
    "roles": ["admin"],
    "service_catalog": [{"type": "image"}],
    "timestamp": "2026-11-20T11:25:42.962590",
}


def test_the_context_of_a_1_x_message_is_understood():
    context = RequestContext.from_dict(SENT_BY_KARBOR_1)
    assert context.user_id == "admin"
    assert context.project_id == "0123"
    assert context.is_admin
    assert context.request_id == "req-1"
    assert context.service_catalog == [{"type": "image"}]
    assert context.token_project_id == "0123"


def test_a_context_survives_a_message():
    context = RequestContext.from_dict(SENT_BY_KARBOR_1)
    again = RequestContext.from_dict(json.loads(json.dumps(context.to_dict())))
    assert again.to_dict() == context.to_dict()


def test_a_message_tells_whose_the_token_is_when_another_project_is_worked_on():
    context = RequestContext("root", "admins")
    context.project_id = "0123"
    again = RequestContext.from_dict(context.to_dict())
    assert (again.project_id, again.token_project_id) == ("0123", "admins")
    assert again.elevated().token_project_id == "admins"


def test_the_plain_context_has_no_secret_and_rebuilds_the_identity():
    plain = RequestContext.from_dict(SENT_BY_KARBOR_1).to_plain()
    assert "secret-token" not in json.dumps(plain)
    again = RequestContext.from_dict(plain)
    assert (again.user_id, again.project_id) == ("admin", "0123")


def test_elevating_makes_an_admin_and_leaves_the_original_alone():
    context = RequestContext("u", "p")
    assert context.elevated().is_admin
    assert not context.is_admin


def test_the_admin_context_belongs_to_no_project():
    context = get_admin_context()
    assert context.is_admin
    assert context.project_id is None
