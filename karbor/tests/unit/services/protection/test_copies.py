# SPDX-License-Identifier: Apache-2.0
"""Copies into another provider's bank: asked for, made, and used alone."""

import dataclasses
import os
import shutil
import time
import uuid

import pytest
from oslo_config import cfg
from stevedore import extension

from karbor import exception, rpc
from karbor.common import config
from karbor.context import RequestContext
from karbor.db import migration
from karbor.services.protection import messages, service
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.tests.fakes import disk_plugin, distribution

SOURCE = "11111111-d011-4026-8228-28730d734a3f"
TARGET = "22222222-d011-4026-8228-28730d734a3f"
NOOP = "33333333-d011-4026-8228-28730d734a3f"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
PROJECT = "abcd" * 8
OWNER = RequestContext("owner", PROJECT, is_admin=False, overwrite=False)
ADMIN = RequestContext("admin", "ef" * 16, is_admin=True, overwrite=False)
STRANGER = RequestContext("stranger", "ef" * 16, is_admin=False, overwrite=False)
DISK = "disk-1"
CHUNK = 64 * 1024

PROVIDER_FILE = """\
[provider]
name = {id}
id = {id}
plugin = {plugin}
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {bank}

[bank_streams]
chunk_size = 65536
"""
ENCRYPTION = """\
[bank_encryption]
enabled = true
key_file = {keys}
"""


class Running:
    """A service with three providers, each with a bank of its own."""

    def __init__(self, of, base):
        self.service = of
        self.admission = of._endpoint._admission
        self.queries = of._endpoint._queries
        self.base = base

    def provider(self, provider_id):
        return self.service.providers.get(provider_id)

    def plan(self, parameters=None, **fields):
        plan = {
            "id": str(uuid.uuid4()),
            "provider_id": SOURCE,
            "project_id": PROJECT,
            "resources": [{"type": disk_plugin.TYPE, "id": DISK, "name": "a disk"}],
            "parameters": parameters or {},
            **fields,
        }
        return messages.Plan.parse(plan)

    def copy_plan(self, plan, target=TARGET, context=OWNER, **fields):
        asked = {
            **plan.to_dict(),
            **fields,
            "parameters": {**plan.parameters, "target_provider_id": target},
        }
        return self.admission.copy(context, messages.Plan.parse(asked))

    def write_disk(self, data):
        (self.base / "disks" / DISK).write_bytes(data)

    def protected(self, plan, data):
        self.write_disk(data)
        checkpoint_id = self.admission.protect(OWNER, plan, {})
        self.wait()
        assert self.status(SOURCE, checkpoint_id) == "available"
        return checkpoint_id

    def wait(self):
        deadline = time.monotonic() + 60
        while self.service._runner.running():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def checkpoint(self, provider_id, checkpoint_id):
        return self.provider(provider_id).checkpoints.get(checkpoint_id)

    def status(self, provider_id, checkpoint_id):
        return self.checkpoint(provider_id, checkpoint_id).status

    def request(self, provider_id, checkpoint_id, **parameters):
        return messages.RecordRequest.parse(
            {
                "id": str(uuid.uuid4()),
                "provider_id": provider_id,
                "checkpoint_id": checkpoint_id,
                "parameters": parameters,
            },
            "restore",
        )

    def restore(self, provider_id, checkpoint_id):
        request = self.request(provider_id, checkpoint_id)
        self.admission.restore(OWNER, request, None)
        self.wait()
        record = self.service.database.restores.get(OWNER, request.id)
        assert record["status"] == "success", record
        return (self.base / "disks" / f"{DISK}.restored").read_bytes()

    def verify(self, provider_id, checkpoint_id, **parameters):
        request = self.request(
            provider_id, checkpoint_id, **{disk_plugin.TYPE: parameters}
        )
        self.admission.verify(OWNER, request)
        self.wait()
        return self.service.database.verifications.get(OWNER, request.id)

    def bank_path(self, provider_id):
        return self.base / "banks" / provider_id

    def chunks(self, provider_id):
        folder = self.bank_path(provider_id) / "karbor" / "chunks"
        return {path.name for path in folder.rglob("*") if len(path.name) > 64}


