# SPDX-License-Identifier: Apache-2.0
"""Operations under a trust: given at once, renewed meanwhile, gone at the end."""

import threading
import time

import pytest
from keystoneauth1 import loading

from karbor.services.protection.clients import sessions
from karbor.services.protection.flows.inputs import OperationSecrets
from karbor.tests.fakes.identity import IdentityServer, User
from karbor.tests.fakes.operations import thing

ALICE = User("alice", "secret")
KARBOR = User("karbor", "service-secret", project_id="2" * 32, project_name="service")


@pytest.fixture
def identity():
    with IdentityServer([ALICE, KARBOR], []).running() as server:
        yield server


def prepare(world, identity):
    """Give Karbor credentials, and the caller a token."""
    sessions.register_opts(world.conf)
    options = loading.get_auth_plugin_conf_options("password")
    world.conf.register_opts(options, group=sessions.GROUP)
    for name, value in {
        "auth_type": "password",
        "auth_url": identity.url,
        "username": "karbor",
        "password": "service-secret",
        "user_domain_name": "Default",
        "project_name": "service",
        "project_domain_name": "Default",
    }.items():
        world.conf.set_override(name, value, group=sessions.GROUP)
    world.context.user_id = ALICE.id
    world.context.project_id = ALICE.project_id
    world.context.roles = ["member"]
    world.context.auth_token = identity.issue(ALICE)
    return world


def test_every_hook_gets_a_token_that_is_valid(make_world, identity):
    seen = []

    def look(hook, number, given):
        token = given["context"].auth_token
        seen.append((token, identity.is_valid(token)))
        time.sleep(0.6)

    world = prepare(make_world({0: []}, behaviour=look), identity)
    identity.token_life = 1
    world.context.auth_token = identity.issue(ALICE)

    _, succeeded, _ = world.protect()

    assert succeeded
    assert all(is_valid for _, is_valid in seen)
    assert len({token for token, _ in seen}) > 1
    assert world.context.auth_token not in {token for token, _ in seen}


def test_the_trust_is_gone_when_the_operation_has_ended(make_world, identity):
    there = []
    world = prepare(
        make_world({0: []}, behaviour=lambda *_: there.append(dict(identity.trusts))),
        identity,
    )
    inputs, succeeded, _ = world.protect()
    assert succeeded
    assert all(len(trusts) == 1 for trusts in there)
    assert world.log_of(inputs)["extra_info"]["trust_id"] in there[0]
    assert identity.trusts == {}


def test_the_trust_is_gone_when_the_operation_has_failed(make_world, identity):
    def fail(hook, number, given):
        if hook == "on_main":
            raise RuntimeError(f"401 for {given['context'].auth_token}")

    world = prepare(make_world({0: []}, behaviour=fail), identity)
    inputs, succeeded, _ = world.protect()
    assert not succeeded
    assert identity.trusts_given == 1
    assert identity.trusts == {}
    assert "401 for ***" in world.log_of(inputs)["error_info"]


def test_an_operation_that_waits_for_its_turn_has_its_trust_already(
    make_world, identity
):
    goes_on = threading.Event()
    world = prepare(
        make_world({0: []}, operations=1, behaviour=lambda *_: goes_on.wait(60)),
        identity,
    )
    inputs = [
        world.inputs("protect", world.checkpoint([thing(0)]), plan=None)
        for _ in range(3)
    ]
    ends = [world.submit(one) for one in inputs]
    give_up = time.monotonic() + 30
    while len(identity.trusts) < 3:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    began = len(world.trace.starts())
    goes_on.set()
    assert began <= 1
    assert [end.result(60) for end in ends] == [True] * 3
    assert identity.trusts == {}


def test_without_a_trust_the_operation_goes_on_with_the_callers_token(
    make_world, identity
):
    world = prepare(make_world({0: []}), identity)
    world.context.auth_token = "of another cloud"
    _, succeeded, _ = world.protect()
    assert succeeded
    context = world.trace.arguments["on_main", 0]["context"]
    assert context.auth_token == world.context.auth_token
    assert identity.trusts_given == 0


def test_a_keystone_that_is_down_keeps_no_operation_from_running(make_world, identity):
    world = prepare(make_world({0: []}), identity)
    identity.fail_with = 503
    inputs, succeeded, _ = world.protect()
    assert succeeded
    assert "trust_id" not in world.log_of(inputs)["extra_info"]


def test_a_restore_into_another_cloud_needs_no_trust_in_this_one(make_world, identity):
    world = prepare(make_world({0: []}), identity)
    row = world.database.restores.create(
        None, {"status": "in_progress", "parameters": {}}
    )
    inputs = world.inputs(
        "restore",
        world.protected(),
        record_id=row["id"],
        restore_target=identity.url,
    )
    auth = {"type": "password", "username": "alice", "password": "secret"}
    secrets = OperationSecrets(world.context, auth)
    assert world.runner.submit(inputs, secrets).result(60)
    assert identity.trusts_given == 0
