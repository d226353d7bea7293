# SPDX-License-Identifier: Apache-2.0
"""A check or a repair of a bank in use finds no damage, because there is none."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.repair import BankRepair
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.collection.collector import Collector
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.fakes.bank import MemoryBankPlugin

OPTIONS = StreamOptions(
    chunk_size=512, max_bytes_in_flight=2048, worker_threads=2, inline_limit=64
)
PIECES = [random.Random(number).randbytes(512) for number in range(6)]
ROUNDS = 12


class StrongBank(MemoryBankPlugin):
    """Tells what it has, at once."""

    @property
    def capabilities(self):
        return BankCapabilities(strong_read=True)


def protect_and_delete(bank, seed):
    """What a service does: each checkpoint shares chunks with others'."""
    luck = random.Random(seed)
    collection = CheckpointCollection(bank)
    made = []
    for _ in range(ROUNDS):
        checkpoint = collection.create(
            {"id": "plan", "name": "plan", "resources": []},
            provider_id="provider",
            project_id="project-1",
        )
        checkpoint.save_graph(ResourceGraph((), ()))
        section = checkpoint.get_resource_bank_section("v1")
        section.write_stream("disk", luck.choices(PIECES, k=5))
        checkpoint.transition("available")
        made.append(checkpoint)
        if len(made) > 2:
            oldest = made.pop(luck.randrange(len(made)))
            oldest.transition("deleting")
            oldest.get_resource_bank_section("v1").delete_all()
            oldest.transition("deleted")


def look(bank, kind):
    if kind == "check":
        return BankCheck(bank, Depth(Level.FULL)).run()
    done = BankRepair(bank).run()
    assert (done.healed, done.marked) == (0, 0)
    return done.report


@pytest.mark.parametrize("kind", ["check", "repair"])
def test_nothing_is_called_damaged_while_others_protect_delete_and_collect(kind):
    bank = Bank(StrongBank(), OPTIONS)
    ended = threading.Event()

    def collect():
        while not ended.is_set():
            Collector(CheckpointCollection(bank).store, threads=1).run()

    reports = []
    with ThreadPoolExecutor(3) as pool:
        services = [pool.submit(protect_and_delete, bank, seed) for seed in (1, 2)]
        collecting = pool.submit(collect)
        try:
            while not reports or not all(service.done() for service in services):
                reports.append(look(bank, kind))
        finally:
            ended.set()
    for future in (*services, collecting):
        future.result()
    for report in (*reports, look(bank, kind)):
        assert not report.damage, report.findings
        assert not report.unchecked
    assert reports[-1].checkpoints
