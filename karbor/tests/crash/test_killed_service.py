# SPDX-License-Identifier: Apache-2.0
"""A service is really killed, and what it left is ended and can be deleted."""

import os
import pathlib
import time

import pytest

from karbor.tests.fakes import distribution, waiting_plugin
from karbor.tests.functional.standalone import PROVIDER, Standalone

THING = {"id": "thing-1", "type": waiting_plugin.TYPE, "name": "one"}


@pytest.fixture
def gate(tmp_path):
    folder = tmp_path / "gate"
    folder.mkdir()
    return folder


@pytest.fixture
def service(tmp_path, gate):
    plugins = distribution.install(tmp_path / "dist", waiting_plugin.ENTRY_POINTS)
    path = os.pathsep.join(filter(None, [str(plugins), os.environ.get("PYTHONPATH")]))
    standalone = Standalone(
        tmp_path / "karbor",
        plugins=("test-waiting-plugin",),
        environment={"PYTHONPATH": path, "KARBOR_TEST_GATE": str(gate)},
    )
    standalone.start()
    yield standalone
    standalone.kill()


def begun(gate: pathlib.Path, operation: str) -> None:
    Standalone.wait_for(
        (gate / f"{operation}-main-thing-1").exists, f"{operation} does not begin"
    )


def files_below(folder: pathlib.Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )


def test_a_checkpoint_whose_service_was_killed_ends_as_error_and_can_be_deleted(
    service, gate
):
    checkpoint_id = service.protect(service.create_plan([THING]))
    begun(gate, "protect")
    service.kill()
    service.start()
    shown = service.wait_for_status(checkpoint_id, "error")
    assert "owner" in shown["status_reason"]
    (gate / "open").touch()
    assert service.delete(checkpoint_id).ok
    Standalone.wait_for(
        lambda: service.checkpoint(checkpoint_id) is None, "it is not deleted"
    )
    # The checkpoint is gone before the listings and the list of work forget it.
    Standalone.wait_for(
        lambda: all("leases" in name for name in files_below(service.bank)),
        "something of it is left in the bank",
    )


def test_a_deletion_whose_service_was_killed_can_be_done_again(service, gate):
    (gate / "open").touch()
    checkpoint_id = service.protect(service.create_plan([THING]))
    service.wait_for_status(checkpoint_id, "available")
    (gate / "open").unlink()
    service.delete(checkpoint_id)
    begun(gate, "delete")
    service.kill()
    service.start()
    service.wait_for_status(checkpoint_id, "error-deleting")
    (gate / "open").touch()
    assert service.delete(checkpoint_id).ok
    Standalone.wait_for(
        lambda: service.checkpoint(checkpoint_id) is None, "it is not deleted"
    )


def test_a_restore_whose_service_was_killed_ends_as_fail(service, gate):
    (gate / "open").touch()
    checkpoint_id = service.protect(service.create_plan([THING]))
    service.wait_for_status(checkpoint_id, "available")
    (gate / "open").unlink()
    body = {
        "restore": {
            "provider_id": PROVIDER,
            "checkpoint_id": checkpoint_id,
            "restore_target": None,
            "restore_auth": None,
            "parameters": {},
        }
    }
    restore_id = service.post("/restores", body, "restore")["id"]
    begun(gate, "restore")
    service.kill()
    service.start()
    Standalone.wait_for(
        lambda: service.get(f"/restores/{restore_id}", "restore")["status"] == "fail",
        "the restore is not ended",
    )
    assert service.checkpoint(checkpoint_id)["status"] == "available"


def test_a_checkpoint_of_a_living_service_is_left_alone(service, gate):
    checkpoint_id = service.protect(service.create_plan([THING]))
    begun(gate, "protect")
    # Longer than a lease lives without being renewed, over several sweeps.
    time.sleep(6)
    assert service.checkpoint(checkpoint_id)["status"] == "protecting"
    (gate / "open").touch()
    service.wait_for_status(checkpoint_id, "available")
