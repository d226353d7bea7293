# SPDX-License-Identifier: Apache-2.0
"""Restoring into another cloud: hooks act there, and its secrets stay secret."""

import pytest

from karbor.services.protection.protection_plugin import HOOKS
from karbor.tests.fakes.identity import IdentityServer, User, catalog_entry
from karbor.tests.fakes.operations import World

PASSWORD = "correct horse battery staple"


@pytest.fixture
def identity():
    server = IdentityServer(
        [User("alice", PASSWORD)],
        [catalog_entry("image", "glance", "http://192.0.2.1/image")],
    )
    with server.running():
        yield server


def restore(world: World, identity, password=PASSWORD):
    row = world.database.restores.create(
        None, {"status": "in_progress", "parameters": {}}
    )
    inputs = world.inputs(
        "restore",
        world.protected(),
        record_id=row["id"],
        restore_target=identity.url,
    )
    auth = {"type": "password", "username": "alice", "password": password}
    secrets = type(world.secrets)(world.context, auth)
    return inputs, world.runner.submit(inputs, secrets).result(60)


def test_hooks_get_the_context_of_the_other_cloud(make_world, identity):
    world = make_world({0: [1], 1: []})

    _, succeeded = restore(world, identity)

    assert succeeded
    context = world.trace.arguments["on_main", 1]["context"]
    assert context.auth_token in identity.tokens
    assert context.service_catalog == identity.catalog
    assert context.request_id == world.context.request_id
    assert len(identity.logins) == 1


def test_a_wrong_password_fails_the_restore_before_any_hook(make_world, identity):
    world = make_world({0: [1], 1: []})

    inputs, succeeded = restore(world, identity, password="wrong")

    assert not succeeded
    assert world.trace.events == []
    assert "refused the user name" in world.log_of(inputs)["error_info"]
    assert world.database.restores.rows[inputs.record_id]["status"] == "fail"


def test_its_token_and_password_are_told_nobody(make_world, identity, caplog):
    def leak(hook, number, given):
        raise RuntimeError(f"401 for {given['context'].auth_token}, {PASSWORD}")

    world = make_world({0: []}, behaviour=leak, hooks_of=lambda n: HOOKS)

    _, succeeded = restore(world, identity)

    assert not succeeded
    shown = caplog.text + str(world.database)
    assert "401 for ***, ***" in shown
    assert PASSWORD not in shown
    assert not [token for token in identity.tokens if token in shown]
