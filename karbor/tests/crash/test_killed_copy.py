# SPDX-License-Identifier: Apache-2.0
"""A service is killed while it copies to another provider's bank, and copies again."""

import os
import pathlib
import shutil

import pytest

from karbor.tests.fakes import disk_plugin, distribution
from karbor.tests.functional.standalone import PROVIDER, PROVIDER_FILE, Standalone

TARGET = "22222222-2222-4222-8222-222222222222"
CHUNK = 64 * 1024
CHUNKS = 120
DISK = {"id": "disk-1", "type": disk_plugin.TYPE, "name": "a disk"}

#: Slow enough that a copy is killed in the middle; nothing is collected by chance.
TARGET_FILE = f"""\
{PROVIDER_FILE.replace("{base}/bank", "{base}/target-bank")}
[bank_rate_limit]
write_bytes_per_second = {40 * CHUNK}
burst_seconds = 0.1

[bank_garbage]
interval = 0
"""


@pytest.fixture
def disks(tmp_path):
    folder = tmp_path / "disks"
    folder.mkdir()
    return folder


@pytest.fixture
def service(tmp_path, disks):
    plugins = distribution.install(tmp_path / "dist", disk_plugin.ENTRY_POINTS)
    path = os.pathsep.join(filter(None, [str(plugins), os.environ.get("PYTHONPATH")]))
    standalone = Standalone(
        tmp_path / "karbor",
        plugins=(disk_plugin.PLUGIN,),
        environment={"PYTHONPATH": path, "KARBOR_TEST_DISKS": str(disks)},
        extra=f"[bank_streams]\nchunk_size = {CHUNK}\nworker_threads = 2\n",
    )
    target = TARGET_FILE.format(
        id=TARGET,
        base=standalone.base,
        plugins=f"plugin = {disk_plugin.PLUGIN}\nbank_decorator = rate_limit",
    )
    (standalone.base / "providers.d" / "target.conf").write_text(target)
    standalone.start()
    yield standalone
    standalone.kill()


def chunks_in(bank: pathlib.Path) -> dict[str, int]:
    """Names and inodes of the chunks that a bank has."""
    return {
        path.name: path.stat().st_ino
        for path in bank.rglob("*")
        if path.is_file() and "/data/" in str(path)
    }


def copy(service: Standalone, plan_id: str) -> list[dict[str, str]]:
    body = {"copy": {"plan_id": plan_id, "parameters": {"target_provider_id": TARGET}}}
    path = f"/providers/{PROVIDER}/checkpoints/action"
    return service.post(path, body, "copy")["checkpoint_id"]


def status(service: Standalone, checkpoint_id: str) -> str:
    path = f"/providers/{TARGET}/checkpoints/{checkpoint_id}"
    return service.get(path, "checkpoint")["status"]


def test_a_copy_goes_on_with_what_the_killed_one_has_moved(service, disks):
    data = os.urandom(CHUNKS * CHUNK)
    (disks / DISK["id"]).write_bytes(data)
    plan_id = service.create_plan([DISK])
    source_id = service.protect(plan_id)
    service.wait_for_status(source_id, "available")
    bank = service.base / "target-bank"
    (pair,) = copy(service, plan_id)
    Standalone.wait_for(lambda: len(chunks_in(bank)) > 20, "nothing is copied")
    service.kill()
    moved = chunks_in(bank)
    assert len(moved) < CHUNKS
    service.start()
    killed_id = pair["checkpoint_copy_id"]
    Standalone.wait_for(
        lambda: status(service, killed_id) == "error", "the killed copy is not ended"
    )

    (again,) = copy(service, plan_id)
    copy_id = again["checkpoint_copy_id"]
    Standalone.wait_for(
        lambda: status(service, copy_id) == "available", "it is not copied"
    )

    there = chunks_in(bank)
    assert there.items() >= moved.items()
    digests = [name.partition(".")[0] for name in there]
    assert len(digests) == len(set(digests))
    assert copy(service, plan_id) == []

    service.kill()
    shutil.rmtree(service.bank)
    service.start()
    body = {"restore": {"provider_id": TARGET, "checkpoint_id": copy_id}}
    restore_id = service.post("/restores", body, "restore")["id"]
    Standalone.wait_for(
        lambda: (
            service.get(f"/restores/{restore_id}", "restore")["status"] == "success"
        ),
        "it is not restored",
    )
    assert (disks / f"{DISK['id']}.restored").read_bytes() == data
