# SPDX-License-Identifier: Apache-2.0
"""Making damaged chunks whole again where their content is found elsewhere.

A repair is a full check that takes care of each damaged or lost object as it finds it:

- When another object of the project has the same content, that is stored once more
  under the name that the checkpoints refer to.
- Else the object is marked (``bank/chunks/damaged.py``), so that the next protect
  that meets the content stores it anew, and a later repair can heal the old name.

It may run beside protects, deletions and collections, and twice at once. What it
stores is exactly what that name stands for, so it can come late or twice without
harm: at worst it stores what nothing needs any more, which is collected again. A
collector's late deletion takes it away from nobody who relies on it, because nobody
relies on a name for as long as it is condemned, and a collector forgets that it
condemned a name only when its deletions have ended.

One case is open: a collector pauses before it deletes a name, another one deletes it
and forgets it, and a repair that looked before all that stores it again. A writer may
then rely on it when the first collector wakes up. Do not repair a bank while a service
that collects it hangs.
"""

import dataclasses
import datetime
from collections.abc import Callable, Iterator
from typing import Any

from karbor import exception
from karbor.services.protection.administration.check import BankCheck
from karbor.services.protection.administration.checking import Mender, raise_if_away
from karbor.services.protection.administration.chunk_check import ChunkCheck
from karbor.services.protection.administration.depth import Depth, Level
from karbor.services.protection.administration.findings import KEPT, Report
from karbor.services.protection.administration.needed import Needed
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.chunks import damaged, envelope, names
from karbor.services.protection.bank.chunks.reader import ChunkDamaged
from karbor.services.protection.bank.chunks.space import ROOT, ChunkSpace
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.walking import names_below
from karbor.services.protection.checkpoints.store import utc_now

# Of zstd. The form of a chunk must be as long as the lost one was, and that was most
# likely made by one of these.
_LEVELS = range(1, 20)


