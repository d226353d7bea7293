# SPDX-License-Identifier: Apache-2.0
"""The real client against the whole real service: REST, RPC, bank and Glance."""

import json

import pytest

from karbor.tests.functional.glance import project_context
from karbor.tests.functional.karbor_client import KarborClient
from karbor.tests.functional.standalone import PROJECT, PROVIDER, Standalone

IMAGE = "OS::Glance::Image"
NOBODY = "00000000-0000-4000-8000-00000000dead"
DATA = b"what is in the image " * 50_000


@pytest.fixture(scope="module")
def standalone(glance, tmp_path_factory):
    service = Standalone(
        tmp_path_factory.mktemp("karbor"),
        plugins=("karbor-image-protection-plugin",),
        extra=f"[glance_client]\nglance_endpoint = {glance.url}\n",
    )
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="module")
def karbor(standalone):
    return KarborClient(
        *("--os-no-client-auth", "--os-username", "admin"),
        *("--karbor-url", standalone.url),
    )


@pytest.fixture
def image(glance):
    return glance.upload(project_context(project=PROJECT), DATA, name="cirros")


@pytest.fixture
def plan_id(karbor, image):
    created = karbor.properties(
        "plan-create", "nightly", PROVIDER, f"{image['id']}={IMAGE}=cirros"
    )
    return created["id"]


@pytest.fixture
def checkpoint_id(karbor, standalone, plan_id):
    created = karbor.properties("checkpoint-create", PROVIDER, plan_id)
    standalone.wait_for_status(created["id"], "available")
    return created["id"]


def wait_for_end(karbor, standalone, kind, record_id):
    """Show a restore or a verification until it has ended."""
    shown = {}

    def ended():
        shown.update(karbor.properties(f"{kind}-show", record_id))
        return shown["status"] != "in_progress"

    standalone.wait_for(ended, f"{kind} {record_id} does not end")
    return shown


def test_what_is_installed_is_listed(karbor, image):
    assert PROVIDER in karbor.rows("provider-list")
    schema = json.loads(
        karbor.properties("provider-show", PROVIDER)["extended_info_schema"]
    )
    assert IMAGE in schema["options_schema"]
    types = [row["Protectable type"] for row in karbor.table("protectable-list")]
    assert IMAGE in types
    assert karbor.properties("protectable-show", IMAGE)["name"] == IMAGE
    assert image["id"] in karbor.rows("protectable-list-instances", IMAGE)
    shown = karbor.properties("protectable-show-instance", IMAGE, image["id"])
    assert shown["name"] == "cirros"


def test_listings_of_the_service_page_and_sort(karbor, plan_id, checkpoint_id):
    page = ("checkpoint-list", PROVIDER, "--plan_id", plan_id, "--limit", "1")
    assert set(karbor.rows(*page)) == {checkpoint_id}
    assert karbor.rows(*page, "--marker", checkpoint_id) == {}
    for option in (("--sort", "created_at:asc"), ("--sort", "id"), ("--all-tenants",)):
        assert checkpoint_id in karbor.rows("checkpoint-list", PROVIDER, *option)
    assert karbor.rows("provider-list", "--marker", PROVIDER) == {}
    for option in ("name:asc", "id:desc", "created_at"):
        assert karbor.rows("provider-list", "--sort", option)
        assert karbor.rows("protectable-list-instances", IMAGE, "--sort", option)


def test_a_lost_image_comes_back(karbor, standalone, glance, image, checkpoint_id):
    shown = karbor.properties("checkpoint-show", PROVIDER, checkpoint_id)
    assert image["id"] in shown["resource_graph"]
    verification = karbor.properties("verification-create", PROVIDER, checkpoint_id)
    ended = wait_for_end(karbor, standalone, "verification", verification["id"])
    assert ended["status"] == "success", ended
    context = project_context(project=PROJECT)
    glance.images(context).delete(image["id"])
    restore = karbor.properties(
        *("restore-create", PROVIDER, checkpoint_id),
        *("--parameters", f"resource_type={IMAGE},restore_name=again"),
    )
    ended = wait_for_end(karbor, standalone, "restore", restore["id"])
    assert ended["status"] == "success", ended
    rows = karbor.table("protectable-list-instances", IMAGE)
    [restored] = [row["Id"] for row in rows if row["Name"] == "again"]
    assert glance.data(context, restored) == DATA
    logs = karbor.table("operationlog-list", "--status", "success")
    assert {"protect", "restore", "verify"} <= {log["Operation Type"] for log in logs}
    [log] = [log for log in logs if log["Restore Id"] == restore["id"]]
    assert karbor.properties("operationlog-show", log["Id"])["id"] == log["Id"]


def test_a_checkpoint_is_reset_and_deleted(karbor, standalone, checkpoint_id):
    karbor.run("checkpoint-reset-state", PROVIDER, checkpoint_id)
    shown = karbor.properties("checkpoint-show", PROVIDER, checkpoint_id)
    assert shown["status"] == "error"
    karbor.run("checkpoint-delete", PROVIDER, checkpoint_id)
    standalone.wait_for(
        lambda: (
            (standalone.checkpoint(checkpoint_id) or {}).get("status")
            in (None, "deleted")
        ),
        "the checkpoint is not deleted",
    )


def test_what_cannot_be_is_refused_with_the_services_reason(
    karbor, standalone, checkpoint_id
):
    assert NOBODY in karbor.fails("provider-show", NOBODY)
    assert NOBODY in karbor.fails("checkpoint-show", PROVIDER, NOBODY)
    assert NOBODY in karbor.fails("restore-create", PROVIDER, NOBODY)
    assert NOBODY in karbor.fails("verification-create", PROVIDER, NOBODY)
    assert "OS::No::Such" in karbor.fails("protectable-show", "OS::No::Such")
    assert "OS::Nova::Server" in karbor.fails(
        *("restore-create", PROVIDER, checkpoint_id),
        *("--parameters", "resource_type=OS::Nova::Server,restore_name=x"),
    )
    assert "Traceback" not in standalone.log


def test_the_service_itself_is_listed(karbor):
    rows = karbor.table("service-list")
    assert {row["State"] for row in rows} == {"up"}
    [row] = karbor.table("service-disable", rows[0]["Id"], "--reason", "repair")
    assert row["Status"] == "disabled"
    [row] = karbor.table("service-enable", rows[0]["Id"])
    assert (row["Status"], row["State"]) == ("enabled", "up")
