# SPDX-License-Identifier: Apache-2.0
"""The RPC interface in process: a real service, asked as the Karbor API asks."""

import copy
import json
import pathlib
import time
import uuid

import pytest
from oslo_config import cfg
from oslo_context import context as oslo_context

import karbor.tests
from karbor import exception, rpc
from karbor.common import config
from karbor.context import RequestContext
from karbor.db import migration
from karbor.services.protection import manager, messages, service
from karbor.services.protection.rpcapi import ProtectionAPI
from karbor.tests.fakes.listing.glance import EveryImage

SAMPLES = json.loads(
    (pathlib.Path(karbor.tests.__file__).parent / "rpc-samples.json").read_text()
)
PROVIDER = "11111111-d011-4026-8228-28730d734a3f"
OTHER_PROVIDER = "b766f37c-d011-4026-8228-28730d734a3f"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
PLAN = SAMPLES["protect"]["args"]["plan"]["karbor_object.data"]
PROJECT = PLAN["project_id"]
OWNER = RequestContext("owner", PROJECT, is_admin=False, overwrite=False)
STRANGER = RequestContext("stranger", "f" * 32, is_admin=False, overwrite=False)
ADMIN = RequestContext.from_dict(SAMPLES["context"], overwrite=False)

PROVIDER_FILE = """\
[provider]
name = {name}
description = noop protection plugin on a file-system bank
id = {id}
plugin = karbor-noop-protection-plugin
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {bank}
"""


class Caller:
    """The client side, and what a test looks at behind it."""

    def __init__(self, api, running):
        self.api = api
        self.service = running

    def send(self, method, context=ADMIN, **arguments):
        return self.api._client.call(context, method, **arguments)

    def checkpoint(self, context=OWNER, **plan_fields):
        plan = {**copy.deepcopy(PLAN), "id": str(uuid.uuid4()), **plan_fields}
        checkpoint_id = self.api.protect(context, plan, {})
        self.until(checkpoint_id, "available")
        return checkpoint_id

    def until(self, checkpoint_id, status):
        deadline = time.monotonic() + 30
        while True:
            shown = self.api.show_checkpoint(ADMIN, PROVIDER, checkpoint_id)
            if shown["status"] == status:
                return shown
            assert time.monotonic() < deadline, shown
            time.sleep(0.02)


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    base = tmp_path_factory.mktemp("rpc")
    (base / "providers.d").mkdir()
    for name, provider_id in (("one", PROVIDER), ("two", OTHER_PROVIDER)):
        (base / "providers.d" / f"{name}.conf").write_text(
            PROVIDER_FILE.format(name=name, id=provider_id, bank=base / name)
        )
    (base / "karbor.conf").write_text(
        f"[DEFAULT]\nstate_path = {base}\nrpc_response_timeout = 20\n"
    )
    conf = cfg.CONF
    conf.reset()
    service.register_opts(conf)
    config.init(["--config-file", str(base / "karbor.conf")], "test", conf)
    migration.sync(conf)
    transport = rpc.get_transport(conf, "fake://")
    with EveryImage().running() as glance:
        glance.configure(conf)
        running = service.ProtectionService(conf, transport)
        running.start()
        yield Caller(ProtectionAPI(conf, transport), running)
        running.stop()
    conf.clear_override("glance_endpoint", "glance_client")
    conf.clear_override("retries", "glance_client")
    conf.reset()


def sample(name, **changes):
    arguments = copy.deepcopy(SAMPLES[name]["args"])
    arguments.update(changes)
    return arguments


def with_fields(arguments, key, **fields):
    arguments[key]["karbor_object.data"].update(fields)
    return arguments


def test_every_captured_message_is_answered_as_it_was(caller):
    arguments = with_fields(sample("protect"), "plan", id=str(uuid.uuid4()))
    checkpoint_id = caller.send("protect", **arguments)
    assert uuid.UUID(checkpoint_id)
    shown = caller.until(checkpoint_id, "available")
    captured = SAMPLES["show_checkpoint"]["result"]
    assert set(captured) <= set(shown)
    assert shown["resource_graph"] == captured["resource_graph"]
    assert shown["extra_info"] == captured["extra_info"]

    (pair,) = caller.send("copy", plan=arguments["plan"])
    assert set(pair) == set(SAMPLES["copy"]["result"][0])
    assert pair["checkpoint_protect_id"] == checkpoint_id
    caller.until(pair["checkpoint_copy_id"], "available")

    fresh = {"id": str(uuid.uuid4()), "checkpoint_id": checkpoint_id}
    restore = with_fields(sample("restore"), "restore", restore_target=None, **fresh)
    assert caller.send("restore", **restore) is None
    fresh["id"] = str(uuid.uuid4())
    verification = with_fields(sample("verification"), "verification", **fresh)
    assert caller.send("verification", **verification) is None

    listed = caller.send("list_checkpoints", **sample("list_checkpoints"))
    assert listed == []
    target = {"checkpoint_id": pair["checkpoint_copy_id"]}
    assert caller.send("reset_state", **sample("reset_state", **target)) is None
    assert caller.send("delete", **sample("delete", **target)) is None


