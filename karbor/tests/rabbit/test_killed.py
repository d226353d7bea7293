# SPDX-License-Identifier: Apache-2.0
"""``kill -9`` in the middle of an operation: it ends as an error, with a reason."""

import uuid

import pytest

from karbor import exception
from karbor.context import get_admin_context
from karbor.tests.rabbit import gate
from karbor.tests.rabbit.daemon import (
    LEASE_EXPIRY,
    PROVIDER,
    SWEEP_INTERVAL,
    files_below,
    wait_until,
)

#: After these seconds of a restarted service, no checkpoint of a dead owner is left
#: in a working state; the rest is slack for a slow machine.
WITHIN = LEASE_EXPIRY + SWEEP_INTERVAL + 60


def kill_all(daemon):
    """All processes at once, as a machine that goes down; then start again."""
    daemon.kill()
    daemon.start()


def kill_worker(daemon):
    """Only the worker: its manager starts another."""
    worker = daemon.worker
    worker.kill()
    wait_until(
        lambda: any(p.pid != worker.pid for p in daemon.family()[1:]), "a new worker"
    )


@pytest.fixture(params=[kill_all, kill_worker])
def kill(request):
    return request.param


@pytest.fixture
def resource():
    return {"type": gate.GATED, "id": str(uuid.uuid4()), "name": "g"}


def wait_for(caller, checkpoint_id, status):
    def ended():
        found = caller.show(checkpoint_id)
        return found if found["status"] == status else None

    return wait_until(ended, f"the status {status} of {checkpoint_id}", WITHIN)


def wait_until_nothing_is_left(site, text):
    """A checkpoint is not found as soon as its index is gone, the rest follows."""
    wait_until(lambda: not left_in_bank(site, text), f"a bank without {text}")


def left_in_bank(site, text):
    """The files of the bank that name or contain a text."""
    return [
        path
        for path, content in files_below(site.folder / f"bank-{PROVIDER}")
        if text in str(path) or text.encode() in content
    ]


def test_a_killed_protection_becomes_an_error_and_can_be_deleted(
    site, caller, kill, resource, database
):
    gate_name = f"protect-{resource['id']}"
    site.shut_gate(gate_name)
    with site.daemon() as daemon:
        checkpoint_id = caller.protect(resource)
        site.wait_at_gate(gate_name)
        kill(daemon)
        shown = wait_for(caller, checkpoint_id, "error")
        assert "died" in shown["status_reason"]
        assert "delete it" in shown["status_reason"]
        [log] = ended_logs(database, checkpoint_id)
        assert log["status"] == "failed"
        assert "died" in log["error_info"]
        # What was half done is there, until it is deleted.
        assert left_in_bank(site, resource["id"])
        caller.delete(checkpoint_id)
        wait_until_nothing_is_left(site, checkpoint_id)
        wait_until_nothing_is_left(site, resource["id"])
        assert caller.call("list_checkpoints", provider_id=PROVIDER) == []

        # And the service protects again.
        site.open_gate(gate_name)
        checkpoint_id = caller.protect(resource)
        assert caller.wait_for_end(checkpoint_id)["status"] == "available"


def ended_logs(database, checkpoint_id):
    def logs():
        found = database.operation_logs.list(
            get_admin_context(), filters={"checkpoint_id": checkpoint_id}
        )
        return found if all(log["status"] != "in_progress" for log in found) else None

    return wait_until(logs, "the end of the operation logs", WITHIN)


def test_a_killed_deletion_can_be_done_again(site, caller, kill, resource):
    with site.daemon() as daemon:
        checkpoint_id = caller.protect(resource)
        assert caller.wait_for_end(checkpoint_id)["status"] == "available"
        gate_name = f"delete-{resource['id']}"
        site.shut_gate(gate_name)
        caller.call("delete", provider_id=PROVIDER, checkpoint_id=checkpoint_id)
        site.wait_at_gate(gate_name)
        kill(daemon)
        shown = wait_for(caller, checkpoint_id, "error-deleting")
        assert "Delete it again" in shown["status_reason"]
        site.open_gate(gate_name)
        caller.delete(checkpoint_id)
        wait_until_nothing_is_left(site, checkpoint_id)


