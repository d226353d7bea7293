# SPDX-License-Identifier: Apache-2.0
"""Locks as people meet them: the real client, the service, karbor-manage."""

import datetime
import json
import os
import subprocess
import sys

import pytest
import requests

from karbor.services.protection.checkpoints.timestamps import parse_seconds
from karbor.tests.fakes import distribution, waiting_plugin
from karbor.tests.functional.karbor_client import KarborClient
from karbor.tests.functional.standalone import PROVIDER, Standalone

THING = {"id": "thing-1", "type": waiting_plugin.TYPE, "name": "thing"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Where the service and karbor-manage find the test's plugin."""
    folder = tmp_path_factory.mktemp("plugins")
    plugins = distribution.install(folder / "dist", waiting_plugin.ENTRY_POINTS)
    (folder / "open").touch()
    return {"PYTHONPATH": str(plugins), "KARBOR_TEST_GATE": str(folder)}


@pytest.fixture(scope="module")
def standalone(tmp_path_factory, environment):
    service = Standalone(
        tmp_path_factory.mktemp("base") / "karbor",
        plugins=("test-waiting-plugin",),
        environment=environment,
    )
    with open(service.base / "providers.d" / "test.conf", "a") as file:
        file.write("file_system_bank_object_lock = true\n[bank_lock]\nmax_days = 30\n")
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="module")
def karbor(standalone):
    return KarborClient(
        *("--os-no-client-auth", "--os-username", "admin"),
        *("--karbor-url", standalone.url),
    )


@pytest.fixture(scope="module")
def plan_id(standalone):
    return standalone.create_plan([THING])


@pytest.fixture
def protect(karbor, standalone, plan_id):
    def protect(*options):
        made = karbor.properties("checkpoint-create", PROVIDER, plan_id, *options)
        standalone.wait_for_status(made["id"], "available")
        return made["id"]

    return protect


@pytest.fixture
def manage(standalone, environment):
    def manage(*arguments):
        name, *options = arguments
        command = [sys.executable, "-m", "karbor.cmd.manage"]
        config = ["--config-file", str(standalone.config)]
        return subprocess.run(
            [*command, *config, "bank", name, "--provider", PROVIDER, *options],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return manage


def test_a_user_locks_a_checkpoint_and_cannot_delete_it(karbor, standalone, protect):
    before = datetime.datetime.now(datetime.UTC)
    checkpoint_id = protect("--extra_info", "lock_days=7")

    shown = standalone.checkpoint(checkpoint_id)

    until = parse_seconds(shown["locked_until"])
    assert datetime.timedelta(days=7) <= until - before < datetime.timedelta(days=8)
    assert json.loads(shown["extra_info"])["lock_days"] == "7"
    assert karbor.properties("checkpoint-show", PROVIDER, checkpoint_id)["id"]
    assert checkpoint_id in karbor.rows("checkpoint-list", PROVIDER)
    listed = standalone.get(f"/providers/{PROVIDER}/checkpoints", "checkpoints")
    assert shown["locked_until"] in [one.get("locked_until") for one in listed]
    answer = standalone.delete(checkpoint_id)
    assert answer.status_code == 409, answer.text
    assert "is locked until" in answer.json()["conflictingRequest"]["message"]
    said = karbor.fails("checkpoint-delete", PROVIDER, checkpoint_id)
    assert "is locked until" in said
    said = karbor.fails("checkpoint-reset-state", PROVIDER, checkpoint_id)
    assert "is locked until" in said
    assert standalone.checkpoint(checkpoint_id)["status"] == "available"


@pytest.mark.parametrize(
    ("asked", "words"),
    [("lock_days=31", "30 days at most"), ("lock_until=soon", "not a date")],
)
def test_a_lock_that_cannot_be_makes_no_checkpoint(
    karbor, standalone, plan_id, asked, words
):
    path = f"/providers/{PROVIDER}/checkpoints"
    before = standalone.get(path, "checkpoints")

    said = karbor.fails("checkpoint-create", PROVIDER, plan_id, "--extra_info", asked)

    assert words in said
    assert standalone.get(path, "checkpoints") == before


def test_an_administrator_locks_extends_and_cannot_take_back(
    manage, standalone, protect
):
    checkpoint_id = protect()
    lock = ("lock-checkpoint", "--checkpoint", checkpoint_id, "--until")

    locked = manage(*lock, "2126-12-24")

    assert locked.returncode == 0, locked.stderr
    assert f"Checkpoint {checkpoint_id} is locked until 2126-12-24" in locked.stdout
    assert "objects with it" in locked.stdout
    shown = standalone.checkpoint(checkpoint_id)
    assert shown["locked_until"] == "2126-12-24T00:00:00Z"
    assert manage(*lock, "2127-01-01T12:00:00+01:00").returncode == 0
    assert standalone.checkpoint(checkpoint_id)["locked_until"] == (
        "2127-01-01T11:00:00Z"
    )
    for until, words in (
        ("2126-12-24", "can only be extended"),
        ("2016-12-24", "over already"),
        ("soon", "not a date"),
        ("2128-01-01T00:00:00", "say its zone"),
    ):
        refused = manage(*lock, until)
        assert refused.returncode != 0
        assert words in refused.stderr
    removed = manage("remove-checkpoint", "--checkpoint", checkpoint_id, "--force")
    assert removed.returncode == 1
    assert "is locked until" in removed.stderr
    assert manage("check").returncode == 0
    assert standalone.checkpoint(checkpoint_id)["status"] == "available"


def test_what_is_not_locked_shows_no_date(standalone, protect):
    checkpoint_id = protect()

    assert "locked_until" not in standalone.checkpoint(checkpoint_id)
    assert standalone.delete(checkpoint_id).status_code == 200
    standalone.wait_for(
        lambda: standalone.checkpoint(checkpoint_id) is None, "it is not deleted"
    )
    path = f"{standalone.url}/providers/{PROVIDER}/checkpoints/{checkpoint_id}"
    assert requests.get(path, timeout=30).status_code == 404
