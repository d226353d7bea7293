# SPDX-License-Identifier: Apache-2.0
"""Every command of the real client for what this API offers.

Each runs twice: with ``--os-no-client-auth`` against ``noauth``, and with a
password against a Keystone.
"""

import contextlib
import dataclasses
import json
import uuid

import pytest
from oslo_config import cfg

from karbor.api import server as api_server
from karbor.api.app import create_app
from karbor.common import config
from karbor.context import get_admin_context
from karbor.db import migration, options
from karbor.db.database import Database
from karbor.tests.fakes.identity import IdentityServer, User, catalog_entry
from karbor.tests.fakes.protection_api import (
    IMAGE,
    IMAGE_ID,
    PROVIDER_ID,
    SERVER,
    FakeProtectionAPI,
)
from karbor.tests.functional.karbor_client import KarborClient

PROJECT = "0123456789abcdef0123456789abcdef"
NOBODY = "00000000-0000-4000-8000-00000000dead"
RESOURCE = f"{IMAGE_ID}={IMAGE}=cirros"

KEYSTONE_OPTIONS = """\
[keystone_authtoken]
auth_type = password
auth_url = {url}
username = karbor
password = service-secret
user_domain_name = Default
project_name = service
project_domain_name = Default
"""


@dataclasses.dataclass
class Service:
    """A served API, and the client's options to reach it."""

    url: str
    database: Database
    protection: FakeProtectionAPI
    client: KarborClient


@contextlib.contextmanager
def serve(folder, config_text=""):
    path = folder / "karbor.conf"
    path.write_text(
        f"[database]\nconnection = sqlite:///{folder}/karbor.sqlite\n" + config_text,
        encoding="utf-8",
    )
    conf = cfg.ConfigOpts()
    config.register_opts(conf)
    conf(["--config-file", str(path)], project="karbor")
    options.register_opts(conf)
    api_server.register_opts(conf)
    conf.set_override("osapi_karbor_listen_port", 0)
    conf.set_override("auth_strategy", "keystone" if config_text else "noauth")
    migration.sync(conf)
    database, protection = Database(conf), FakeProtectionAPI()
    server = api_server.Server(conf, create_app(conf, protection, database))
    server.start()
    try:
        yield server.url, database, protection
    finally:
        server.stop()
        database.close()


