# SPDX-License-Identifier: Apache-2.0
"""Every captured message of the Karbor 1.x API, sent to the daemon again.

The ids that the captures hold are replaced by those that the daemon answers.
"""

import json
import uuid

import pytest

from karbor import exception
from karbor.context import get_admin_context
from karbor.tests.rabbit import gate
from karbor.tests.rabbit.client import CONTEXT, SAMPLES
from karbor.tests.rabbit.daemon import PROVIDER, files_below, wait_until

CHECKPOINT = SAMPLES["protect"]["result"]
PLAN = SAMPLES["protect"]["args"]["plan"]["karbor_object.data"]["id"]


def plain(value):
    """A message with its versioned objects as plain dicts."""
    if isinstance(value, dict):
        if "karbor_object.data" in value:
            return plain(value["karbor_object.data"])
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(params=["versioned objects", "plain dicts"])
def send(request, shared_caller):
    """``send(sample, old=new, …)``: the answer to a sample's message."""
    sent = set()

    def send(name, replace=()):
        sent.add(name)
        sample = SAMPLES[name]
        text = json.dumps(sample["args"])
        for old, new in dict(replace).items():
            assert old in text
            text = text.replace(old, new)
        arguments = json.loads(text)
        if request.param == "plain dicts":
            arguments = plain(arguments)
        return shared_caller.call(sample["method"], **arguments)

    send.sent = sent
    return send


@pytest.fixture
def database(shared_site):
    database = shared_site.database()
    yield database
    database.close()


def record_of(repository, record_id):
    def ended():
        record = repository.get(get_admin_context(), record_id)
        return record if record["status"] != "in_progress" else None

    return wait_until(ended, f"the end of record {record_id}")


def failure_of(name):
    """What the sample's caller was answered: ``(class, its message's pattern)``."""
    failure = SAMPLES[name]["failure"]
    assert failure["module"] == exception.__name__
    return getattr(exception, failure["class"])


