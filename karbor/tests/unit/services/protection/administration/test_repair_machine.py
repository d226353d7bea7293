# SPDX-License-Identifier: Apache-2.0
"""Protects, deletions, damage, repairs and collections in any order: a repair heals
whatever has its content anywhere, and a check tells exactly what is lost."""

import hashlib
import itertools
import random
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from karbor import exception
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.repair import BankRepair
from karbor.services.protection.bank.chunks import damaged, names
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.collection.collector import Collector
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.unit.services.protection.administration.conftest import hours_later

CHUNK = 1024
OPTIONS = StreamOptions(
    chunk_size=CHUNK, max_bytes_in_flight=4 * CHUNK, worker_threads=1, inline_limit=64
)
#: What a volume may be made of; checkpoints share what they have in common.
PIECES = [random.Random(number).randbytes(CHUNK) for number in range(4)]
CONTENTS = {hashlib.sha256(piece).hexdigest(): piece for piece in PIECES}
PROJECT = "project-1"
FOLDER = f"/chunks/{PROJECT}/"
HARMS = ["flip", "cut", "remove"]

volumes = st.lists(st.integers(0, len(PIECES) - 1), min_size=1, max_size=4)


class StrongBank(MemoryBankPlugin):
    """Tells what it has, at once."""

    @property
    def capabilities(self):
        return BankCapabilities(strong_read=True, no_late_writes=True)


class Suffixes:
    """Names' suffixes that are the same in each run of the same rules."""

    def __init__(self):
        self._count = itertools.count(1)

    def token_hex(self, size):
        return f"{next(self._count):0{2 * size}x}"


class RepairMachine(RuleBasedStateMachine):
    """The truth is what the bank has, read without any code that is tested but the
    names of objects."""

    def __init__(self):
        super().__init__()
        self.plugin = StrongBank()
        self.made = {}
        self.pages = {}
        self.listed = {}
        self.ids = (f"checkpoint-{number:03}" for number in itertools.count())
        self.suffixes = mock.patch.object(names, "secrets", Suffixes())
        self.suffixes.start()

    def teardown(self):
        self.suffixes.stop()

    @property
    def bank(self):
        return Bank(self.plugin, OPTIONS)

    @initialize(volume=volumes)
    def begin(self, volume):
        self.protect(volume)

    @rule(volume=volumes)
    def protect(self, volume):
        checkpoint = CheckpointCollection(self.bank).create(
            {"id": "plan", "name": "plan", "resources": []},
            provider_id="provider",
            project_id=PROJECT,
            checkpoint_id=next(self.ids),
        )
        checkpoint.save_graph(ResourceGraph((), ()))
        section = checkpoint.get_resource_bank_section("v1")
        content = b"".join(PIECES[number] for number in volume)
        section.write_stream("disk", [content])
        checkpoint.transition("available")
        stored = StoredStream(section, "disk")
        [page] = stored.manifest.pages
        if page.ref.name not in self.listed:
            # One that was there before may have been spoilt since.
            chunks = {placed.chunk.name for placed in stored.page(0)}
            self.listed[page.ref.name] = chunks
        chunks = self.listed[page.ref.name]
        self.made[checkpoint.id] = (content, {page.ref.name}, chunks)

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def delete(self, data):
        checkpoint_id = data.draw(st.sampled_from(sorted(self.made)))
        del self.made[checkpoint_id]
        checkpoint = CheckpointCollection(self.bank).get(checkpoint_id)
        checkpoint.transition("deleting")
        checkpoint.get_resource_bank_section("v1").delete_all()
        checkpoint.transition("deleted")

    @precondition(lambda self: self.objects())
    @rule(data=st.data(), how=st.sampled_from(HARMS))
    def harm(self, data, how):
        name = data.draw(st.sampled_from(self.objects()))
        key = FOLDER + names.key(name)
        content = bytearray(self.plugin.objects[key])
        if how == "remove":
            del self.plugin.objects[key]
        elif how == "cut":
            self.plugin.objects[key] = bytes(content[: len(content) // 2])
        else:
            content[len(content) * 3 // 4] ^= 1
            self.plugin.objects[key] = bytes(content)

    @rule()
    def collect(self):
        Collector(CheckpointCollection(self.bank).store, threads=1).run()

    @rule()
    def repair(self):
        before = set(self.objects_that_are_sound())
        sound = {names.parse(name).digest for name in before}
        needed = self.needed(sound)
        lost = {name for name in needed if names.parse(name).digest not in sound}
        done = BankRepair(self.bank, clock=hours_later()).run()
        after = set(self.objects_that_are_sound())
        assert after == before | (needed - lost)
        assert done.healed == len(after - before)
        assert not done.problems
        self.agrees(done.report, lost)
        self.agrees(
            BankCheck(self.bank, Depth(Level.FULL), clock=hours_later()).run(), lost
        )
        # Nothing that can be found is relied on and spoilt.
        space = self.bank.chunk_space(PROJECT).section
        assert damaged.load(space) == {*self.objects()} - after

    def agrees(self, report, lost):
        """A report names who needs what is lost, and nothing else."""
        assert not report.unchecked
        said = {
            (found.checkpoint_id, found.key.rpartition("/")[2])
            for found in report.findings
            if found.is_damage
        }
        assert said == {
            (checkpoint_id, name)
            for checkpoint_id, (_, pages, chunks) in self.made.items()
            for name in lost & (pages if pages & lost else pages | chunks)
        }

    @invariant()
    def nobody_reads_what_is_wrong(self):
        for checkpoint_id, (content, pages, chunks) in self.made.items():
            section = (
                CheckpointCollection(self.bank)
                .get(checkpoint_id)
                .get_resource_bank_section("v1", is_writable=False)
            )
            there = set(self.objects_that_are_sound())
            try:
                with section.open_stream("disk") as stream:
                    assert stream.read() == content
            except exception.BankDataCorrupted:
                assert not pages | chunks <= there

    def needed(self, sound):
        """What can be known to be needed: of a lost page nobody can tell the chunks.

        :param sound: the digests of which there is a good object
        """
        found = set()
        for _, pages, chunks in self.made.values():
            found |= pages
            if {names.parse(name).digest for name in pages} <= sound:
                found |= chunks
        return found

    def objects(self):
        keys = self.plugin.list_objects(FOLDER + names.DATA)
        return [key.rpartition("/")[2] for key in keys]

    def objects_that_are_sound(self):
        """By their content, which is not compressed in the case of chunks; a page is
        sound when it is as it was when it was seen first."""
        for name in self.objects():
            digest = names.parse(name).digest
            content = self.plugin.objects[FOLDER + names.key(name)]
            if digest in CONTENTS:
                if content.endswith(CONTENTS[digest]) and len(content) == CHUNK + 16:
                    yield name
            elif content == self.page(digest, content):
                yield name

    def page(self, digest, content):
        """The first content that was seen of a page."""
        return self.pages.setdefault(digest, content)


RepairMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None
)
TestRepair = RepairMachine.TestCase