@pytest.fixture(scope="module", params=["noauth", "keystone"])
def service(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("karbor")
    if request.param == "noauth":
        with serve(folder) as (url, database, protection):
            client = KarborClient(
                *("--os-no-client-auth", "--os-username", "admin"),
                *("--karbor-url", f"{url}/v1/{PROJECT}"),
            )
            yield Service(url, database, protection, client)
        return
    alice = User("alice", "alice-secret", PROJECT, "demo", roles=("admin",))
    karbor = User("karbor", "service-secret", "f" * 32, "service", roles=("service",))
    with IdentityServer([alice, karbor], []).running() as identity:
        text = KEYSTONE_OPTIONS.format(url=identity.url)
        with serve(folder, text) as (url, database, protection):
            identity.catalog += [
                catalog_entry("identity", "keystone", identity.url),
                catalog_entry("data-protect", "karbor", f"{url}/v1/{PROJECT}"),
            ]
            client = KarborClient(
                *("--os-auth-url", identity.url),
                *("--os-username", "alice", "--os-password", "alice-secret"),
                *("--os-user-domain-name", "Default"),
                *("--os-project-name", "demo", "--os-project-domain-name", "Default"),
            )
            yield Service(url, database, protection, client)


@pytest.fixture
def karbor(service):
    return service.client


@pytest.fixture
def plan_id(karbor):
    created = karbor.properties(
        *("plan-create", f"plan-{uuid.uuid4()}", PROVIDER_ID, RESOURCE),
        *("--description", "of a test"),
    )
    return created["id"]


@pytest.fixture
def checkpoint_id(karbor, plan_id):
    return karbor.properties("checkpoint-create", PROVIDER_ID, plan_id)["id"]


def test_providers_are_listed_and_shown(karbor):
    rows = karbor.rows("provider-list", "--sort", "name:asc", "--limit", "10")
    assert rows[PROVIDER_ID]["Name"] == "first provider"
    only = karbor.rows("provider-list", "--name", "second provider")
    assert PROVIDER_ID not in only
    assert len(only) == 1
    shown = karbor.properties("provider-show", PROVIDER_ID)
    assert IMAGE in json.loads(shown["extended_info_schema"])["options_schema"]
    assert "could not be found" in karbor.fails("provider-show", NOBODY)


def test_protectable_types_are_listed_and_shown(karbor):
    types = [row["Protectable type"] for row in karbor.table("protectable-list")]
    assert types == [IMAGE, SERVER]
    shown = karbor.properties("protectable-show", SERVER)
    assert shown["name"] == SERVER
    assert IMAGE in shown["dependent_types"]
    assert "OS::No::Such" in karbor.fails("protectable-show", "OS::No::Such")


def test_protectable_instances_are_listed_and_shown(service, karbor):
    rows = karbor.rows("protectable-list-instances", SERVER)
    [row] = rows.values()
    assert (row["Type"], row["Name"]) == (SERVER, "web")
    assert IMAGE_ID in karbor.run("protectable-list-instances", SERVER)
    listed = karbor.rows(
        "protectable-list-instances", IMAGE, "--type", IMAGE, "--parameters", "a=b"
    )
    assert set(listed) == {IMAGE_ID}
    [arguments] = [
        arguments
        for name, _, arguments in service.protection.calls[-3:]
        if name == "list_protectable_instances"
    ]
    assert arguments["parameters"] == {"a": "b"}
    shown = karbor.properties(
        "protectable-show-instance", IMAGE, IMAGE_ID, "--parameters", "region=x"
    )
    assert (shown["id"], shown["type"]) == (IMAGE_ID, IMAGE)
    assert "could not be found" in karbor.fails(
        "protectable-show-instance", IMAGE, NOBODY
    )


def test_a_plan_is_created_and_shown(karbor):
    created = karbor.properties(
        *("plan-create", "night", PROVIDER_ID, RESOURCE + '={"k": "v"}'),
        *("--parameters", f"resource_type={IMAGE},backup_name=b"),
        *("--description", "every night"),
    )
    assert (created["name"], created["status"]) == ("night", "suspended")
    assert json.loads(created["parameters"]) == {IMAGE: {"backup_name": "b"}}
    [resource] = json.loads(created["resources"])
    assert resource == {
        "id": IMAGE_ID,
        "type": IMAGE,
        "name": "cirros",
        "extra_info": {"k": "v"},
    }
    assert karbor.properties("plan-show", created["id"]) == created


def test_a_plan_of_a_resource_that_is_not_there_is_refused(karbor):
    assert "can not be found" in karbor.fails(
        "plan-create", "p", PROVIDER_ID, f"{NOBODY}={IMAGE}=gone"
    )
    assert NOBODY in karbor.fails("plan-create", "p", NOBODY, RESOURCE)


def test_plans_are_listed_in_pages_and_by_filters(karbor):
    description = str(uuid.uuid4())
    created = [
        karbor.properties(
            *("plan-create", name, PROVIDER_ID, RESOURCE),
            *("--description", description),
        )["id"]
        for name in ("one", "two", "three")
    ]
    mine = ("plan-list", "--description", description)
    assert set(karbor.rows(*mine)) == set(created)
    [row] = karbor.rows(*mine, "--name", "two", "--status", "suspended").values()
    assert (row["Id"], row["Name"], row["Provider id"]) == (
        created[1],
        "two",
        PROVIDER_ID,
    )
    by_name = (*mine, "--sort", "name:asc", "--limit", "2")
    first = karbor.table(*by_name)
    second = karbor.table(*by_name, "--marker", first[-1]["Id"])
    assert [row["Name"] for row in first + second] == ["one", "three", "two"]
    old = karbor.table(*mine, "--sort_key", "name", "--sort_dir", "desc")
    assert [row["Name"] for row in old] == ["two", "three", "one"]
    assert set(created) <= set(karbor.rows("plan-list", "--all-tenants"))
    assert karbor.rows("plan-list", "--tenant", "f" * 32) == {}


def test_a_plan_is_updated(karbor, plan_id):
    updated = karbor.properties(
        *("plan-update", plan_id, "--name", "new name", "--description", "new"),
        *("--resources", f"{IMAGE_ID}={IMAGE}=renamed"),
    )
    assert (updated["name"], updated["description"]) == ("new name", "new")
    assert "renamed" in updated["resources"]
    started = karbor.properties("plan-update", plan_id, "--status", "started")
    assert started["status"] == "started"
    assert "suspended" in karbor.fails("plan-update", plan_id, "--name", "other")
    karbor.run("plan-update", plan_id, "--status", "suspended")


def test_plans_are_deleted_by_id_and_by_name(karbor, plan_id):
    name = str(uuid.uuid4())
    karbor.run("plan-create", name, PROVIDER_ID, RESOURCE)
    karbor.run("plan-delete", plan_id, name)
    assert "could not be found" in karbor.fails("plan-show", plan_id)
    assert "No plan" in karbor.fails("plan-delete", plan_id)


def test_a_plan_is_protected(karbor, plan_id):
    created = karbor.properties(
        "checkpoint-create", PROVIDER_ID, plan_id, "--extra_info", "why=test"
    )
    assert created["status"] == "protecting"
    assert json.loads(created["protection_plan"])["id"] == plan_id
    shown = karbor.properties("checkpoint-show", PROVIDER_ID, created["id"])
    assert shown["project_id"] == PROJECT
    assert json.loads(shown["extra_info"]) == {"created_by": "manual", "why": "test"}
    assert "could not be found" in karbor.fails(
        "checkpoint-create", PROVIDER_ID, NOBODY
    )


def test_checkpoints_are_listed(karbor, plan_id, checkpoint_id):
    rows = karbor.rows("checkpoint-list", PROVIDER_ID, "--plan_id", plan_id)
    assert set(rows) == {checkpoint_id}
    assert rows[checkpoint_id]["Project id"] == PROJECT
    for option in (
        ("--start_date", "2026-01-01", "--end_date", "2026-12-31"),
        ("--project_id", PROJECT),
        ("--all-tenants", "1"),
        ("--sort", "created_at:asc"),
    ):
        assert checkpoint_id in karbor.rows("checkpoint-list", PROVIDER_ID, *option)
    newer = karbor.properties("checkpoint-create", PROVIDER_ID, plan_id)["id"]
    page = ("checkpoint-list", PROVIDER_ID, "--plan_id", plan_id, "--limit", "1")
    assert set(karbor.rows(*page)) == {checkpoint_id}
    assert set(karbor.rows(*page, "--marker", checkpoint_id)) == {newer}


def test_a_checkpoints_state_is_reset(karbor, checkpoint_id):
    karbor.run("checkpoint-reset-state", PROVIDER_ID, checkpoint_id)
    shown = karbor.properties("checkpoint-show", PROVIDER_ID, checkpoint_id)
    assert shown["status"] == "error"
    karbor.run("checkpoint-reset-state", PROVIDER_ID, checkpoint_id, "--available")
    shown = karbor.properties("checkpoint-show", PROVIDER_ID, checkpoint_id)
    assert shown["status"] == "available"
    assert "not found" in karbor.fails("checkpoint-reset-state", PROVIDER_ID, NOBODY)


def test_checkpoints_are_deleted(karbor, checkpoint_id):
    karbor.run("checkpoint-delete", PROVIDER_ID, checkpoint_id)
    assert "could not be found" in karbor.fails(
        "checkpoint-show", PROVIDER_ID, checkpoint_id
    )
    assert "not found" in karbor.fails("checkpoint-delete", PROVIDER_ID, checkpoint_id)


def test_a_checkpoint_is_restored(service, karbor, checkpoint_id):
    created = karbor.properties(
        *("restore-create", PROVIDER_ID, checkpoint_id),
        *("--restore_target", "http://192.0.2.1/identity/v3"),
        *("--restore_username", "bob", "--restore_password", "bob-secret"),
        *("--parameters", f"resource_type={IMAGE},restore_name=again"),
    )
    assert created["status"] == "in_progress"
    assert json.loads(created["parameters"]) == {IMAGE: {"restore_name": "again"}}
    name, _, arguments = service.protection.calls[-1]
    assert name == "restore"
    assert arguments["restore_auth"]["password"] == "bob-secret"
    shown = karbor.properties("restore-show", created["id"])
    assert shown["checkpoint_id"] == checkpoint_id
    assert "bob-secret" not in str((created, shown))
    rows = karbor.rows("restore-list", "--status", "in_progress", "--sort", "id:asc")
    assert rows[created["id"]]["Restore target"] == "http://192.0.2.1/identity/v3"
    assert "could not be found" in karbor.fails("restore-show", NOBODY)
    assert NOBODY in karbor.fails("restore-create", PROVIDER_ID, NOBODY)


def test_a_checkpoint_is_verified(karbor, checkpoint_id):
    depth = f"resource_type={IMAGE},depth=sample,sample_percent=5"
    created = karbor.properties(
        "verification-create", PROVIDER_ID, checkpoint_id, "--parameters", depth
    )
    assert created["status"] == "in_progress"
    assert json.loads(created["parameters"]) == {
        IMAGE: {"depth": "sample", "sample_percent": "5"}
    }
    assert karbor.properties("verification-show", created["id"]) == created
    rows = karbor.rows("verification-list", "--limit", "100")
    assert rows[created["id"]]["Checkpoint id"] == checkpoint_id
    assert "could not be found" in karbor.fails("verification-show", NOBODY)
    assert NOBODY in karbor.fails("verification-create", PROVIDER_ID, NOBODY)


def test_operation_logs_are_listed_and_shown(service, karbor):
    log = service.database.operation_logs.create(
        get_admin_context(),
        {
            "project_id": PROJECT,
            "operation_type": "protect",
            "status": "success",
            "extra_info": {"k": "v"},
        },
    )
    rows = karbor.rows("operationlog-list", "--status", "success")
    assert rows[log["id"]]["Operation Type"] == "protect"
    assert karbor.properties("operationlog-show", log["id"])["status"] == "success"
    assert "could not be found" in karbor.fails("operationlog-show", NOBODY)


def test_services_are_listed_disabled_and_enabled(service, karbor):
    reported = service.database.services.heartbeat(
        get_admin_context(), "host-1", "karbor-protection", "karbor-protection"
    )
    rows = karbor.rows("service-list", "--binary", "karbor-protection")
    assert rows[reported["id"]]["State"] == "up"
    assert karbor.rows("service-list", "--host", "elsewhere") == {}
    [row] = karbor.table("service-disable", reported["id"], "--reason", "repair")
    assert (row["Status"], row["Disabled Reason"]) == ("disabled", "repair")
    [row] = karbor.table("service-enable", reported["id"])
    assert (row["Status"], row["State"]) == ("enabled", "up")
    [row] = karbor.table("service-disable", reported["id"])
    assert row["Status"] == "disabled"
    assert NOBODY in karbor.fails("service-enable", NOBODY)


def test_what_this_version_lacks_is_said(karbor):
    assert "no triggers" in karbor.fails("trigger-list")
    assert "no scheduled_operations" in karbor.fails("scheduledoperation-list")
