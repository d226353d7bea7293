# SPDX-License-Identifier: Apache-2.0
"""Copies into another provider's bank: asked for, made, and used alone."""

import dataclasses
import os
import shutil

import pytest

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection import messages
from karbor.tests.fakes import disk_plugin
from karbor.tests.unit.services.protection.disk_service import (
    CHUNK,
    DISK,
    NOOP,
    OWNER,
    PROJECT,
    SOURCE,
    TARGET,
)

NOWHERE = "00000000-0000-4000-8000-00000000dead"
ADMIN = RequestContext("admin", "ef" * 16, is_admin=True, overwrite=False)
STRANGER = RequestContext("stranger", "ef" * 16, is_admin=False, overwrite=False)

some_encrypt = pytest.mark.parametrize(
    "disk_service", [(), (SOURCE,), (TARGET,), (SOURCE, TARGET)], indirect=True
)


@some_encrypt
def test_the_targets_bank_alone_lists_shows_verifies_and_restores(disk_service):
    plan = disk_service.plan()
    data = os.urandom(5 * CHUNK + 7)
    source_id = disk_service.protected(plan, data)
    (pair,) = disk_service.copy_plan(plan)
    assert pair["checkpoint_protect_id"] == source_id
    copy_id = pair["checkpoint_copy_id"]
    disk_service.wait()

    shutil.rmtree(disk_service.bank_path(SOURCE))

    (listed,) = disk_service.provider(TARGET).checkpoints.list(
        PROJECT, provider_id=TARGET, plan_id=plan.id
    )
    assert (listed.id, listed.status) == (copy_id, "available")
    shown = disk_service.queries.show_checkpoint(OWNER, TARGET, copy_id)
    assert shown["copied_from"] == source_id
    assert shown["copied_from_provider"] == SOURCE
    assert shown["protection_plan"]["provider_id"] == TARGET
    assert DISK in shown["resource_graph"]
    for depth in ("objects", "sample", "full"):
        assert disk_service.verify(TARGET, copy_id, depth=depth)["status"] == "success"
    assert disk_service.restore(TARGET, copy_id) == data


@some_encrypt
def test_only_what_the_target_lacks_is_moved(disk_service):
    plan = disk_service.plan()
    data = os.urandom(20 * CHUNK)
    disk_service.protected(plan, data)
    disk_service.copy_plan(plan)
    disk_service.wait()
    before = disk_service.chunks(TARGET)
    disk_service.protected(plan, data[:CHUNK] + os.urandom(CHUNK) + data[2 * CHUNK :])
    (pair,) = disk_service.copy_plan(plan)
    disk_service.wait()
    # The chunk, and the page that lists it where that is an object.
    assert len(disk_service.chunks(TARGET) - before) <= 2
    assert before <= disk_service.chunks(TARGET)
    assert disk_service.status(TARGET, pair["checkpoint_copy_id"]) == "available"


def test_a_source_with_a_finished_copy_there_is_not_copied_again(disk_service):
    plan = disk_service.plan()
    disk_service.protected(plan, b"x" * 10)
    (pair,) = disk_service.copy_plan(plan)
    disk_service.wait()
    assert disk_service.copy_plan(plan) == []
    # A copy beside the source is another matter.
    assert len(disk_service.admission.copy(OWNER, plan)) == 1
    disk_service.wait()
    assert disk_service.copy_plan(plan) == []
    disk_service.admission.delete(OWNER, TARGET, pair["checkpoint_copy_id"])
    disk_service.wait()
    assert len(disk_service.copy_plan(plan)) == 1


def test_an_unfinished_copy_counts_while_its_owner_lives(disk_service, monkeypatch):
    plan = disk_service.plan()
    disk_service.protected(plan, b"x" * 10)
    monkeypatch.setattr(disk_service.service._runner, "submit", lambda *of: None)
    (pair,) = disk_service.copy_plan(plan)
    assert disk_service.copy_plan(plan) == []
    copy = disk_service.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert copy.status == "wait_copying"
    assert [one.id for one in disk_service.provider(TARGET).checkpoints.working()] == [
        copy.id
    ]
    assert list(disk_service.provider(SOURCE).checkpoints.working()) == []

    monkeypatch.undo()
    abandoned = dataclasses.replace(copy._record, owner_id="dead")
    disk_service.provider(TARGET).checkpoints.store.write(abandoned)
    (again,) = disk_service.copy_plan(plan)
    assert again["checkpoint_copy_id"] != copy.id
    disk_service.wait()
    assert disk_service.status(TARGET, again["checkpoint_copy_id"]) == "available"


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
    disk_service, parameters, error, said
):
    plan = disk_service.plan()
    source_id = disk_service.protected(plan, b"x" * 10)
    asked = messages.Plan.parse({**plan.to_dict(), "parameters": parameters})
    with pytest.raises(error, match=said) as refused:
        disk_service.admission.copy(OWNER, asked)
    for provider_id in (SOURCE, TARGET, NOOP):
        found = disk_service.provider(provider_id).checkpoints.list(
            PROJECT, provider_id=provider_id
        )
        assert {one.id for one in found} <= {source_id}
    if NOOP in parameters.values():
        assert source_id in str(refused.value)


def test_the_parameters_of_the_plan_go_along(disk_service):
    plan = disk_service.plan({disk_plugin.TYPE: {"level": "3"}})
    disk_service.protected(plan, b"x" * 10)
    (pair,) = disk_service.copy_plan(plan)
    disk_service.wait()
    assert disk_service.status(TARGET, pair["checkpoint_copy_id"]) == "available"


