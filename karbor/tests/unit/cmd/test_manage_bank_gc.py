# SPDX-License-Identifier: Apache-2.0
"""karbor-manage bank gc, as an administrator types it."""

import json
import random
import subprocess
import sys

import pytest

from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.fakes.file_system_bank import file_system_bank

PROVIDER = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"
DATA = random.Random(1).randbytes(20_000)


@pytest.fixture
def bank(tmp_path):
    return Bank(file_system_bank(tmp_path / "bank"))


@pytest.fixture
def checkpoints(bank):
    return CheckpointCollection(bank)


@pytest.fixture
def begin(checkpoints):
    def begin(data=DATA):
        plan = {"id": "plan", "name": "nightly", "resources": []}
        made = checkpoints.create(plan, provider_id=PROVIDER, project_id="project")
        made.save_graph(ResourceGraph((), ()))
        made.get_resource_bank_section("v1").write_stream("disk", [data])
        return made

    return begin


@pytest.fixture
def garbage(begin):
    made = begin()
    made.transition("available")
    made.transition("deleting")
    made.purge()


@pytest.fixture
def manage(tmp_path):
    (tmp_path / "providers.d").mkdir()
    (tmp_path / "providers.d" / "lab.conf").write_text(
        f"[provider]\nname = lab\ndescription = lab\nenabled = True\nid = {PROVIDER}\n"
        "plugin = karbor-noop-protection-plugin\nbank = karbor-fs-bank-plugin\n"
        f"[file_system_bank_plugin]\nfile_system_bank_path = {tmp_path}/bank\n",
        encoding="utf-8",
    )
    config = tmp_path / "karbor.conf"
    config.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n", encoding="utf-8")

    def run(*arguments):
        return subprocess.run(
            [
                *(sys.executable, "-m", "karbor.cmd.manage"),
                *("--config-file", str(config), "bank", "gc"),
                *("--provider", PROVIDER, *arguments),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_all_garbage_is_collected(manage, garbage, bank):
    done = manage()

    assert (done.returncode, done.stderr) == (0, "")
    assert "1 objects found that nothing refers to, 1 condemned, 1 deleted" in (
        done.stdout
    )
    assert "All garbage is collected" in done.stdout
    assert bank.list_objects("/") == []


def test_what_is_needed_is_kept(manage, garbage, begin, bank):
    kept = begin(DATA[::-1])
    kept.transition("available")

    done = manage("--json")

    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["done"]
    assert report["projects"]["project"]["deleted"] == 1
    with kept.get_resource_bank_section("v1").open_stream("disk") as stream:
        assert stream.read() == DATA[::-1]


def test_what_it_waits_for_is_told(manage, garbage, begin):
    working = begin()

    done = manage("--project", "project")

    assert done.returncode == 2
    assert f"waits for the operation on checkpoint {working.id}" in done.stdout


def test_what_is_in_the_way_is_told(manage, garbage, begin, bank):
    broken = begin()
    broken.transition("available")
    key = f"/checkpoints/{broken.id}/resource-data/v1/.streams/by-name/disk"
    bank.update_object(key, "rubbish")

    done = manage()

    assert done.returncode == 1
    assert "in the way: Project project is not collected" in done.stdout
    assert broken.id in done.stdout
