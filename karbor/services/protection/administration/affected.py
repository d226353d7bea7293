# SPDX-License-Identifier: Apache-2.0
"""Who needs a chunk that is damaged."""

import itertools
from collections.abc import Iterator

from karbor import exception
from karbor.services.protection.administration.checking import (
    Checking,
    SeenPages,
    raise_if_away,
)
from karbor.services.protection.administration.findings import KEPT, Finding, Kind
from karbor.services.protection.administration.listings import (
    checkpoint_ids,
    is_in_work,
    state_of,
)
from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.bank.walking import Walk
from karbor.services.protection.checkpoints.record import CheckpointRecord

_DATA = "/" + manifest.DATA
_MANIFESTS = "/" + manifest.MANIFESTS
_RESOURCE_DATA = "resource-data/"
#: A checkpoint that changes meanwhile is looked at anew so many times.
_ATTEMPTS = 3

#: Of a chunk space's prefix and an object's name.
Place = tuple[str, str]


class Affected:
    """Goes through all streams again, for those that need what is damaged.

    A checkpoint that was deleted since the chunks were looked at needs nothing any
    more. Costs the reading of all manifests and pages; there is no need of it in a
    bank without damage.

    :param damaged: reasons by place
    """

    def __init__(self, checking: Checking, damaged: dict[Place, str]) -> None:
        self._checking = checking
        self._store = checking.store
        self._damaged = damaged
        self._clean = SeenPages()

    def run(self) -> set[Place]:
        """Report who needs which.

        :returns: what somebody needs
        :raises BankException: when the bank cannot be asked now
        """
        found: set[Place] = set()
        for checkpoint_id in checkpoint_ids(self._store):
            self._checking.tick()
            for place, finding in self._look_at(checkpoint_id):
                found.add(place)
                self._checking.report.add(finding)
        return found

    def _look_at(self, checkpoint_id: str) -> list[tuple[Place, Finding]]:
        for _ in range(_ATTEMPTS):
            before = state_of(self._store, checkpoint_id)
            if isinstance(before, CheckpointRecord) and is_in_work(self._store, before):
                return []
            found = list(itertools.islice(self._findings(checkpoint_id), KEPT))
            if not found or state_of(self._store, checkpoint_id) == before:
                return found
        self._checking.report.unchecked.append(
            f"checkpoint {checkpoint_id} changes all the time; check again later"
        )
        return []

    def _findings(self, checkpoint_id: str) -> Iterator[tuple[Place, Finding]]:
        section = self._store.section(checkpoint_id)
        walk = Walk(section, _RESOURCE_DATA)
        for key in walk:
            if _DATA in key:
                walk.skip(key[: key.index(_DATA) + len(_DATA) - 1])
            elif _MANIFESTS in key:
                folder, _, name = key.partition(_MANIFESTS)
                resource_id = folder.split("/")[1]
                for place, index in self._hits(section.get_sub_section(folder), name):
                    yield (
                        place,
                        Finding(
                            Kind.CHUNK,
                            self._damaged[place],
                            place[0] + names.key(place[1]),
                            checkpoint_id=checkpoint_id,
                            resource_id=resource_id,
                            stream=name,
                            chunk=index,
                        ),
                    )

    def _hits(self, section: BankSection, name: str) -> Iterator[tuple[Place, int]]:
        """The damaged chunks of a stream, and where in it they are."""
        try:
            stored = StoredStream(section, name)
        except exception.BankException as error:
            raise_if_away(error)
            return
        prefix = stored.space.section.prefix
        for number, page in enumerate(stored.manifest.pages):
            if self._clean.get(prefix, page.ref.name) is not None:
                continue
            try:
                chunks = stored.page(number, heal=True)
            except exception.BankException as error:
                raise_if_away(error)
                continue
            hits = [
                ((prefix, placed.chunk.name), placed.index)
                for placed in chunks
                if placed.chunk.name is not None
                and (prefix, placed.chunk.name) in self._damaged
            ]
            yield from hits
            if not hits:
                self._clean.add(prefix, page.ref.name, b"")
