# SPDX-License-Identifier: Apache-2.0
"""Inputs are plain and free of secrets; secrets stay in the process."""

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.services.protection.flows.inputs import OperationInputs, OperationSecrets

plain = st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3)


def context(**kwargs):
    return RequestContext("user", "project", overwrite=False, **kwargs)


@given(
    st.builds(
        OperationInputs,
        operation=st.sampled_from(constants.OPERATION_TYPES),
        provider_id=st.text(),
        checkpoint_id=st.text(),
        context=st.just({"user_id": "u"}),
        parameters=st.dictionaries(st.text(), plain, max_size=3),
        plan=st.none() | plain,
        record_id=st.none() | st.text(),
        operation_log_id=st.none() | st.text(),
        copy_checkpoint_id=st.none() | st.text(),
        restore_target=st.none() | st.text(),
    )
)
def test_inputs_come_back_from_json(inputs):
    text = json.dumps(inputs.to_dict())

    assert OperationInputs.from_dict(json.loads(text)) == inputs


def test_what_a_later_release_adds_is_passed_over():
    values = {
        "operation": "protect",
        "provider_id": "p",
        "checkpoint_id": "c",
        "context": {},
        "later": 1,
    }

    assert OperationInputs.from_dict(values).operation == "protect"


def test_a_context_with_its_token_is_refused():
    with pytest.raises(exception.InvalidInput, match="to_plain"):
        OperationInputs(
            operation="protect",
            provider_id="p",
            checkpoint_id="c",
            context=context(auth_token="secret").to_dict(),
        )


def test_an_unknown_operation_is_refused():
    with pytest.raises(exception.InvalidInput, match="'destroy' is none of protect"):
        OperationInputs(
            operation="destroy", provider_id="p", checkpoint_id="c", context={}
        )


def test_a_copy_changes_the_new_checkpoint():
    inputs = OperationInputs(
        operation="copy",
        provider_id="p",
        checkpoint_id="source",
        copy_checkpoint_id="new",
        context={},
    )

    assert str(inputs) == "copy of checkpoint new"


def secrets():
    return OperationSecrets(
        context(auth_token="the-token", service_token="the-service-token"),
        {"type": "password", "username": "bob", "password": "the-password"},
    )


def test_secrets_do_not_show():
    shown = f"{secrets()!r} {secrets()} {[secrets()]}"

    assert "the-" not in shown


@pytest.mark.parametrize("leave", [copy.copy, copy.deepcopy, pickle.dumps])
def test_secrets_cannot_be_copied_or_stored(leave):
    with pytest.raises(TypeError, match="not to be copied or stored"):
        leave(secrets())


def test_secrets_are_taken_out_of_text():
    text = secrets().scrub(
        "bob the-token the-service-token the-password password=other "
        '{"auth_token": "abc"}'
    )

    assert text.startswith("bob *** *** *** password=***")
    assert "abc" not in text
    assert "other" not in text


def test_a_secret_at_the_cut_of_a_long_text_does_not_stay_in_part():
    text = secrets().scrub("x" * 3995 + "the-password" + "y" * 10_000)

    assert "the-" not in text
    assert len(text) < 4100
