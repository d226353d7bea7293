# SPDX-License-Identifier: Apache-2.0
"""What a caller gets wrong is told to it as a declared error, over the wire."""

import inspect
import uuid

import oslo_messaging as messaging
import pytest

from karbor import exception
from karbor.services.protection.rpcapi import ProtectionAPI
from karbor.tests.rabbit import gate
from karbor.tests.rabbit.client import CONTEXT, NOWHERE, SAMPLES, user
from karbor.tests.rabbit.daemon import OTHER_PROVIDER, PROVIDER, wait_until

STRANGER = user("fedcba9876543210fedcba9876543210")
IMAGE = {"type": "OS::Glance::Image", "id": str(uuid.uuid4()), "name": "i"}

METHODS = sorted(
    name for name in vars(ProtectionAPI) if not name.startswith("_") and name != "conf"
)


@pytest.fixture(scope="module")
def owners(shared_caller):
    """An available checkpoint of the samples' project, which is no admin's here."""
    context = user(CONTEXT["project_id"])
    plan_id = str(uuid.uuid4())
    checkpoint_id = shared_caller.protect(IMAGE, context=context, plan_id=plan_id)
    assert shared_caller.wait_for_end(checkpoint_id)["status"] == "available"
    return {"context": context, "plan_id": plan_id, "checkpoint_id": checkpoint_id}


def valid_arguments(method):
    """A sample's arguments, which only have to be of the right types."""
    return SAMPLES[method]["args"]


def plan(**changes):
    return {
        "id": str(uuid.uuid4()),
        "name": "p",
        "provider_id": PROVIDER,
        "project_id": CONTEXT["project_id"],
        "resources": [IMAGE],
        "parameters": {},
    } | changes


def record(**changes):
    return {
        "id": str(uuid.uuid4()),
        "provider_id": PROVIDER,
        "checkpoint_id": NOWHERE,
        "project_id": CONTEXT["project_id"],
        "parameters": {},
    } | changes


def test_every_method_of_the_interface_has_a_sample():
    assert set(METHODS) == {sample["method"] for sample in SAMPLES.values()}


@pytest.mark.parametrize("method", METHODS)
def test_an_argument_that_nobody_knows_is_refused(shared_caller, method):
    with pytest.raises(exception.Invalid, match="surprise"):
        shared_caller.call(method, surprise=1, **valid_arguments(method))


@pytest.mark.parametrize(
    "method", [name for name in METHODS if SAMPLES[name]["args"] != {}]
)
@pytest.mark.parametrize("value", [17, ["x"], "\x00", "../../etc", {"a": {"b": 1}}])
def test_an_argument_of_a_wrong_type_is_refused(shared_caller, method, value):
    """Each argument in turn: an error that is declared, or an answer."""
    arguments = valid_arguments(method)
    errors = {}
    for name in arguments:
        try:
            shared_caller.call(method, **(arguments | {name: value}))
        except exception.KarborException as error:
            errors[name] = error
    assert errors, "nothing was refused"
    assert {n: e for n, e in errors.items() if e.code >= 500} == {}
    assert not any("Traceback" in str(error) for error in errors.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_required_argument_that_is_missing_is_named(shared_caller, method):
    signature = inspect.signature(getattr(ProtectionAPI, method))
    required = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is inspect.Parameter.empty
        and name not in ("self", "context")
    ]
    for name in required:
        arguments = dict(valid_arguments(method))
        del arguments[name]
        with pytest.raises(exception.Invalid):
            shared_caller.call(method, **arguments)


@pytest.mark.parametrize("method", ["no_such_method", "x" * 5000, "ä\x00"])
def test_a_method_that_does_not_exist_is_refused(shared_caller, method):
    with pytest.raises(exception.InvalidInput, match="unknown method") as caught:
        shared_caller.call(method, plan={})
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("method", ["_admission", "__init__", "__getattr__"])
def test_what_is_private_is_no_method(shared_caller, method):
    with pytest.raises(messaging.RemoteError) as caught:
        shared_caller.call(method)
    assert caught.value.exc_type == "NoSuchMethod"