@pytest.mark.parametrize(
    "name",
    [
        "list_protectable_dependents",
        "list_protectable_instances",
        "show_protectable_instance",
    ],
)
def test_captured_questions_about_the_project_are_answered(caller, name):
    assert caller.send(name, **sample(name)) == SAMPLES[name]["result"]


def test_captured_questions_about_types_and_providers_are_answered(caller):
    types = caller.send("list_protectable_types")
    assert {"OS::Keystone::Project", "OS::Glance::Image"} <= set(types)
    shown = caller.send("show_protectable_type", protectable_type="OS::Glance::Image")
    assert shown == {"name": "OS::Glance::Image", "dependent_types": []}
    listed = caller.send("list_providers", **sample("list_providers"))
    assert {provider["id"] for provider in listed} == {PROVIDER, OTHER_PROVIDER}
    for provider in listed:
        assert set(SAMPLES["show_provider"]["result"]) == set(provider)
    shown = caller.send("show_provider", **sample("show_provider"))
    captured = SAMPLES["show_provider"]["result"]["extended_info_schema"]
    assert set(captured) <= set(shown["extended_info_schema"])


@pytest.mark.parametrize("name", ["show_checkpoint.failure", "show_provider.failure"])
def test_captured_failures_fail_as_they_did(caller, name):
    expected = SAMPLES[name]["failure"]
    with pytest.raises(getattr(exception, expected["class"])) as caught:
        caller.send(SAMPLES[name]["method"], **sample(name))
    assert expected["message"] in str(caught.value)


def test_a_checkpoint_that_is_not_available_is_not_restored(caller):
    checkpoint_id = caller.checkpoint()
    caller.api.reset_state(OWNER, PROVIDER, checkpoint_id, "error")
    arguments = with_fields(
        sample("restore.failure"),
        "restore",
        id=str(uuid.uuid4()),
        checkpoint_id=checkpoint_id,
    )
    with pytest.raises(exception.CheckpointNotAvailable, match=checkpoint_id):
        caller.send("restore", **arguments)


