# SPDX-License-Identifier: Apache-2.0
"""A bank with small checkpoints in it, as the tests of the collection use it."""

import datetime
import hashlib

from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.collection.collector import Collector
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.fakes.bank import MemoryBankPlugin

CHUNK = 2048
#: Pages of a few chunks are in the manifest.
OPTIONS = StreamOptions(
    chunk_size=CHUNK, max_bytes_in_flight=2 * CHUNK, worker_threads=1, inline_limit=1500
)


class StrongBank(MemoryBankPlugin):
    """A process's way to a store where what was done is seen at once."""

    capabilities = BankCapabilities(strong_read=True, no_late_writes=True)

    def __init__(self, owner_id="owner-1", shared=None):
        super().__init__(owner_id=owner_id)
        if shared is not None:
            self.objects = shared.objects
            self.dead_owners = shared.dead_owners
            self._lock = shared._lock

    def check_lease_existence(self, owner_id):
        return owner_id not in self.dead_owners


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)

    def __call__(self):
        return self.now

    def advance(self, **how_long):
        self.now += datetime.timedelta(**how_long)


def block(content):
    """The bytes of a chunk; different for different contents, and not compressible."""
    return hashlib.shake_256(str(content).encode()).digest(CHUNK)


def data(contents):
    """The bytes of a stream, a chunk for each content."""
    return b"".join(map(block, contents))


class House:
    """One process with a bank: makes, reads and deletes checkpoints.

    A checkpoint has one stream, of a chunk for each of its contents.
    """

    def __init__(self, plugin=None, clock=None, options=OPTIONS):
        self.plugin = plugin or StrongBank()
        self.clock = clock or Clock()
        self.bank = Bank(self.plugin, options)
        self.checkpoints = CheckpointCollection(self.bank, None, self.clock)
        self.store = self.checkpoints.store

    def begin(self, project="p1", checkpoint_id=None):
        """A checkpoint that is in work."""
        plan = {"id": "plan", "name": "n", "resources": []}
        return self.checkpoints.create(
            plan, provider_id="prov", project_id=project, checkpoint_id=checkpoint_id
        )

    def write(self, checkpoint, contents, name="disk"):
        """Write the stream of one."""
        section = checkpoint.get_resource_bank_section("r1")
        section.write_stream(name, [data(contents)])

    def end(self, checkpoint):
        """Complete one."""
        checkpoint.save_graph(ResourceGraph((), ()))
        checkpoint.transition("available")

    def protect(self, contents, project="p1", checkpoint_id=None):
        """Make a checkpoint."""
        checkpoint = self.begin(project, checkpoint_id)
        self.write(checkpoint, contents)
        self.end(checkpoint)
        return checkpoint

    def delete(self, checkpoint):
        """Delete one; its chunks stay for the collector."""
        found = self.checkpoints.get(checkpoint.id)
        if found.status != "deleting":
            found.transition("deleting")
        found.purge()

    def read(self, checkpoint, name="disk"):
        """The bytes of its stream."""
        found = self.checkpoints.get(checkpoint.id)
        section = found.get_resource_bank_section("r1", is_writable=False)
        with section.open_stream(name) as stream:
            return b"".join(stream)

    def collector(self, **how):
        """A collector of this process."""
        return Collector(self.store, **{"threads": 1, **how})

    def chunks(self, project="p1"):
        """The names of the chunk objects of a project."""
        space = self.bank.chunk_space(project).section
        return [key.rpartition("/")[2] for key in space.iterate_objects("data/")]

    def rest(self):
        """All that is in the bank."""
        return self.bank.list_objects("/")