@pytest.mark.parametrize(
    ("expected", "method", "arguments"),
    [
        (exception.InvalidPlan, "protect", {"plan": None}),
        (exception.InvalidPlan, "protect", {"plan": {}}),
        (exception.InvalidPlan, "protect", {"plan": plan(resources=[])}),
        (exception.InvalidPlan, "protect", {"plan": plan(resources="all")}),
        (exception.InvalidPlan, "protect", {"plan": plan(resources=[{"id": "x"}])}),
        (exception.InvalidPlan, "protect", {"plan": plan(id="../x")}),
        (exception.InvalidPlan, "copy", {"plan": [1]}),
        (exception.InvalidInput, "protect", {"plan": {"karbor_object.name": "Plan"}}),
        (exception.ProviderNotFound, "protect", {"plan": plan(provider_id=NOWHERE)}),
        (exception.ProviderNotFound, "copy", {"plan": plan(provider_id=NOWHERE)}),
        (
            exception.InvalidInput,
            "protect",
            {"plan": plan(parameters={"OS::Glance::Image": "fast"})},
        ),
        (
            exception.InvalidInput,
            "protect",
            {"plan": plan(parameters={"OS::No::Type": {"a": 1}})},
        ),
        (exception.CheckpointNotFound, "restore", {"restore": record()}),
        (exception.CheckpointNotFound, "verification", {"verification": record()}),
        (exception.InvalidInput, "restore", {"restore": None}),
        (exception.InvalidInput, "restore", {"restore": record(id="no-uuid")}),
        (
            exception.ProviderNotFound,
            "restore",
            {"restore": record(provider_id=NOWHERE)},
        ),
        (
            exception.ProtectableTypeNotFound,
            "show_protectable_type",
            {"protectable_type": "OS::No::Type"},
        ),
        (
            exception.ProtectableTypeNotFound,
            "list_protectable_instances",
            {"protectable_type": "OS::No::Type"},
        ),
        (
            exception.ListProtectableResourceFailed,
            "show_protectable_instance",
            {"protectable_type": gate.GATED, "protectable_id": gate.UNREACHABLE},
        ),
        (
            exception.ProtectableResourceNotFound,
            "show_protectable_instance",
            {"protectable_type": "OS::Glance::Image", "protectable_id": NOWHERE},
        ),
        (exception.InvalidInput, "list_providers", {"marker": NOWHERE}),
        (exception.InvalidInput, "list_providers", {"sort_keys": ["colour"]}),
        (exception.InvalidInput, "list_providers", {"limit": -1}),
        (
            exception.InvalidInput,
            "list_checkpoints",
            {"provider_id": PROVIDER, "filters": {"colour": "red"}},
        ),
        (
            exception.InvalidInput,
            "list_checkpoints",
            {"provider_id": PROVIDER, "filters": {"start_date": "yesterday"}},
        ),
        (
            exception.InvalidInput,
            "list_checkpoints",
            {"provider_id": PROVIDER, "marker": NOWHERE},
        ),
    ],
)
def test_what_makes_no_sense_is_refused(shared_caller, expected, method, arguments):
    with pytest.raises(expected) as caught:
        shared_caller.call(method, **arguments)
    assert "Traceback" not in str(caught.value)
    assert "unexpected" not in str(caught.value)


@pytest.mark.parametrize("method", ["show_checkpoint", "delete", "reset_state"])
@pytest.mark.parametrize(
    ("provider_id", "expected"),
    [
        (PROVIDER, exception.CheckpointNotFound),
        (OTHER_PROVIDER, exception.CheckpointNotFound),
        (NOWHERE, exception.ProviderNotFound),
    ],
)
def test_an_id_that_does_not_exist_is_not_found(
    shared_caller, method, provider_id, expected
):
    state = {"state": "error"} if method == "reset_state" else {}
    with pytest.raises(expected):
        shared_caller.call(
            method, provider_id=provider_id, checkpoint_id=NOWHERE, **state
        )