METHODS = sorted(messages._ARGUMENTS)


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_argument_is_refused_by_its_name(caller, method):
    with pytest.raises(exception.InvalidInput, match="nonsense"):
        caller.send(method, **sample(method), nonsense=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("odd", [[], {}, 7, "\x00", "../..", None])
def test_an_odd_value_in_any_argument_gives_a_declared_error(caller, method, odd):
    known = SAMPLES.get(method, {}).get("args", {})
    for name in known:
        arguments = {**copy.deepcopy(known), name: odd}
        try:
            caller.send(method, **arguments)
        except exception.FlowError as error:
            raise AssertionError(f"{method}({name}={odd!r}): {error}") from error
        except exception.KarborException:
            continue


@pytest.mark.parametrize(
    ("method", "arguments", "refusal"),
    [
        ("show_checkpoint", {}, exception.AccessCheckpointNotAllowed),
        ("delete", {}, exception.DeleteCheckpointNotAllowed),
        ("reset_state", {"state": "error"}, exception.AccessCheckpointNotAllowed),
    ],
)
def test_another_project_reaches_no_checkpoint_by_its_id(
    caller, method, arguments, refusal
):
    checkpoint_id = caller.checkpoint()
    with pytest.raises(refusal):
        caller.send(
            method,
            STRANGER,
            provider_id=PROVIDER,
            checkpoint_id=checkpoint_id,
            **arguments,
        )
    assert caller.until(checkpoint_id, "available")


@pytest.mark.parametrize("what", ["restore", "verification"])
def test_another_project_neither_restores_nor_verifies(caller, what):
    record = {
        "id": str(uuid.uuid4()),
        "provider_id": PROVIDER,
        "checkpoint_id": caller.checkpoint(),
        "project_id": STRANGER.project_id,
        "parameters": {},
    }
    with pytest.raises(exception.AccessCheckpointNotAllowed):
        caller.send(what, STRANGER, **{what: record})


def test_another_project_neither_protects_nor_copies_a_plan(caller):
    for method in ("protect", "copy"):
        with pytest.raises(exception.InvalidPlan, match="belongs to project"):
            caller.send(method, STRANGER, plan=PLAN)


def test_another_project_sees_none_of_the_checkpoints(caller):
    caller.checkpoint()
    assert caller.api.list_checkpoints(STRANGER, PROVIDER, filters={}) == []
    assert caller.api.list_checkpoints(OWNER, PROVIDER, filters={})
    for beyond in ({"all_tenants": True}, {"filters": {"project_id": PROJECT}}):
        with pytest.raises(exception.AdminRequired):
            caller.api.list_checkpoints(STRANGER, PROVIDER, **beyond)


def test_an_admin_sees_the_checkpoints_of_all_projects(caller):
    mine = caller.checkpoint(STRANGER, project_id=STRANGER.project_id)
    listed = caller.api.list_checkpoints(ADMIN, PROVIDER, all_tenants=True)
    assert mine in {checkpoint["id"] for checkpoint in listed}
    listed = caller.api.list_checkpoints(
        ADMIN, PROVIDER, filters={"project_id": STRANGER.project_id}
    )
    assert {checkpoint["project_id"] for checkpoint in listed} == {STRANGER.project_id}


def test_a_plan_of_nothing_is_refused(caller):
    with pytest.raises(exception.InvalidPlan, match="names no resources"):
        caller.api.protect(OWNER, {**PLAN, "resources": []}, {})


def test_two_resources_with_one_id_are_refused_because_they_share_a_section(caller):
    twins = [
        {"type": "OS::Glance::Image", "id": "same", "name": "a"},
        {"type": "OS::Nova::Server", "id": "same", "name": "b"},
    ]
    with pytest.raises(exception.InvalidPlan, match="same"):
        caller.api.protect(OWNER, {**PLAN, "resources": twins}, {})


def test_a_type_that_the_provider_does_not_protect_ends_as_an_error_that_names_it(
    caller,
):
    plan = {
        **PLAN,
        "id": str(uuid.uuid4()),
        "resources": [{"type": "Nobody::Knows", "id": "x", "name": "x"}],
    }
    checkpoint_id = caller.api.protect(OWNER, plan, {})
    shown = caller.until(checkpoint_id, "error")
    assert "Nobody::Knows" in shown["status_reason"]


def test_a_restore_into_another_cloud_needs_its_credentials(caller):
    record = {
        "id": str(uuid.uuid4()),
        "provider_id": PROVIDER,
        "checkpoint_id": caller.checkpoint(),
        "restore_target": "http://127.0.0.1:1/v3",
    }
    with pytest.raises(exception.InvalidInput, match="restore_auth"):
        caller.api.restore(OWNER, record, None)


def test_a_checkpoint_in_work_is_not_deleted(caller):
    provider = caller.service.providers.get(PROVIDER)
    checkpoint = provider.checkpoints.create(
        PLAN, provider_id=PROVIDER, project_id=PROJECT
    )
    with pytest.raises(exception.CheckpointNotBeDeleted, match="protecting"):
        caller.api.delete(OWNER, PROVIDER, checkpoint.id)
    with pytest.raises(exception.CheckpointNotBeReset):
        caller.api.reset_state(OWNER, PROVIDER, checkpoint.id, "error")


def test_a_source_with_a_finished_copy_is_not_copied_again(caller):
    plan_id = str(uuid.uuid4())
    source = caller.checkpoint(id=plan_id)
    plan = {**PLAN, "id": plan_id}
    (pair,) = caller.api.copy(OWNER, plan)
    assert pair["checkpoint_protect_id"] == source
    caller.until(pair["checkpoint_copy_id"], "available")
    assert caller.api.copy(OWNER, plan) == []


def test_the_call_returns_before_the_graph_of_ten_thousand_resources_is_built(caller):
    resources = [
        {"type": "OS::Glance::Image", "id": f"image-{number}", "name": "i"}
        for number in range(10_000)
    ]
    plan = {**PLAN, "id": str(uuid.uuid4()), "resources": resources}
    checkpoint_id = caller.api.protect(OWNER, plan, {})
    shown = caller.api.show_checkpoint(OWNER, PROVIDER, checkpoint_id)
    assert shown["status"] == "protecting"
    deadline = time.monotonic() + 120
    while shown["status"] == "protecting" and time.monotonic() < deadline:
        time.sleep(0.2)
        shown = caller.api.show_checkpoint(OWNER, PROVIDER, checkpoint_id)
    assert shown["status"] == "available"


def test_log_lines_of_an_answer_carry_its_own_request_not_an_earlier_one():
    class Remembering:
        def __init__(self):
            self.requests = []

        def list_providers(self, **_page):
            self.requests.append(oslo_context.get_current().request_id)

    queries = Remembering()
    endpoint = manager.ProtectionManager(None, queries)
    for request_id in ("req-first", "req-second"):
        endpoint.list_providers(RequestContext(request_id=request_id, overwrite=False))
    assert queries.requests == ["req-first", "req-second"]
