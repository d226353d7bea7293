# SPDX-License-Identifier: Apache-2.0
"""What callers send is checked field by field."""

import copy
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection import messages

PLAN = {
    "id": "1a928567-8566-4855-8140-6661e48e794f",
    "name": "p1",
    "provider_id": "11111111-d011-4026-8228-28730d734a3f",
    "project_id": "0123456789abcdef0123456789abcdef",
    "resources": [
        {
            "id": "a0000000-0000-4000-8000-000000000001",
            "type": "OS::Glance::Image",
            "name": "img1",
            "extra_info": '{"k": "v"}',
        }
    ],
    "parameters": {},
    "status": "suspended",
    "created_at": "2026-11-20T11:27:04Z",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def refusal(parse):
    """What was said when it was refused, None when it was taken."""
    try:
        parse()
    except exception.Invalid as error:
        return str(error)
    return None


def test_a_plan_as_the_api_sends_it_is_understood():
    plan = messages.Plan.parse(PLAN)
    assert plan.resources == (
        Resource("OS::Glance::Image", "a0000000-0000-4000-8000-000000000001", "img1"),
    )
    assert plan.resources[0].extra_info == '{"k": "v"}'


@pytest.mark.parametrize("field", ["id", "provider_id"])
def test_a_plan_without_a_needed_field_is_refused_by_its_name(field):
    plan = {key: value for key, value in PLAN.items() if key != field}
    with pytest.raises(exception.InvalidPlan, match=field):
        messages.Plan.parse(plan)


@pytest.mark.parametrize("bad", ["", "..", ".", "a/b", "a\x00b", "a\nb", "x" * 256])
def test_an_id_that_would_leave_its_section_is_refused(bad):
    plan = copy.deepcopy(PLAN)
    plan["resources"][0]["id"] = bad
    with pytest.raises(exception.InvalidPlan, match="resources"):
        messages.Plan.parse(plan)


@given(json_values)
def test_whatever_comes_as_a_plan_is_a_plan_or_refused(value):
    try:
        plan = messages.Plan.parse(value)
    except exception.InvalidPlan:
        return
    assert plan.id
    assert plan.provider_id


@given(st.sampled_from(sorted(PLAN)), json_values)
def test_a_plan_with_one_odd_field_is_a_plan_or_refused(field, value):
    refused = refusal(lambda: messages.Plan.parse({**PLAN, field: value}))
    assert refused is None or field in refused


@given(json_values)
def test_whatever_comes_as_a_record_is_a_record_or_refused(value):
    refused = refusal(lambda: messages.RecordRequest.parse(value, "restore"))
    assert refused is None or "restore" in refused


def test_a_refusal_does_not_repeat_values_that_may_be_secret():
    with pytest.raises(exception.InvalidInput) as caught:
        messages.check_arguments("restore", {"restore_auth": "pass-word"})
    assert "pass-word" not in str(caught.value)
    assert "restore_auth" in str(caught.value)


def test_a_record_keeps_its_target_and_parameters():
    request = messages.RecordRequest.parse(
        {
            "id": str(uuid.uuid4()),
            "provider_id": "p",
            "checkpoint_id": "c",
            "parameters": {"OS::Glance::Image": {"restore_name": "n"}},
            "restore_target": "http://target/v3",
            "status": "in_progress",
        },
        "restore",
    )
    assert request.restore_target == "http://target/v3"
    assert request.parameters == {"OS::Glance::Image": {"restore_name": "n"}}