@dataclasses.dataclass
class Repaired:
    """What a repair has done.

    :param report: what is still damaged, lost, or was not looked at
    :param healed: objects that are whole again
    :param healings: of these, the objects' keys and the names of those that had their
        content, as many as a report keeps
    :param marked: objects that from now on no writer relies on
    :param unmarked: marks that were obsolete
    :param problems: why an object could not be stored again though its content is there
    """

    report: Report
    healed: int = 0
    healings: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    marked: int = 0
    unmarked: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON can say them."""
        return {
            **self.report.to_dict(),
            "healed": self.healed,
            "healings": [{"key": key, "from": source} for key, source in self.healings],
            "marked": self.marked,
            "unmarked": self.unmarked,
            "problems": self.problems,
        }


class BankRepair:
    """Repairs a bank once; interrupted, it goes on when it is run again.

    :param depth: which objects are read; those that are missing, cut short or marked
        are found at any
    :param on_progress: called now and then from the calling thread
    """

    def __init__(
        self,
        bank: Bank,
        depth: Depth | None = None,
        *,
        on_progress: Callable[[Repaired], None] = lambda repaired: None,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self._bank = bank.uncached
        depth = depth or Depth(Level.FULL)
        self._done = Repaired(Report(depth=depth.level.value))
        self._mender = _ChunkMender(self._done, clock)

        def tell(report: Report) -> None:
            self._done.report = report
            on_progress(self._done)

        self._check = BankCheck(
            bank, depth, mender=self._mender, on_progress=tell, clock=clock
        )

    def run(self) -> Repaired:
        """Repair all that can be.

        What could not be looked at or written is in the report, not raised.
        """
        self._done.report = self._check.run()
        for project_id in names_below(self._bank, f"/{ROOT}/"):
            try:
                self._mender.tidy(self._bank.chunk_space(project_id))
            except exception.BankException as error:
                self._done.report.unchecked.append(
                    f"marks of project {project_id}: {error}"
                )
        return self._done


class _ChunkMender(Mender):
    """Heals or marks what a check finds; used by one thread."""

    def __init__(self, done: Repaired, clock: Callable[[], datetime.datetime]) -> None:
        self._done = done
        self._clock = clock
        self._marked: dict[str, frozenset[str]] = {}

    def mend(
        self, space: ChunkSpace, name: str, needed: Needed | None, reason: str
    ) -> bool:
        if not space.is_shared:
            return False
        chunks = ChunkCheck(space)
        if needed is not None:
            source = self._heal(space, chunks, name, needed)
            if source is not None:
                self._done.healed += 1
                if len(self._done.healings) < KEPT:
                    key = space.section.prefix + names.key(name)
                    self._done.healings.append((key, source))
                return True
        if chunks.is_there(name) and name not in self._marks(space):
            damaged.mark(space.section, name, reason, self._clock())
            self._done.marked += 1
        return False

    def tidy(self, space: ChunkSpace) -> None:
        """Remove the marks of what is whole or gone, and mend damaged ones.

        :raises BankException: when the bank cannot be asked now, or a key is not there
        """
        chunks = ChunkCheck(space)
        for name in damaged.marked(space.section):
            try:
                names.parse(name)
                chunks.read(name)
            except names.NameInvalid:
                # Not ours.
                continue
            except ChunkDamaged as error:
                if chunks.is_there(name):
                    self._keep_mark(space, name, str(error))
                    continue
            except exception.BankGetObjectFailed as error:
                raise_if_away(error)
                self._keep_mark(space, name, str(error))
                continue
            damaged.clear(space.section, name)
            self._done.unmarked += 1

    def _keep_mark(self, space: ChunkSpace, name: str, reason: str) -> None:
        try:
            damaged.check(space.section, name)
        except (sealing.SealBroken, exception.BankGetObjectFailed):
            damaged.mark(space.section, name, reason, self._clock())

    def _marks(self, space: ChunkSpace) -> frozenset[str]:
        prefix = space.section.prefix
        if prefix not in self._marked:
            self._marked[prefix] = damaged.load(space.section)
        return self._marked[prefix]

    def _heal(
        self, space: ChunkSpace, chunks: ChunkCheck, name: str, needed: Needed
    ) -> str | None:
        """Store a chunk again under its name.

        :returns: the name of the object that has its content; None when none has
        """
        for source in space.find(names.parse(name).digest):
            if source == name:
                continue
            try:
                data = chunks.read(source, needed)
                stored = self._as_long_as(space, chunks, name, source, data)
                if stored is None:
                    self._problem(
                        space,
                        name,
                        f"its content is in {source}, but does not pack into as many "
                        "bytes as it had",
                    )
                    continue
                space.section.update_object(names.key(name), stored)
                chunks.read(name, needed)
            except ChunkDamaged:
                continue
            except exception.BankObjectLocked as error:
                # Readers take the other object until then.
                self._problem(space, name, str(error))
                return None
            except (
                exception.BankGetObjectFailed,
                exception.BankUpdateObjectFailed,
            ) as error:
                raise_if_away(error)
                self._problem(space, name, str(error))
                continue
            return source
        return None

    def _as_long_as(
        self,
        space: ChunkSpace,
        chunks: ChunkCheck,
        name: str,
        source: str,
        data: bytes | memoryview,
    ) -> bytes | None:
        """What to store under a name, as long as the name says; None when the content
        cannot be stored so."""
        wanted = names.parse(name)
        for stored in self._forms(space, chunks, source, data, wanted.digest):
            if len(stored) == wanted.stored_length:
                return stored
        return None

    def _forms(
        self,
        space: ChunkSpace,
        chunks: ChunkCheck,
        source: str,
        data: bytes | memoryview,
        digest: str,
    ) -> Iterator[bytes]:
        stored = chunks.fetch(source)
        yield stored
        key_id = envelope.read_header(stored).key_id
        key = None if key_id is None else space.find_key(key_id)
        for level in _LEVELS:
            yield bytes(envelope.Packer(level, key).pack(memoryview(data), digest))

    def _problem(self, space: ChunkSpace, name: str, reason: str) -> None:
        if len(self._done.problems) < KEPT:
            key = space.section.prefix + names.key(name)
            self._done.problems.append(f"{key}: {reason}")
