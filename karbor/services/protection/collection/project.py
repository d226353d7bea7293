# SPDX-License-Identifier: Apache-2.0
"""Collecting one project's garbage, phase by phase.

Why nothing that anybody needs is deleted is told in
``doc/source/contributor/garbage.rst``.
"""

import dataclasses
import datetime
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from oslo_log import log as logging

from karbor.services.protection.bank.chunks import condemned, damaged, names
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.walking import Walk
from karbor.services.protection.checkpoints import indices
from karbor.services.protection.collection import state
from karbor.services.protection.collection.batches import batched
from karbor.services.protection.collection.deleting import Deleter
from karbor.services.protection.collection.marking import Marks
from karbor.services.protection.collection.operations import Operation
from karbor.services.protection.collection.report import ProjectReport, Report
from karbor.services.protection.collection.state import Collection, Phase

LOG = logging.getLogger(__name__)

_SHOWN = 5
#: How long a collection gives way to operations that begin while it looks. On a bank
#: where that is always so, garbage must go all the same.
_PATIENCE = datetime.timedelta(hours=6)
_FEW = 16


@dataclasses.dataclass(frozen=True)
class Rules:
    """How to collect.

    :param settle: how long a change may take to be seen by everyone, and a late
        request to be done, twice, and by how much clocks may differ; zero where
        whatever was done is seen at once
    :param max_names: that may be condemned in a project at once
    :param owner_id: of this process
    :param clock: gives the present moment, aware
    :param operations: lists those that are at work now
    :param go_on: called often; raises when this process is to stop
    """

    settle: datetime.timedelta
    max_names: int
    owner_id: str
    clock: Callable[[], datetime.datetime]
    operations: Callable[[], Sequence[Operation]]
    go_on: Callable[[], None]