@pytest.fixture
def running(request, tmp_path, monkeypatch):
    """The service; parametrized with the providers that encrypt."""
    encrypting = getattr(request, "param", ())
    folder = distribution.install(tmp_path / "dist", disk_plugin.ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(extension.ExtensionManager, "ENTRY_POINT_CACHE", {})
    (tmp_path / "disks").mkdir()
    monkeypatch.setenv("KARBOR_TEST_DISKS", str(tmp_path / "disks"))
    (tmp_path / "providers.d").mkdir()
    for provider_id in (SOURCE, TARGET, NOOP):
        plugin = (
            "karbor-noop-protection-plugin"
            if provider_id == NOOP
            else disk_plugin.PLUGIN
        )
        text = PROVIDER_FILE.format(
            id=provider_id, plugin=plugin, bank=tmp_path / "banks" / provider_id
        )
        if provider_id in encrypting:
            keys = tmp_path / f"{provider_id}.keys"
            KeyFile(str(keys)).make("first")
            text += ENCRYPTION.format(keys=keys)
        (tmp_path / "providers.d" / f"{provider_id}.conf").write_text(text)
    (tmp_path / "karbor.conf").write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n")
    conf = cfg.ConfigOpts()
    service.register_opts(conf)
    config.init(["--config-file", str(tmp_path / "karbor.conf")], "test", conf)
    migration.sync(conf)
    of = service.ProtectionService(conf, rpc.get_transport(conf, "fake://"))
    of.start()
    yield Running(of, tmp_path)
    of.stop()


some_encrypt = pytest.mark.parametrize(
    "running", [(), (SOURCE,), (TARGET,), (SOURCE, TARGET)], indirect=True
)


@some_encrypt
def test_the_targets_bank_alone_lists_shows_verifies_and_restores(running):
    plan = running.plan()
    data = os.urandom(5 * CHUNK + 7)
    source_id = running.protected(plan, data)
    (pair,) = running.copy_plan(plan)
    assert pair["checkpoint_protect_id"] == source_id
    copy_id = pair["checkpoint_copy_id"]
    running.wait()

    shutil.rmtree(running.bank_path(SOURCE))

    (listed,) = running.provider(TARGET).checkpoints.list(
        PROJECT, provider_id=TARGET, plan_id=plan.id
    )
    assert (listed.id, listed.status) == (copy_id, "available")
    shown = running.queries.show_checkpoint(OWNER, TARGET, copy_id)
    assert shown["copied_from"] == source_id
    assert shown["copied_from_provider"] == SOURCE
    assert shown["protection_plan"]["provider_id"] == TARGET
    assert DISK in shown["resource_graph"]
    for depth in ("objects", "sample", "full"):
        assert running.verify(TARGET, copy_id, depth=depth)["status"] == "success"
    assert running.restore(TARGET, copy_id) == data


@some_encrypt
def test_only_what_the_target_lacks_is_moved(running):
    plan = running.plan()
    data = os.urandom(20 * CHUNK)
    running.protected(plan, data)
    running.copy_plan(plan)
    running.wait()
    before = running.chunks(TARGET)
    running.protected(plan, data[:CHUNK] + os.urandom(CHUNK) + data[2 * CHUNK :])
    (pair,) = running.copy_plan(plan)
    running.wait()
    # The chunk, and the page that lists it where that is an object.
    assert len(running.chunks(TARGET) - before) <= 2
    assert before <= running.chunks(TARGET)
    assert running.status(TARGET, pair["checkpoint_copy_id"]) == "available"


def test_a_source_with_a_finished_copy_there_is_not_copied_again(running):
    plan = running.plan()
    running.protected(plan, b"x" * 10)
    (pair,) = running.copy_plan(plan)
    running.wait()
    assert running.copy_plan(plan) == []
    # A copy beside the source is another matter.
    assert len(running.admission.copy(OWNER, plan)) == 1
    running.wait()
    assert running.copy_plan(plan) == []
    running.admission.delete(OWNER, TARGET, pair["checkpoint_copy_id"])
    running.wait()
    assert len(running.copy_plan(plan)) == 1


def test_an_unfinished_copy_counts_while_its_owner_lives(running, monkeypatch):
    plan = running.plan()
    running.protected(plan, b"x" * 10)
    monkeypatch.setattr(running.service._runner, "submit", lambda *of: None)
    (pair,) = running.copy_plan(plan)
    assert running.copy_plan(plan) == []
    copy = running.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert copy.status == "wait_copying"
    assert [one.id for one in running.provider(TARGET).checkpoints.working()] == [
        copy.id
    ]
    assert list(running.provider(SOURCE).checkpoints.working()) == []

    monkeypatch.undo()
    abandoned = dataclasses.replace(copy._record, owner_id="dead")
    running.provider(TARGET).checkpoints.store.write(abandoned)
    (again,) = running.copy_plan(plan)
    assert again["checkpoint_copy_id"] != copy.id
    running.wait()
    assert running.status(TARGET, again["checkpoint_copy_id"]) == "available"


@pytest.mark.parametrize(
    ("parameters", "error", "said"),
    [
        ({"target_provider_id": NOWHERE}, exception.ProviderNotFound, NOWHERE),
        ({"target_provider_id": ""}, exception.ProviderNotFound, "Provider"),
        ({"target_provider_id": SOURCE}, exception.InvalidInput, "own provider"),
        ({"target_provider_id": 5}, exception.InvalidInput, "int, not"),
        ({"target_provider": TARGET}, exception.InvalidInput, "'target_provider'"),
        ({"x": {}}, exception.InvalidInput, "protects no resources of type 'x'"),
        ({disk_plugin.TYPE: {"x": 1}}, exception.InvalidInput, "'x' was unexpected"),
        ({"target_provider_id": NOOP}, exception.InvalidInput, disk_plugin.TYPE),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(
    running, parameters, error, said
):
    plan = running.plan()
    source_id = running.protected(plan, b"x" * 10)
    asked = messages.Plan.parse({**plan.to_dict(), "parameters": parameters})
    with pytest.raises(error, match=said) as refused:
        running.admission.copy(OWNER, asked)
    for provider_id in (SOURCE, TARGET, NOOP):
        found = running.provider(provider_id).checkpoints.list(
            PROJECT, provider_id=provider_id
        )
        assert {one.id for one in found} <= {source_id}
    if NOOP in parameters.values():
        assert source_id in str(refused.value)


def test_the_parameters_of_the_plan_go_along(running):
    plan = running.plan({disk_plugin.TYPE: {"level": "3"}})
    running.protected(plan, b"x" * 10)
    (pair,) = running.copy_plan(plan)
    running.wait()
    assert running.status(TARGET, pair["checkpoint_copy_id"]) == "available"


def test_nobody_copies_what_is_anothers(running):
    plan = running.plan()
    running.protected(plan, b"x" * 10)
    with pytest.raises(exception.InvalidPlan, match="belongs to project"):
        running.copy_plan(plan, context=STRANGER)
    assert running.copy_plan(plan, context=STRANGER, project_id="ef" * 16) == []
    (pair,) = running.copy_plan(plan, context=ADMIN)
    running.wait()
    copy = running.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert (copy.status, copy.project_id) == ("available", PROJECT)


def test_what_is_copied_elsewhere_is_not_deleted(running, monkeypatch):
    plan = running.plan()
    source_id = running.protected(plan, b"x" * 10)
    submitted = []
    monkeypatch.setattr(
        running.service._runner, "submit", lambda *of: submitted.append(of)
    )
    (pair,) = running.copy_plan(plan)
    with pytest.raises(
        exception.CheckpointNotBeDeleted, match=pair["checkpoint_copy_id"]
    ):
        running.admission.delete(OWNER, SOURCE, source_id)
    monkeypatch.undo()
    assert running.service._runner.submit(*submitted[0]).result(60)
    (log,) = running.service.database.operation_logs.list(
        OWNER, filters={"operation_type": "copy"}
    )
    assert log["extra_info"]["copied_from"] == source_id
    assert log["extra_info"]["copied_to_provider"] == TARGET
    assert log["extra_info"]["progress"]["bytes_done"] == 10
    running.admission.delete(OWNER, SOURCE, source_id)


def test_a_copy_whose_source_began_to_be_deleted_is_none(running, monkeypatch):
    plan = running.plan()
    source_id = running.protected(plan, b"x" * CHUNK)
    on_main = disk_plugin.CopyDisk.on_main

    def delete_meanwhile(self, checkpoint, *args, **kwargs):
        on_main(self, checkpoint, *args, **kwargs)
        running.checkpoint(SOURCE, source_id).transition("deleting")

    monkeypatch.setattr(disk_plugin.CopyDisk, "on_main", delete_meanwhile)
    (pair,) = running.copy_plan(plan)
    running.wait()
    copy = running.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert copy.status == "error"
    assert f"{source_id} is not available any more" in copy.status_reason


def test_a_source_that_is_gone_when_its_turn_comes_ends_the_copy(running, monkeypatch):
    plan = running.plan()
    source_id = running.protected(plan, b"x" * CHUNK)
    submitted = []
    monkeypatch.setattr(
        running.service._runner, "submit", lambda *of: submitted.append(of)
    )
    (pair,) = running.copy_plan(plan)
    monkeypatch.undo()
    shutil.rmtree(running.bank_path(SOURCE) / "karbor" / "checkpoints" / source_id)
    assert not running.service._runner.submit(*submitted[0]).result(60)
    copy = running.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert copy.status == "error"
    assert source_id in copy.status_reason


def test_the_lease_on_the_targets_bank_is_what_counts(running, monkeypatch):
    plan = running.plan()
    running.protected(plan, b"x" * CHUNK)
    lease = running.provider(TARGET).lease
    on_main = disk_plugin.CopyDisk.on_main

    used = []

    def lose_it(self, *args, **kwargs):
        on_main(self, *args, **kwargs)
        used.extend(
            running.service._runner.is_using(running.provider(provider_id))
            for provider_id in (SOURCE, TARGET, NOOP)
        )
        monkeypatch.setattr(lease, "is_valid", lambda: False)

    monkeypatch.setattr(disk_plugin.CopyDisk, "on_main", lose_it)
    (pair,) = running.copy_plan(plan)
    running.wait()
    monkeypatch.undo()
    # Neither's lease is given back when the providers are loaded anew meanwhile.
    assert used == [True, True, False]
    # Whoever has the lease now ends it.
    assert running.status(TARGET, pair["checkpoint_copy_id"]) == "copying"


def test_a_copy_is_copied_on_and_back_when_its_original_is_gone(running):
    plan = running.plan()
    data = os.urandom(3 * CHUNK)
    source_id = running.protected(plan, data)
    running.copy_plan(plan)
    running.wait()
    of_target = messages.Plan.parse({**plan.to_dict(), "provider_id": TARGET})
    assert running.copy_plan(of_target, SOURCE) == []

    running.admission.delete(OWNER, SOURCE, source_id)
    running.wait()
    (pair,) = running.copy_plan(of_target, SOURCE)
    running.wait()

    assert running.restore(SOURCE, pair["checkpoint_copy_id"]) == data
    # And does not go round and round.
    assert running.copy_plan(of_target, SOURCE) == []
    assert running.copy_plan(plan) == []


def lose(running, provider_id, checkpoint_id, key):
    section = running.checkpoint(provider_id, checkpoint_id).get_resource_bank_section(
        DISK
    )
    section.delete_object(key)


@pytest.mark.parametrize("key", ["metadata", ".streams/by-name/disk"])
def test_a_source_that_has_lost_an_object_makes_no_copy(running, key):
    plan = running.plan()
    source_id = running.protected(plan, b"x" * CHUNK)
    lose(running, SOURCE, source_id, key)
    (pair,) = running.copy_plan(plan)
    running.wait()
    copy = running.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert copy.status == "error"
    assert f"{source_id} has lost {key} of resource {DISK}" in copy.status_reason


def test_a_verification_finds_an_object_that_no_hook_asks_for(running):
    source_id = running.protected(running.plan(), b"x" * CHUNK)
    lose(running, SOURCE, source_id, "metadata")
    record = running.verify(SOURCE, source_id)
    assert record["status"] == "fail"
    key = f"{disk_plugin.TYPE}#{DISK}"
    assert record["resources_status"] == {key: "error"}
    assert "lost metadata" in record["resources_reason"][key]