def test_nobody_copies_what_is_anothers(disk_service):
    plan = disk_service.plan()
    disk_service.protected(plan, b"x" * 10)
    with pytest.raises(exception.InvalidPlan, match="belongs to project"):
        disk_service.copy_plan(plan, context=STRANGER)
    assert disk_service.copy_plan(plan, context=STRANGER, project_id="ef" * 16) == []
    (pair,) = disk_service.copy_plan(plan, context=ADMIN)
    disk_service.wait()
    copy = disk_service.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert (copy.status, copy.project_id) == ("available", PROJECT)


def test_what_is_copied_elsewhere_is_not_deleted(disk_service, monkeypatch):
    plan = disk_service.plan()
    source_id = disk_service.protected(plan, b"x" * 10)
    submitted = []
    monkeypatch.setattr(
        disk_service.service._runner, "submit", lambda *of: submitted.append(of)
    )
    (pair,) = disk_service.copy_plan(plan)
    with pytest.raises(
        exception.CheckpointNotBeDeleted, match=pair["checkpoint_copy_id"]
    ):
        disk_service.admission.delete(OWNER, SOURCE, source_id)
    monkeypatch.undo()
    assert disk_service.service._runner.submit(*submitted[0]).result(60)
    (log,) = disk_service.service.database.operation_logs.list(
        OWNER, filters={"operation_type": "copy"}
    )
    assert log["extra_info"]["copied_from"] == source_id
    assert log["extra_info"]["copied_to_provider"] == TARGET
    assert log["extra_info"]["progress"]["bytes_done"] == 10
    disk_service.admission.delete(OWNER, SOURCE, source_id)


def test_a_copy_whose_source_began_to_be_deleted_is_none(disk_service, monkeypatch):
    plan = disk_service.plan()
    source_id = disk_service.protected(plan, b"x" * CHUNK)
    on_main = disk_plugin.CopyDisk.on_main

    def delete_meanwhile(self, checkpoint, *args, **kwargs):
        on_main(self, checkpoint, *args, **kwargs)
        disk_service.checkpoint(SOURCE, source_id).transition("deleting")

    monkeypatch.setattr(disk_plugin.CopyDisk, "on_main", delete_meanwhile)
    (pair,) = disk_service.copy_plan(plan)
    disk_service.wait()
    copy = disk_service.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert copy.status == "error"
    assert f"{source_id} is not available any more" in copy.status_reason


def test_a_source_that_is_gone_when_its_turn_comes_ends_the_copy(
    disk_service, monkeypatch
):
    plan = disk_service.plan()
    source_id = disk_service.protected(plan, b"x" * CHUNK)
    submitted = []
    monkeypatch.setattr(
        disk_service.service._runner, "submit", lambda *of: submitted.append(of)
    )
    (pair,) = disk_service.copy_plan(plan)
    monkeypatch.undo()
    shutil.rmtree(disk_service.bank_path(SOURCE) / "karbor" / "checkpoints" / source_id)
    assert not disk_service.service._runner.submit(*submitted[0]).result(60)
    copy = disk_service.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert copy.status == "error"
    assert source_id in copy.status_reason


def test_the_lease_on_the_targets_bank_is_what_counts(disk_service, monkeypatch):
    plan = disk_service.plan()
    disk_service.protected(plan, b"x" * CHUNK)
    lease = disk_service.provider(TARGET).lease
    on_main = disk_plugin.CopyDisk.on_main

    used = []

    def lose_it(self, *args, **kwargs):
        on_main(self, *args, **kwargs)
        used.extend(
            disk_service.service._runner.is_using(disk_service.provider(provider_id))
            for provider_id in (SOURCE, TARGET, NOOP)
        )
        monkeypatch.setattr(lease, "is_valid", lambda: False)

    monkeypatch.setattr(disk_plugin.CopyDisk, "on_main", lose_it)
    (pair,) = disk_service.copy_plan(plan)
    disk_service.wait()
    monkeypatch.undo()
    # Neither's lease is given back when the providers are loaded anew meanwhile.
    assert used == [True, True, False]
    # Whoever has the lease now ends it.
    assert disk_service.status(TARGET, pair["checkpoint_copy_id"]) == "copying"


def test_a_copy_is_copied_on_and_back_when_its_original_is_gone(disk_service):
    plan = disk_service.plan()
    data = os.urandom(3 * CHUNK)
    source_id = disk_service.protected(plan, data)
    disk_service.copy_plan(plan)
    disk_service.wait()
    of_target = messages.Plan.parse({**plan.to_dict(), "provider_id": TARGET})
    assert disk_service.copy_plan(of_target, SOURCE) == []

    disk_service.admission.delete(OWNER, SOURCE, source_id)
    disk_service.wait()
    (pair,) = disk_service.copy_plan(of_target, SOURCE)
    disk_service.wait()

    assert disk_service.restore(SOURCE, pair["checkpoint_copy_id"]) == data
    # And does not go round and round.
    assert disk_service.copy_plan(of_target, SOURCE) == []
    assert disk_service.copy_plan(plan) == []


def lose(disk_service, provider_id, checkpoint_id, key):
    section = disk_service.checkpoint(
        provider_id, checkpoint_id
    ).get_resource_bank_section(DISK)
    section.delete_object(key)


@pytest.mark.parametrize("key", ["metadata", ".streams/by-name/disk"])
def test_a_source_that_has_lost_an_object_makes_no_copy(disk_service, key):
    plan = disk_service.plan()
    source_id = disk_service.protected(plan, b"x" * CHUNK)
    lose(disk_service, SOURCE, source_id, key)
    (pair,) = disk_service.copy_plan(plan)
    disk_service.wait()
    copy = disk_service.checkpoint(TARGET, pair["checkpoint_copy_id"])
    assert copy.status == "error"
    assert f"{source_id} has lost {key} of resource {DISK}" in copy.status_reason