class ProjectCollection:
    """The collections of one project, as they are now; advanced once, by one thread.

    There is one, or none; more when several processes began one at a time.

    :param space: the project's chunk space, writable, past any cache
    :param deleter: deletes chunk objects
    :param report: of the whole bank
    :raises BankException: when the bank does not give what is under way
    """

    def __init__(
        self,
        project_id: str,
        space: BankSection,
        rules: Rules,
        deleter: Deleter,
        report: Report,
    ) -> None:
        self.id = project_id
        self._space = space
        self._rules = rules
        self._deleter = deleter
        self._whole = report
        self._under_way = list(state.read_all(space))
        self._looking: frozenset[str] = frozenset()
        #: Whether a collection has just ended, and there was more than it could take.
        self.begins_again = False

    @property
    def _report(self) -> ProjectReport:
        return self._whole.of(self.id)

    def begin(self, operations: Sequence[Operation]) -> None:
        """Begin a collection, when none is under way and there is anything.

        :param operations: that are at work now
        """
        if self._under_way or not any(
            self._space.list_objects(prefix=folder, limit=1)
            for folder in (names.DATA, condemned.FOLDER)
        ):
            return
        now = self._rules.clock()
        self._under_way.append(
            self._keep(
                Collection(
                    id=state.new_id(now),
                    phase=Phase.BEGUN,
                    since=now,
                    owner_id=self._rules.owner_id,
                    operations=self._mine(operations),
                )
            )
        )

    def wants_marks(self, operations: Sequence[Operation]) -> bool:
        """Whether a look at all that is referred to lets it go on.

        That is decided here for :meth:`advance` as well: a time that comes between the
        two finds no marks.

        :param operations: that are at work now, listed after this was made
        """
        self._looking = frozenset(
            item.id
            for item in self._under_way
            if item.phase in (Phase.BEGUN, Phase.QUIET)
            and self._is_ready(item, operations)
        )
        return bool(self._looking)

    def advance(self, operations: Sequence[Operation], marks: Marks) -> None:
        """Let each collection go on by one phase, if it can.

        :param operations: those of :meth:`wants_marks`
        :param marks: taken after these were listed, when it wanted them
        :raises BankException: when the bank fails; what was done stays done
        """
        for item in self._under_way:
            self._report.phase = item.phase.value
            self._advance(item, operations, marks)

    def _advance(
        self, item: Collection, operations: Sequence[Operation], marks: Marks
    ) -> None:
        if item.id in self._looking:
            if self.id in marks.blocked:
                self._whole.find(
                    f"Project {self.id} is not collected: {marks.blocked[self.id]}"
                )
            elif item.phase is Phase.BEGUN:
                self._condemn(item, operations, marks)
            else:
                self._delete(item, marks)
        elif item.phase in (Phase.BEGUN, Phase.QUIET) or not self._is_ready(
            item, operations
        ):
            self._tell_waiting(item, operations)
        elif item.phase is Phase.CONDEMNED:
            self._go_over(item, Phase.WAITING, operations=self._mine(operations))
        elif item.phase is Phase.WAITING:
            self._go_over(item, Phase.QUIET, operations=())
        else:
            self._forget(item)

    def _is_ready(self, item: Collection, operations: Sequence[Operation]) -> bool:
        """Whether what it waits for has come."""
        if item.phase in (Phase.BEGUN, Phase.WAITING):
            return not self._still(item, operations)
        return self._rules.clock() >= item.since + self._rules.settle

    def _condemn(
        self, begun: Collection, operations: Sequence[Operation], marks: Marks
    ) -> None:
        """Look for garbage and condemn it, and take over what others condemned.

        :param operations: that were at work before the marks were taken
        """
        pages, known, spoilt = self._condemned()
        dead = sum(name not in marks.part(self.id, name) for name in sorted(known))
        room = max(0, self._rules.max_names - len(known))
        found = 0
        fresh: list[str] = []
        for batch in batched(self._unreferenced(marks, known), condemned.PAGE_NAMES):
            self._rules.go_on()
            found += len(batch)
            fresh += batch[: room - len(fresh)]
        begun_since = self._begun_since(operations) if fresh else ()
        if begun_since and self._rules.clock() < begun.begun_at + _PATIENCE:
            # They may have put what is about to be condemned. It would not be deleted,
            # and be stored once more by the next who needs it.
            self._go_over(begun, Phase.BEGUN, operations=begun_since)
            return
        for batch in batched(fresh, condemned.PAGE_NAMES):
            pages.append(condemned.write_page(self._space, begun.id, batch))
        self._report.found = dead + found
        self._report.condemned += len(fresh)
        self._report.more = found > len(fresh)
        if self._report.more:
            # What they condemned may not be condemned anew yet.
            spoilt = []
        if not (dead or fresh or spoilt):
            self._end(begun)
            return
        self._go_over(
            begun,
            Phase.CONDEMNED,
            pages=tuple(pages),
            spoilt=tuple(spoilt),
            operations=(),
        )

    def _delete(self, quiet: Collection, marks: Marks) -> None:
        """Delete what is condemned and still not referred to."""
        by_page = self._names_by_page(quiet.pages)
        present = sorted(set(itertools.chain.from_iterable(by_page.values())))
        needed = self._last_copies(marks, present)
        doomed: list[str] = []
        left: list[str] = []
        for name in present:
            kept = _digest(name) in needed or name in marks.part(self.id, name)
            (left if kept else doomed).append(name)
        self._report.kept = len(left)
        done = self._deleter.delete(self._space, doomed)
        self._report.deleted += done.gone
        self._report.refused = len(done.left)
        for reason in done.reasons.values():
            self._whole.refuse(
                f"Project {self.id}: {len(done.left)} condemned objects were "
                f"not deleted, and stay condemned; one of them: {reason}"
            )
        left += done.left
        pages = list(by_page)
        if done.gone:
            for batch in batched(sorted(left), condemned.PAGE_NAMES):
                condemned.write_page(self._space, quiet.id, batch)
        else:
            # The same names need no other page; the next collection looks again.
            pages = [page for page, found in by_page.items() if not found]
        self._go_over(quiet, Phase.DELETED, pages=(*pages, *quiet.spoilt), spoilt=())

    def _forget(self, deleted: Collection) -> None:
        for page in deleted.pages:
            indices.delete_if_there(self._space, page)
        self.begins_again = self._report.more and bool(deleted.pages)
        self._end(deleted)

    def _end(self, collection: Collection) -> None:
        indices.delete_if_there(self._space, collection.key)
        self._report.phase = None
        self._whole.has_progressed = True

    def _go_over(self, before: Collection, phase: Phase, **changes: Any) -> None:
        after = dataclasses.replace(
            before,
            phase=phase,
            since=self._rules.clock(),
            owner_id=self._rules.owner_id,
            **changes,
        )
        self._keep(after)

    def _keep(self, collection: Collection) -> Collection:
        state.write(self._space, collection)
        self._report.phase = collection.phase.value
        self._whole.has_progressed = True
        return collection

    def _condemned(self) -> tuple[list[str], set[str], list[str]]:
        """The pages of names that can be read, the names, and the other pages."""
        pages: list[str] = []
        known: set[str] = set()
        spoilt: list[str] = []
        for page in condemned.pages(self._space):
            try:
                found = condemned.read_page(self._space, page)
            except condemned.PageDamaged:
                spoilt.append(page)
                continue
            if found is not None:
                pages.append(page)
                known.update(found)
        return pages, known, spoilt

    def _names_by_page(self, pages: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The names on those of some pages that can be read; a page that is gone has
        none."""
        found: dict[str, tuple[str, ...]] = {}
        for page in pages:
            try:
                found[page] = condemned.read_page(self._space, page) or ()
            except condemned.PageDamaged as error:
                # It stays, and so does what it condemns, until all is condemned anew.
                LOG.warning("%s%s is damaged: %s", self._space.prefix, page, error)
        return found

    def _unreferenced(self, marks: Marks, known: set[str]) -> Iterator[str]:
        """The objects to which nothing refers, and which are not condemned yet.

        One that has the content of a chunk that is referred to and is damaged or
        lost is not among them: it is what a repair needs.
        """
        spoilt = damaged.load(self._space)
        listed = _names_in(self._space, names.DATA)
        for digest, group in itertools.groupby(listed, _digest):
            unreferenced = []
            is_sound = False
            part = marks.part(self.id, digest)
            for name in group:
                if name in part:
                    is_sound = is_sound or name not in spoilt
                elif name not in known:
                    unreferenced.append(name)
            if is_sound or not part.has_digest(digest):
                yield from unreferenced

    def _last_copies(self, marks: Marks, present: Sequence[str]) -> set[str]:
        """The digests among those of some names whose chunks are referred to and are
        damaged or lost."""
        spoilt = damaged.load(self._space)
        needed: set[str] = set()
        for folder, group in itertools.groupby(present, names.folder):
            wanted = {
                _digest(name)
                for name in group
                if marks.part(self.id, name).has_digest(_digest(name))
            }
            self._rules.go_on()
            needed |= wanted
            # Many cost one listing of all that are there.
            folders = [folder]
            if len(wanted) < _FEW:
                folders = [names.prefix(digest) for digest in sorted(wanted)]
            for name in itertools.chain.from_iterable(
                _names_in(self._space, listed) for listed in folders
            ):
                if name not in spoilt and name in marks.part(self.id, name):
                    needed.discard(_digest(name))
        return needed

    def _begun_since(self, operations: Sequence[Operation]) -> tuple[Operation, ...]:
        """The operations that are at work now and were not then."""
        before = set(operations)
        now = self._mine(self._rules.operations())
        return tuple(operation for operation in now if operation not in before)

    def _mine(self, operations: Sequence[Operation]) -> tuple[Operation, ...]:
        return tuple(
            operation for operation in operations if operation.concerns(self.id)
        )

    def _still(
        self, collection: Collection, operations: Sequence[Operation]
    ) -> list[Operation]:
        """Those that it waits for and that are still at work."""
        present = set(operations)
        return [item for item in collection.operations if item in present]

    def _tell_waiting(
        self, collection: Collection, operations: Sequence[Operation]
    ) -> None:
        if collection.phase in (Phase.BEGUN, Phase.WAITING):
            still = self._still(collection, operations)
            self._report.waits_for += [
                f"the operation on checkpoint {item.checkpoint_id} (owner "
                f"{item.owner_id})"
                for item in still[:_SHOWN]
            ]
            if len(still) > _SHOWN:
                self._report.waits_for.append(f"{len(still) - _SHOWN} more operations")
            return
        until = collection.since + self._rules.settle
        self._whole.until = min(until, self._whole.until or until)
        self._report.waits_for.append(
            f"{until.isoformat(timespec='seconds')}, when everyone sees what was done"
        )


def _digest(name: str) -> str:
    return name.partition(".")[0]


def _names_in(space: BankSection, folder: str) -> Iterator[str]:
    """The names of the chunk objects whose keys begin so, in order."""
    for key in Walk(space, folder):
        try:
            yield names.from_key(key)
        except names.NameInvalid:
            # Not ours: nobody wrote it as a chunk.
            continue