@pytest.mark.parametrize(
    ("method", "argument", "gate_of"),
    [("restore", "restore", "restore"), ("verification", "verification", "verify")],
)
def test_the_record_of_a_killed_operation_says_fail_and_the_checkpoint_stays(
    site, caller, resource, database, method, argument, gate_of
):
    repository = getattr(database, f"{method}s")
    with site.daemon() as daemon:
        checkpoint_id = caller.protect(resource)
        assert caller.wait_for_end(checkpoint_id)["status"] == "available"
        gate_name = f"{gate_of}-{resource['id']}"
        site.shut_gate(gate_name)
        record_id = str(uuid.uuid4())
        record = {
            "id": record_id,
            "provider_id": PROVIDER,
            "checkpoint_id": checkpoint_id,
            "parameters": {},
        }
        caller.call(method, **{argument: record})
        site.wait_at_gate(gate_name)
        assert repository.get(get_admin_context(), record_id)["status"] == (
            "in_progress"
        )
        kill_all(daemon)

        def has_failed():
            found = repository.get(get_admin_context(), record_id)
            return found["status"] == "fail"

        wait_until(has_failed, "the record's end", WITHIN)
        assert {log["status"] for log in ended_logs(database, checkpoint_id)} == {
            "success",
            "failed",
        }
        assert caller.show(checkpoint_id)["status"] == "available"
        site.open_gate(gate_name)
        again = str(uuid.uuid4())
        caller.call(method, **{argument: record | {"id": again}})

        def has_succeeded():
            return repository.get(get_admin_context(), again)["status"] == "success"

        # What is read is not deleted.
        wait_until(has_succeeded, "the second record's end", WITHIN)
        caller.delete(checkpoint_id)


def test_another_daemon_ends_what_a_killed_one_has_left(site, caller, resource):
    gate_name = f"protect-{resource['id']}"
    site.shut_gate(gate_name)
    with site.daemon() as one:
        checkpoint_id = caller.protect(resource)
        site.wait_at_gate(gate_name)
        with site.daemon():
            one.kill()
            shown = wait_for(caller, checkpoint_id, "error")
            assert "died" in shown["status_reason"]
            caller.delete(checkpoint_id)


def test_a_checkpoint_of_a_dead_owner_can_be_reset_before_it_is_swept(
    site, caller, resource
):
    gate_name = f"protect-{resource['id']}"
    site.shut_gate(gate_name)
    with site.daemon(zombie_sweep_interval=3600) as daemon:
        checkpoint_id = caller.protect(resource)
        site.wait_at_gate(gate_name)
        kill_all(daemon)
        arguments = {"provider_id": PROVIDER, "checkpoint_id": checkpoint_id}

        def is_reset():
            try:
                caller.call("reset_state", state="error", **arguments)
            except exception.CheckpointNotBeReset:
                return False
            return True

        wait_until(is_reset, "the end of the dead owner's lease", WITHIN)
        assert caller.show(checkpoint_id)["status"] == "error"
        caller.delete(checkpoint_id)


def test_a_stopped_daemon_that_wakes_up_late_changes_nothing(site, caller, resource):
    """SIGSTOP: alive, but its lease expires, and another daemon takes over."""
    gate_name = f"protect-{resource['id']}"
    site.shut_gate(gate_name)
    with site.daemon() as sleeper:
        checkpoint_id = caller.protect(resource)
        site.wait_at_gate(gate_name)
        family = sleeper.family()
        for process in family:
            process.suspend()
        with site.daemon():
            # Calls that the sleeping one was given are lost: ask until answered.
            impatient = caller.with_timeout(3)
            wait_until(
                lambda: impatient.status_or_none(checkpoint_id) == "error",
                "the checkpoint's end",
                WITHIN,
            )
            site.open_gate(gate_name)
            for process in family:
                process.resume()
            wait_until(
                lambda: "End protect" in sleeper.log, "the sleeper's operation", WITHIN
            )
            assert "success after" not in sleeper.log
            assert caller.show(checkpoint_id)["status"] == "error"
            caller.delete(checkpoint_id)
