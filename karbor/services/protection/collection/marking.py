# SPDX-License-Identifier: Apache-2.0
"""Finding all that is referred to: every stream's manifest in the bank counts."""

import dataclasses
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

from karbor import exception
from karbor.services.protection.bank.sections import Bank, BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.bank.walking import Walk
from karbor.services.protection.checkpoints import indices, states
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import CheckpointStore
from karbor.services.protection.collection.spill import NameSet, NameSpill

_ROOT = "checkpoints/"
_MANIFESTS = "/" + manifest.MANIFESTS
_DATA = "/" + manifest.DATA

#: Pages that are known to have been read, so that a page that many streams share is
#: read once: 20 MB. When there are more, it begins anew, and reads some again.
_SEEN = 100_000

#: Their data is never read again, so damage to it keeps nothing from being collected.
_NEVER_READ = frozenset({states.DELETING, states.ERROR_DELETING})


@dataclasses.dataclass
class _Folder:
    """A checkpoint's folder, as far as it was walked."""

    checkpoint_id: str
    record: CheckpointRecord | None

    @property
    def project_id(self) -> str | None:
        return None if self.record is None else self.record.project_id


class Marks:
    """What is referred to in some projects; to be closed. One thread.

    :param projects: whose chunks are of interest
    """

    def __init__(self, store: CheckpointStore, projects: Collection[str]) -> None:
        self._store = store
        self._bank = store.bank.uncached
        self._projects = frozenset(projects)
        self._names = NameSpill()
        self._seen: set[str] = set()
        self._is_taken = False
        #: Why a project must not be collected, for people.
        self.blocked: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._names.close()

    def take(self, go_on: Callable[[], None]) -> None:
        """Read every manifest of these projects.

        :param go_on: called before each object that is read; may raise
        :raises BankException: when the bank cannot be listed
        """
        folder: _Folder | None = None
        walk = Walk(self._bank, "/" + _ROOT)
        for key in walk:
            checkpoint_id, _, rest = key.removeprefix("/" + _ROOT).partition("/")
            if not rest:
                continue
            if folder is None or folder.checkpoint_id != checkpoint_id:
                go_on()
                folder = self._open(checkpoint_id)
            if folder.project_id not in (None, *self._projects):
                walk.skip(f"/{_ROOT}{checkpoint_id}")
            elif _DATA in key:
                walk.skip(key[: key.index(_DATA) + len(_DATA) - 1])
            elif _MANIFESTS in key:
                go_on()
                self._read(folder, key, go_on)
        self._is_taken = True

    def part(self, project_id: str, name: str) -> NameSet:
        """The names that are referred to in a project, or those of them that begin
        as a name does.

        :raises LookupError: when it was not looked at: nothing would be referred to
        """
        if not self._is_taken or project_id not in self._projects:
            raise LookupError(f"what project {project_id} needs was not looked at")
        return self._names.part(project_id, name)

    def _open(self, checkpoint_id: str) -> _Folder:
        try:
            return _Folder(checkpoint_id, self._store.read_index(checkpoint_id))
        except exception.KarborException:
            # Its manifests tell whose chunks they need.
            return _Folder(checkpoint_id, None)

    def _read(self, folder: _Folder, key: str, go_on: Callable[[], None]) -> None:
        path, _, name = key.rpartition(_MANIFESTS)
        try:
            section = self._bank.get_sub_section(
                path, is_writable=False, project_id=folder.project_id
            )
            self._read_stream(section, name, go_on)
        except exception.KarborException as error:
            if self._is_of_no_interest(folder, key):
                return
            project_id = folder.project_id or _project_of(self._bank, key)
            self._block(
                project_id,
                f"what the stream {key} of checkpoint {folder.checkpoint_id} needs "
                f"cannot be read: {error}. Repair it with 'karbor-manage bank repair', "
                "or delete the checkpoint",
            )

    def _read_stream(
        self, section: BankSection, name: str, go_on: Callable[[], None]
    ) -> None:
        stream = StoredStream(section, name)
        project_id = stream.manifest.project_id
        if project_id not in self._projects or project_id is None:
            return
        for number, page in enumerate(stream.manifest.pages):
            if page.ref.name is not None:
                if page.ref.name in self._seen:
                    continue
                self._names.add(project_id, page.ref.name)
            go_on()
            for placed in stream.page(number):
                if placed.chunk.name is not None:
                    self._names.add(project_id, placed.chunk.name)
            if page.ref.name is not None:
                if len(self._seen) >= _SEEN:
                    self._seen.clear()
                self._seen.add(page.ref.name)

    def _is_of_no_interest(self, folder: _Folder, key: str) -> bool:
        """Whether nobody will ever read a stream that cannot be read.

        It was deleted since it was listed, or its checkpoint is being deleted, or was
        given up by a sweep, so that it is never available.
        """
        try:
            if not indices.is_there(
                self._bank.get_sub_section(_ROOT), key.removeprefix("/" + _ROOT)
            ):
                return True
            if folder.record is not None and folder.record.status in _NEVER_READ:
                return True
            return self._store.is_abandoned(folder.checkpoint_id)
        except exception.BankException:
            return False

    def _block(self, project_id: str | None, reason: str) -> None:
        for blocked in self._projects if project_id is None else (project_id,):
            self.blocked.setdefault(blocked, reason)


def _project_of(bank: Bank, key: str) -> str | None:
    """The project whose chunks a manifest names, whatever else is wrong with it."""
    try:
        return manifest.place_of(bank.get_object(key))[1]
    except (exception.KarborException, manifest.ManifestError):
        return None
