# SPDX-License-Identifier: Apache-2.0
"""Which chunk objects the streams of a bank need, each once, kept on disk.

A bank of ten million chunks needs a gigabyte for this in the folder of temporary
files, and some ten megabytes of memory: names are spread by the first two digits of
their digests over up to 256 files for each chunk space, and one file is in memory at
a time.
"""

import dataclasses
import pathlib
import tempfile
from types import TracebackType

from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.chunks.space import ChunkSpace

#: Lines that are held before they are written.
_PENDING = 20_000
# A file is rid of repeated lines whenever it has doubled, and is larger than this.
_COMPACT_BYTES = 4 * 1024 * 1024
_NO_KEY = "-"
_READ, _UNREAD = "read", "unread"


@dataclasses.dataclass(frozen=True, slots=True)
class Needed:
    """What must be in a chunk object.

    :param length: bytes of the chunk
    :param key_id: of the key that its digest is made with; None: plain sha256
    :param is_read: it was read by who noted it, so that it need not be again
    """

    length: int
    key_id: str | None = None
    is_read: bool = False


class NeededChunks:
    """Names of objects by chunk space; used by one thread, as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="karbor-check-")
        self._spaces: dict[str, tuple[pathlib.Path, ChunkSpace]] = {}
        self._pending: dict[pathlib.Path, list[str]] = {}
        self._count = 0
        self._compacted: dict[pathlib.Path, int] = {}

    def __enter__(self) -> "NeededChunks":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    @property
    def spaces(self) -> list[ChunkSpace]:
        """The chunk spaces that anything is needed of."""
        return [space for _, space in self._spaces.values()]

    def add(
        self,
        space: ChunkSpace,
        ref: ChunkRef,
        key_id: str | None,
        *,
        is_read: bool = False,
    ) -> None:
        """Note that a stream needs a chunk; nothing when it is not an object."""
        if ref.name is None:
            return
        path = self._folder_of(space) / ref.name[:2]
        read = _READ if is_read else _UNREAD
        line = f"{ref.name} {ref.length:x} {key_id or _NO_KEY} {read}\n"
        self._pending.setdefault(path, []).append(line)
        self._count += 1
        if self._count >= _PENDING:
            self._flush()

    def parts(self, space: ChunkSpace) -> list[str]:
        """The first two digits of all digests that are needed of a space, in order."""
        self._flush()
        folder = self._folder_of(space)
        return sorted(path.name for path in folder.iterdir())

    def part(self, space: ChunkSpace, digits: str) -> dict[str, Needed]:
        """What is needed, by the object's name.

        :param digits: one of :meth:`parts`
        """
        self._flush()
        needed = {}
        with open(self._folder_of(space) / digits, encoding="ascii") as file:
            for line in file:
                name, length, key_id, read = line.split()
                needed[name] = Needed(
                    int(length, 16),
                    None if key_id == _NO_KEY else key_id,
                    read == _READ,
                )
        return needed

    def _folder_of(self, space: ChunkSpace) -> pathlib.Path:
        prefix = space.section.prefix
        if prefix not in self._spaces:
            folder = pathlib.Path(self._folder.name) / str(len(self._spaces))
            folder.mkdir()
            self._spaces[prefix] = folder, space
        return self._spaces[prefix][0]

    def _flush(self) -> None:
        for path, lines in self._pending.items():
            with open(path, "a", encoding="ascii") as file:
                file.writelines(lines)
            size = path.stat().st_size
            if size > max(_COMPACT_BYTES, 2 * self._compacted.get(path, 0)):
                self._compact(path)
        self._pending.clear()
        self._count = 0

    def _compact(self, path: pathlib.Path) -> None:
        with open(path, encoding="ascii") as file:
            lines = set(file)
        with open(path, "w", encoding="ascii") as file:
            file.writelines(lines)
        self._compacted[path] = path.stat().st_size
