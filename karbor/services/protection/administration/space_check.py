# SPDX-License-Identifier: Apache-2.0
"""Checking the objects of one chunk space, each once, whoever needs them."""

import collections
from collections.abc import Callable
from concurrent.futures import Future

from karbor import exception
from karbor.services.protection.administration.checking import (
    Checking,
    raise_if_away,
)
from karbor.services.protection.administration.chunk_check import ChunkCheck
from karbor.services.protection.administration.findings import Finding, Kind
from karbor.services.protection.administration.needed import Needed
from karbor.services.protection.bank.chunks import damaged as marks
from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.chunks.reader import ChunkDamaged
from karbor.services.protection.bank.chunks.space import ChunkSpace
from karbor.services.protection.bank.walking import Walk

#: Takes the name of an object that is damaged or lost, and what is wrong with it.
Damaged = Callable[[str, str], None]


class SpaceCheck:
    """Looks at all objects of a space, those that nothing needs among them: a writer
    may reuse them. Those that are marked as damaged are read whatever the depth.

    :param damaged: told what is wrong and could not be mended
    """

    def __init__(self, checking: Checking, space: ChunkSpace, damaged: Damaged) -> None:
        self._checking = checking
        self._report = checking.report
        self._space = space
        self._damaged = damaged
        self._chunks = ChunkCheck(space)
        self._in_flight = space.section.bank.stream_options.max_bytes_in_flight
        self._reading: collections.deque[
            tuple[str, Needed | None, Future[bytes | memoryview]]
        ] = collections.deque()
        self._reading_bytes = 0
        self._missing_keys: set[str] = set()
        self._marked: frozenset[str] = frozenset()

    def run(self) -> None:
        """
        :raises BankException: when the bank cannot be asked now
        """
        if self._space.is_shared:
            self._marked = marks.load(self._space.section)
        needed = self._checking.needed
        parts = collections.deque(needed.parts(self._space))
        wanted: dict[str, Needed] = {}
        current = ""
        try:
            for key in Walk(self._space.section, names.DATA):
                self._checking.tick()
                try:
                    name = names.from_key(key)
                except names.NameInvalid as error:
                    self._leftover(key, str(error))
                    continue
                if name[:2] != current:
                    self._look_for(wanted)
                    wanted, current = {}, name[:2]
                    while parts and parts[0] <= current:
                        digits = parts.popleft()
                        wanted = needed.part(self._space, digits)
                        if digits != current:
                            self._look_for(wanted)
                            wanted = {}
                self._look_at(name, wanted.pop(name, None))
            self._look_for(wanted)
            for digits in parts:
                self._look_for(needed.part(self._space, digits))
            while self._reading:
                self._take()
        finally:
            for _, _, future in self._reading:
                future.cancel()
            self._reading.clear()

    def _look_at(self, name: str, needed: Needed | None) -> None:
        """Look at an object that is listed."""
        self._report.chunk_objects += 1
        if needed is None:
            self._report.unreferenced += 1
        elif needed.is_read:
            return
        if self._checking.depth.takes() or name in self._marked:
            self._read(name, needed)
            return
        expected = names.parse(name).stored_length
        try:
            size = self._checking.size_of(self._space.section.prefix + names.key(name))
        except exception.BankException as error:
            raise_if_away(error)
            self._found(name, needed, str(error))
            return
        if size is not None and size != expected:
            reason = f"{size} bytes are stored instead of {expected}"
            self._found(name, needed, reason)

    def _look_for(self, wanted: dict[str, Needed]) -> None:
        """Look for objects that are not listed: a bank may list late, and reading
        tells."""
        for name, needed in sorted(wanted.items()):
            if not needed.is_read:
                self._read(name, needed)

    def _read(self, name: str, needed: Needed | None) -> None:
        size = names.parse(name).stored_length
        while self._reading and self._reading_bytes + size > self._in_flight:
            self._take()
        self._reading_bytes += size
        future = self._checking.executor.submit(self._chunks.read, name, needed)
        self._reading.append((name, needed, future))

    def _take(self) -> None:
        self._checking.tick()
        name, needed, future = self._reading.popleft()
        self._reading_bytes -= names.parse(name).stored_length
        try:
            data = future.result()
        except ChunkDamaged as error:
            self._found(name, needed, str(error))
        except exception.DataKeyUnavailable as error:
            if str(error) not in self._missing_keys:
                self._missing_keys.add(str(error))
                self._report.unchecked.append(
                    f"chunks in {self._space.section.prefix}: {error}"
                )
        except exception.BankException as error:
            raise_if_away(error)
            self._found(name, needed, str(error))
        else:
            self._report.bytes_read += len(data)

    def _found(self, name: str, needed: Needed | None, reason: str) -> None:
        if needed is None and not self._chunks.is_there(name):
            # Collected just now.
            return
        if not self._checking.mender.mend(self._space, name, needed, reason):
            self._damaged(name, reason)

    def _leftover(self, key: str, reason: str) -> None:
        prefix = self._space.section.prefix
        self._report.add(Finding(Kind.LEFTOVER, reason, prefix + key))
