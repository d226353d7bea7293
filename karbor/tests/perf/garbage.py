# SPDX-License-Identifier: Apache-2.0
"""What a collection of garbage takes, in a bank with more and more chunks.

``python -m karbor.tests.perf.garbage --chunks 10000000`` prints one JSON object: the
seconds of a whole collection, and the peak of the process's memory. The bank is made
up while it is asked: one checkpoint refers to all chunks but a share of garbage, by
real pages, and the listings come out of numbers. So it is the collector that is
measured, and no store.
"""

import argparse
import bisect
import itertools
import json
import resource
import time
from collections.abc import Iterator
from typing import Any

from karbor import exception
from karbor.services.protection.bank.chunks import envelope, names
from karbor.services.protection.bank.chunks.hashing import Hash
from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.manifest import PAGE_CHUNKS
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.collection.collector import Collector
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.fakes.bank import MemoryBankPlugin

_CHUNK = 4 * 1024 * 1024
_SPACE = "/chunks/p1/"
_DATA = _SPACE + names.DATA


def main(arguments: list[str] | None = None) -> None:
    """Run as the command line says, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--garbage", type=float, default=0.01, help="a share of them")
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.chunks, options.garbage), indent=2))


def measure(chunks: int, garbage: float) -> dict[str, Any]:
    """Collect a bank with so many chunks."""
    plugin = _MadeUpBank(chunks, round(1 / garbage) if garbage else chunks + 1)
    checkpoints = CheckpointCollection(Bank(plugin))
    plugin.protect(checkpoints)
    before = _peak()
    begun, used = time.perf_counter(), time.process_time()
    report = Collector(checkpoints.store).run()
    assert report.is_done, report
    return {
        "chunks": chunks,
        "deleted": report.projects["p1"].deleted,
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "peak_mib": round(_peak() / 2**20, 1),
        "peak_mib_before": round(before / 2**20, 1),
        "pages_read": plugin.pages_read,
        "listings": plugin.listings,
    }


class _MadeUpBank(MemoryBankPlugin):
    """Has chunks that are nowhere; all else is in memory.

    :param every: each chunk with a number divisible by it is garbage
    """

    capabilities = BankCapabilities(strong_read=True, no_late_writes=True)

    def __init__(self, chunks: int, every: int) -> None:
        super().__init__()
        self.pages_read = 0
        self.listings = 0
        self._chunks = chunks
        self._every = every
        self._step = 2**256 // chunks
        self._gone: set[int] = set()
        self._packer = envelope.Packer(1, None)
        #: The names of pages in order, and which of the pages each is.
        self._pages: list[tuple[str, int]] = []

    def protect(self, checkpoints: CheckpointCollection) -> None:
        """Make the checkpoint that refers to all that is no garbage."""
        plan = {"id": "plan", "name": "n", "resources": []}
        made = checkpoints.create(plan, provider_id="prov", project_id="p1")
        made.save_graph(ResourceGraph((), ()))
        hashing = Hash(None)
        pages = []
        for number in range(-(-self._chunks // PAGE_CHUNKS)):
            refs = self._refs(number)
            content = manifest.page_to_bytes(refs)
            digest = hashing.digest(memoryview(content))
            packed = self._packer.pack(memoryview(content), digest)
            name = f"{digest}.{len(packed):x}.{number:012x}"
            self._pages.append((name, number))
            pages.append(
                manifest.Page(ChunkRef(digest, len(content), name=name), len(refs))
            )
        self._pages.sort()
        count = sum(page.chunks for page in pages)
        section = made.get_resource_bank_section("r1")
        sealed = manifest.Manifest(
            manifest.StreamInfo(
                name="disk",
                length=count * _CHUNK,
                digest="0" * 64,
                hash_name=hashing.name,
                chunk_size=_CHUNK,
                chunk_count=count,
                stored_length=count * _CHUNK,
            ),
            section.prefix,
            "attempt",
            "p1",
            None,
            tuple(pages),
        ).to_json(hashing)
        section.update_object(manifest.MANIFESTS + "disk", sealed)
        made.transition("available")

    def get_object(self, key: str, context: Any = None) -> Any:
        if not key.startswith(_DATA):
            return super().get_object(key)
        name = key.rpartition("/")[2]
        place = bisect.bisect_left(self._pages, (name, 0))
        if place == len(self._pages) or self._pages[place][0] != name:
            raise exception.BankGetObjectFailed(key=key, reason="no such page")
        self.pages_read += 1
        content = manifest.page_to_bytes(self._refs(self._pages[place][1]))
        return bytes(self._packer.pack(memoryview(content), name.partition(".")[0]))

    def delete_object(self, key: str, context: Any = None) -> None:
        if key.startswith(_DATA):
            self._gone.add(int(key.rpartition(".")[2], 16))
        else:
            super().delete_object(key)

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: Any = None,
    ) -> list[str]:
        if prefix == "/chunks/":
            # Only asked for the projects.
            return [] if marker else [self._key(self._name(1))]
        if not (prefix or "").startswith(_DATA):
            return super().list_objects(prefix, limit, marker, sort_dir)
        self.listings += 1
        found = (name for name in self._after(marker) if name.startswith(prefix or ""))
        return list(itertools.islice(found, limit))

    def _after(self, marker: str | None) -> Iterator[str]:
        """Keys of the data, in order."""
        name = "" if marker is None else marker.rpartition("/")[2]
        number = 0
        if name:
            number = int(name.partition(".")[0], 16) // self._step
        page = bisect.bisect_right(self._pages, (name, self._chunks))
        while number < self._chunks or page < len(self._pages):
            chunk = self._name(number) if number < self._chunks else "g"
            if page < len(self._pages) and self._pages[page][0] < chunk:
                yield self._key(self._pages[page][0])
                page += 1
                continue
            if chunk > name and number not in self._gone:
                yield self._key(chunk)
            number += 1

    def _refs(self, page: int) -> list[ChunkRef]:
        """What a page lists."""
        first = page * PAGE_CHUNKS
        return [
            ChunkRef(f"{number * self._step:064x}", _CHUNK, name=self._name(number))
            for number in range(first, min(first + PAGE_CHUNKS, self._chunks))
            if number % self._every
        ]

    def _name(self, number: int) -> str:
        return f"{number * self._step:064x}.{_CHUNK:x}.{number:012x}"

    @staticmethod
    def _key(name: str) -> str:
        return _SPACE + names.key(name)


def _peak() -> int:
    """The most memory that the process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