def test_a_checkpoint_cannot_be_reset_to_any_state(shared_caller, owners):
    for state in ("deleted", "protecting", "", "x" * 300):
        with pytest.raises(exception.Invalid):
            shared_caller.call(
                "reset_state",
                provider_id=PROVIDER,
                checkpoint_id=owners["checkpoint_id"],
                state=state,
            )


def test_another_projects_checkpoint_is_out_of_reach_for_every_method(
    shared_caller, owners
):
    one = {"provider_id": PROVIDER, "checkpoint_id": owners["checkpoint_id"]}
    refused = exception.AccessCheckpointNotAllowed
    for expected, method, arguments in (
        (refused, "show_checkpoint", one),
        (refused, "reset_state", one | {"state": "error"}),
        (exception.DeleteCheckpointNotAllowed, "delete", one),
        (refused, "restore", {"restore": record(**one)}),
        (refused, "verification", {"verification": record(**one)}),
        (exception.InvalidPlan, "protect", {"plan": plan()}),
        (exception.InvalidPlan, "copy", {"plan": plan(id=owners["plan_id"])}),
    ):
        with pytest.raises(expected):
            shared_caller.call(method, STRANGER, **arguments)
    for filters in ({}, {"plan_id": owners["plan_id"]}):
        assert (
            shared_caller.call(
                "list_checkpoints", STRANGER, provider_id=PROVIDER, filters=filters
            )
            == []
        )
    found = shared_caller.show(owners["checkpoint_id"], context=owners["context"])
    assert found["status"] == "available"


def test_a_plan_of_the_same_id_copies_no_other_projects_checkpoints(
    shared_caller, owners
):
    own = plan(id=owners["plan_id"], project_id=STRANGER["project_id"])
    assert shared_caller.call("copy", STRANGER, plan=own) == []


def test_all_tenants_is_for_admins(shared_caller, owners):
    everything = {"provider_id": PROVIDER, "all_tenants": True}
    with pytest.raises(exception.NotAuthorized):
        shared_caller.call("list_checkpoints", owners["context"], **everything)
    with pytest.raises(exception.NotAuthorized):
        shared_caller.call(
            "list_checkpoints",
            STRANGER,
            provider_id=PROVIDER,
            filters={"project_id": CONTEXT["project_id"]},
        )
    elsewhere = STRANGER | {"is_admin": True}
    for arguments in (
        everything,
        {"provider_id": PROVIDER, "filters": {"project_id": CONTEXT["project_id"]}},
    ):
        found = shared_caller.call("list_checkpoints", elsewhere, **arguments)
        assert owners["checkpoint_id"] in {item["id"] for item in found}
    assert shared_caller.call("list_checkpoints", elsewhere, provider_id=PROVIDER) == []


def test_a_context_without_a_project_owns_nothing(shared_caller, owners):
    nobody = user(None)
    with pytest.raises(exception.AccessCheckpointNotAllowed):
        shared_caller.show(owners["checkpoint_id"], context=nobody)
    with pytest.raises(exception.InvalidPlan):
        shared_caller.call("protect", nobody, plan=plan(project_id=None))
    with pytest.raises(exception.InvalidInput):
        shared_caller.call("list_checkpoints", nobody, provider_id=PROVIDER)


def test_the_daemon_still_works_after_all_that(shared_caller, shared_daemon):
    checkpoint_id = shared_caller.protect(IMAGE)
    wait_until(
        lambda: shared_caller.show(checkpoint_id)["status"] == "available",
        "a checkpoint",
    )
    assert "failed unexpectedly" not in shared_daemon.log
