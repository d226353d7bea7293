# SPDX-License-Identifier: Apache-2.0
"""A process is killed while it makes and deletes checkpoints in a filesystem bank."""

import datetime
import pathlib
import random
import subprocess
import sys
import time

import pytest
from oslo_config import cfg

from karbor.resource import Resource
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank_plugins import file_system_bank_plugin
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints import states
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.zombies import ZombieSweeper

GRAPH = ResourceGraph.build([Resource("T", "i", None)], lambda level: {})
DATA = b"x" * 10_000
KILLS = 8


def collection_in(folder: pathlib.Path) -> CheckpointCollection:
    """Checkpoints as a service sees them; each call is another owner, without lease."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    file_system_bank_plugin.register_opts(conf)
    conf.set_override(
        "file_system_bank_path", str(folder), file_system_bank_plugin.GROUP
    )
    return CheckpointCollection(
        Bank(file_system_bank_plugin.FileSystemBankPlugin(conf))
    )


def work_until_killed(folder: pathlib.Path) -> None:
    """Make checkpoints, and delete some, as fast as it goes."""
    checkpoints = collection_in(folder)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    while True:
        checkpoint = checkpoints.create(
            {"id": "plan"}, provider_id="provider", project_id="project"
        )
        checkpoint.save_graph(GRAPH)
        section = checkpoint.get_resource_bank_section("i")
        section.update_object("metadata", {"size": len(DATA)})
        section.write_stream("disk", iter([DATA]))
        checkpoint.transition("available")
        if random.random() < 0.8:
            checkpoint.transition("deleting")
            checkpoint.purge()


class Providers:
    """One provider with these checkpoints."""

    def __init__(self, checkpoints):
        self.id = "provider"
        self.checkpoints = checkpoints

    def list(self):
        return [self]


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def bank(tmp_path):
    return tmp_path / "bank"


def kill_a_process_at_work(folder, after):
    child = subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "begun\n"
        time.sleep(after)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_what_a_killed_process_leaves_is_sound_and_can_be_cleared_away(bank):
    randomness = random.Random(20261120)
    for _kill in range(KILLS):
        kill_a_process_at_work(bank, randomness.uniform(0, 0.3))
        checkpoints = collection_in(bank)
        sweeper = ZombieSweeper(Providers(checkpoints), safe_age=datetime.timedelta(0))
        assert sweeper.sweep().failed == ()
        assert list(checkpoints.store.indices.in_work()) == []
        listed = checkpoints.list("project", provider_id="provider")
        assert not any(checkpoint.status in states.WORKING for checkpoint in listed)
        kept = list(bank.glob("*/checkpoints/*/index.json"))
        assert {path.parent.name for path in kept} == {item.id for item in listed}
        for checkpoint in listed:
            if checkpoint.status == "available":
                assert checkpoint.resource_graph == GRAPH
                section = checkpoint.get_resource_bank_section("i", is_writable=False)
                with section.open_stream("disk") as stream:
                    assert stream.read() == DATA
    for checkpoint in listed:
        checkpoint.transition("deleting")
        checkpoint.purge()
    assert [path for path in files_below(bank) if ".karbor-tmp" not in str(path)] == []


if __name__ == "__main__":
    work_until_killed(pathlib.Path(sys.argv[1]))