def test_every_sample_is_answered(send, shared_caller, shared_site, database):
    plan_id = str(uuid.uuid4())

    # What is there.
    types = send("list_protectable_types")
    assert {"OS::Keystone::Project", "OS::Glance::Image"} <= set(types)
    assert send("list_protectable_instances") == [
        {"id": CONTEXT["project_id"], "name": None, "extra_info": None}
    ]
    assert (
        send("show_protectable_instance")
        == (SAMPLES["show_protectable_instance"]["result"])
    )
    assert send("list_protectable_dependents") == []
    shown = send("show_protectable_type", {"OS::Nova::Server": types[0]})
    assert shown["name"] == types[0]
    assert isinstance(shown["dependent_types"], list)
    with pytest.raises(exception.ProtectableTypeNotFound):
        send("show_protectable_type", {"OS::Nova::Server": "OS::Nowhere::Thing"})
    providers = send("list_providers")
    assert {provider["id"] for provider in providers} == {
        provider["id"] for provider in SAMPLES["list_providers"]["result"]
    }
    for provider in [*providers, send("show_provider")]:
        wanted = SAMPLES["show_provider"]["result"]
        assert provider.keys() == wanted.keys()
        schema = provider["extended_info_schema"]
        for name, types in wanted["extended_info_schema"].items():
            assert set(types) - {"OS::Kubernetes::Pod"} <= set(schema[name])
    with pytest.raises(failure_of("show_provider.failure"), match="dead"):
        send("show_provider.failure")

    # A checkpoint: made, shown, listed.
    new = send("protect", {PLAN: plan_id})
    assert uuid.UUID(new)
    shared_caller.wait_for_end(new)
    shown = send("show_checkpoint", {CHECKPOINT: new})
    wanted = SAMPLES["show_checkpoint"]["result"]
    assert wanted.keys() <= shown.keys()
    assert shown["status"] == "available"
    assert shown["extra_info"] == wanted["extra_info"]
    assert shown["project_id"] == wanted["project_id"]
    assert shown["resource_graph"] == wanted["resource_graph"]
    assert shown["protection_plan"].keys() >= wanted["protection_plan"].keys()
    assert (
        shown["protection_plan"]["resources"]
        == (wanted["protection_plan"]["resources"])
    )
    assert len(shown["created_at"]) == len("2026-11-20")
    with pytest.raises(failure_of("show_checkpoint.failure"), match="dead"):
        send("show_checkpoint.failure")
    # The captured one asks the other provider.
    assert send("list_checkpoints", {PLAN: plan_id}) == []
    [listed] = send(
        "list_checkpoints",
        {PLAN: plan_id, SAMPLES["list_checkpoints"]["args"]["provider_id"]: PROVIDER},
    )
    assert listed == shown | {"resource_graph": None}

    # Copied once.
    [pair] = send("copy", {PLAN: plan_id})
    assert pair.keys() == SAMPLES["copy"]["result"][0].keys()
    assert pair["checkpoint_protect_id"] == new
    copy = shared_caller.wait_for_end(pair["checkpoint_copy_id"])
    assert copy["status"] == "available"
    assert copy["resource_graph"] == shown["resource_graph"]
    assert send("copy", {PLAN: plan_id}) == []

    # Restored, into this cloud.
    record_id = str(uuid.uuid4())
    data = SAMPLES["restore"]["args"]["restore"]["karbor_object.data"]
    replaced = {
        CHECKPOINT: new,
        data["id"]: record_id,
        f'"{data["restore_target"]}"': "null",
    }
    assert send("restore", replaced) is None
    record = record_of(database.restores, record_id)
    assert record["status"] == "success"
    assert set(record["resources_status"].values()) == {"restored"}
    assert (record["provider_id"], record["checkpoint_id"]) == (PROVIDER, new)
    assert record["project_id"] == CONTEXT["project_id"]

    # Verified.
    record_id = str(uuid.uuid4())
    data = SAMPLES["verification"]["args"]["verification"]["karbor_object.data"]
    assert send("verification", {CHECKPOINT: new, data["id"]: record_id}) is None
    assert record_of(database.verifications, record_id)["status"] == "success"

    # What is at work can be neither deleted nor restored.
    resource = {"type": gate.GATED, "id": str(uuid.uuid4()), "name": "g"}
    shared_site.shut_gate(f"protect-{resource['id']}")
    busy = shared_caller.protect(resource)
    shared_site.wait_at_gate(f"protect-{resource['id']}")
    with pytest.raises(failure_of("delete.failure"), match=busy):
        send("delete.failure", {CHECKPOINT: busy})
    data = SAMPLES["restore.failure"]["args"]["restore"]["karbor_object.data"]
    with pytest.raises(failure_of("restore.failure"), match=busy):
        send("restore.failure", {CHECKPOINT: busy, data["id"]: str(uuid.uuid4())})
    shared_site.open_gate(f"protect-{resource['id']}")
    assert shared_caller.wait_for_end(busy)["status"] == "available"

    # Reset, and deleted.
    assert send("reset_state", {CHECKPOINT: new}) is None
    assert shared_caller.show(new)["status"] == "error"
    assert send("delete", {CHECKPOINT: new}) is None
    wait_until(lambda: shared_caller.is_gone(new), f"the end of {new}")

    assert send.sent == set(SAMPLES)


def test_a_restore_into_a_cloud_that_cannot_be_entered_fails_without_its_password(
    shared_caller, shared_daemon, shared_site, database
):
    checkpoint_id = shared_caller.protect(
        {"type": "OS::Glance::Image", "id": str(uuid.uuid4()), "name": "i"}
    )
    shared_caller.wait_for_end(checkpoint_id)
    record_id = str(uuid.uuid4())
    shared_caller.call(
        "restore",
        context=CONTEXT | {"auth_token": "t0ken-t0ken"},
        restore={
            "id": record_id,
            "provider_id": PROVIDER,
            "checkpoint_id": checkpoint_id,
            "restore_target": "http://127.0.0.1:9/v3",
            "parameters": {},
        },
        restore_auth={"type": "password", "username": "u", "password": "s3cret-s3cret"},
    )
    assert record_of(database.restores, record_id)["status"] == "fail"
    assert checkpoint_id in shared_daemon.log
    for path, content in files_below(shared_site.folder):
        assert b"s3cret" not in content, path
        assert b"t0ken" not in content, path
