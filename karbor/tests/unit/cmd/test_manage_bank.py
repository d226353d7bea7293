# SPDX-License-Identifier: Apache-2.0
"""karbor-manage bank, as an administrator types it."""

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
def protect(bank):
    def protect():
        plan = {"id": "plan", "name": "nightly", "resources": []}
        made = CheckpointCollection(bank).create(
            plan, provider_id=PROVIDER, project_id="project"
        )
        made.save_graph(ResourceGraph((), ()))
        made.get_resource_bank_section("v1").write_stream("disk", [DATA])
        made.transition("available")
        return made

    return protect


@pytest.fixture
def checkpoint(protect):
    return protect()


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

    def run(command, *arguments, provider=PROVIDER):
        return subprocess.run(
            [
                *(sys.executable, "-m", "karbor.cmd.manage"),
                *("--config-file", str(config), "bank", command),
                *("--provider", provider, *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_stats_prints_numbers_for_people_and_as_json(manage, checkpoint):
    text = manage("stats")
    assert text.returncode == 0, text.stderr
    assert "available: 1" in text.stdout
    assert "Ratio: " in text.stdout
    found = json.loads(manage("stats", "--json").stdout)
    assert found["checkpoints"] == {"available": 1}
    assert found["logical_bytes"] == 20_000
    assert found["projects"]["project"]["chunk_objects"] == 1
    assert "project: 1 checkpoints, 19.5 KiB logical" in text.stdout


def test_check_tells_sound_from_damaged_and_from_not_checked(
    manage, checkpoint, tmp_path
):
    sound = manage("check", "--depth", "full")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "sound" in sound.stdout
    [chunk] = (tmp_path / "bank").glob("**/chunks/*/data/*/*")
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert manage("check").returncode == 1
    damaged = manage("check", "--depth", "full", "--json")
    assert damaged.returncode == 1
    report = json.loads(damaged.stdout)
    assert not report["sound"]
    [finding] = report["findings"]
    assert finding["checkpoint_id"] == checkpoint.id
    assert (finding["resource_id"], finding["stream"], finding["chunk"]) == (
        "v1",
        "disk",
        0,
    )
    assert f"checkpoint {checkpoint.id}" in manage("check", "--depth", "full").stdout
    unknown = manage("check", provider="no-such")
    assert unknown.returncode == 2
    assert PROVIDER in unknown.stderr
    assert "Traceback" not in unknown.stderr


def test_repair_tells_what_is_lost_and_heals_it_when_it_turns_up(
    manage, checkpoint, protect, tmp_path
):
    sound = manage("repair")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "nothing is lost" in sound.stdout
    [chunk] = (tmp_path / "bank").glob("**/chunks/*/data/*/*")
    flipped = bytearray(chunk.read_bytes())
    flipped[1000] ^= 4
    chunk.write_bytes(flipped)
    lost = manage("repair")
    assert lost.returncode == 1
    assert f"checkpoint {checkpoint.id}, resource v1, stream disk" in lost.stdout
    assert "0 healed, 1 marked" in lost.stdout
    protect()
    healed = manage("repair", "--json")
    assert healed.returncode == 0, healed.stdout
    done = json.loads(healed.stdout)
    assert (done["healed"], done["unmarked"]) == (1, 1)
    assert done["healings"][0]["key"].endswith(chunk.name)
    assert manage("check", "--depth", "full").returncode == 0
    section = checkpoint.get_resource_bank_section("v1")
    with section.open_stream("disk") as stream:
        assert stream.read() == DATA


def test_a_percentage_that_is_none_is_refused(manage, checkpoint):
    refused = manage("check", "--depth", "sample", "--percent", "101")
    assert refused.returncode == 2
    assert "percent" in refused.stderr


def test_rebuild_index_brings_listings_back(manage, checkpoint, bank):
    before = bank.list_objects("/indices/")
    for key in before:
        bank.delete_object(key)
    done = manage("rebuild-index")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 entries written" in done.stdout
    assert bank.list_objects("/indices/") == before


def test_a_checkpoint_is_removed_only_with_force(manage, checkpoint, bank):
    key = f"/checkpoints/{checkpoint.id}/index.json"
    bank.update_object(key, "rubbish")
    asked = manage("remove-checkpoint", "--checkpoint", checkpoint.id)
    assert asked.returncode == 1
    assert "--force" in asked.stderr
    assert "Warning: " in asked.stderr
    assert bank.get_object(key) == "rubbish"
    done = manage("remove-checkpoint", "--checkpoint", checkpoint.id, "--force")
    assert done.returncode == 0
    assert "Warning: " in done.stderr
    assert [key for key in bank.list_objects("/") if "/chunks/" not in key] == []
    again = manage("remove-checkpoint", "--checkpoint", checkpoint.id, "--force")
    assert again.returncode == 1
    assert "could not be found" in again.stderr


def test_bench_prints_json(manage, bank):
    done = manage("bench", "--megabytes", "1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mib_per_second"]["put"] > 0
    assert bank.list_objects("/") == []


def test_a_bank_that_is_away_is_neither_empty_nor_made(manage, checkpoint, tmp_path):
    (tmp_path / "bank" / "karbor").rename(tmp_path / "away")
    for command in ("stats", "check", "gc"):
        done = manage(command)
        assert done.returncode == (2 if command == "check" else 1)
        assert done.stdout == ""
        assert done.stderr.count("is gone: mount it, or put it back") == 1
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "bank" / "karbor").exists()
