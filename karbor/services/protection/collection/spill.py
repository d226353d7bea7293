# SPDX-License-Identifier: Apache-2.0
"""Sets of names that are larger than memory may be: kept in files by first digits."""

import bisect
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

#: Names in memory before they go to the files: some 14 MB.
BUFFERED = 100_000
#: A set is one file up to here, and then one for each two first digits.
SMALL = 100_000

_PREFIX = 2


class NameSet:
    """The names that are in a part of a set; made for a few hundred thousand."""

    def __init__(self, names: list[str]) -> None:
        self._names = sorted(set(names))

    def __contains__(self, name: str) -> bool:
        place = bisect.bisect_left(self._names, name)
        return place < len(self._names) and self._names[place] == name

    def has_digest(self, digest: str) -> bool:
        """Whether there is a name of an object with this digest."""
        place = bisect.bisect_left(self._names, digest)
        return place < len(self._names) and self._names[place].startswith(digest)


class _Files:
    """Where the names of one set are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: dict[str, int] = {}
        self._is_split = False

    def add(self, names: list[str]) -> None:
        count = self._counts.get("all", 0) + len(names)
        if not self._is_split and count <= SMALL:
            self._append("all", names)
            return
        if not self._is_split:
            self._is_split = True
            names = [*self._read("all"), *names]
            (self._folder / "all").unlink(missing_ok=True)
            self._counts = {}
        parts: dict[str, list[str]] = {}
        for name in names:
            parts.setdefault(name[:_PREFIX], []).append(name)
        for prefix, part in parts.items():
            self._append(prefix, part)

    def part_of(self, name: str) -> str:
        return name[:_PREFIX] if self._is_split else "all"

    def load(self, part: str) -> NameSet:
        return NameSet(self._read(part))

    def _append(self, part: str, names: list[str]) -> None:
        self._folder.mkdir(exist_ok=True)
        with (self._folder / part).open("a", encoding="ascii") as file:
            file.writelines(f"{name}\n" for name in names)
        self._counts[part] = self._counts.get(part, 0) + len(names)

    def _read(self, part: str) -> list[str]:
        count = self._counts.get(part, 0)
        if not count:
            return []
        found = (self._folder / part).read_text(encoding="ascii").splitlines()
        if len(found) != count:
            # Whoever cleans temporary folders up must not decide what is garbage.
            raise OSError(
                f"{self._folder / part} has {len(found)} names instead of {count}"
            )
        return found


class NameSpill:
    """Names in several sets, in a temporary folder; to be closed. One thread.

    Memory: :data:`BUFFERED` names while they are added, and then what one part of a
    set has, of which there are 256 in a large one: with 10 million names, 40,000 of
    them or 6 MB.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="karbor-collection-"))
        self._sets: dict[str, _Files] = {}
        self._buffer: dict[str, list[str]] = {}
        self._buffered = 0
        self._loaded: tuple[str, str] | None = None
        self._part = NameSet([])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, set_name: str, name: str) -> None:
        """Add a name to a set; may be added again."""
        self._buffer.setdefault(set_name, []).append(name)
        self._buffered += 1
        if self._buffered >= BUFFERED:
            self._flush()

    def part(self, set_name: str, name: str) -> NameSet:
        """The part of a set that a name would be in; cheap for names in order."""
        if self._buffered:
            self._flush()
        files = self._sets.get(set_name)
        if files is None:
            return NameSet([])
        wanted = (set_name, files.part_of(name))
        if wanted != self._loaded:
            self._part = NameSet([])
            self._part = files.load(wanted[1])
            self._loaded = wanted
        return self._part

    def names(self, set_name: str) -> Iterator[str]:
        """All names of a set, for tests."""
        for digit in range(256):
            part = self.part(set_name, f"{digit:02x}")
            yield from (name for name in part._names if name.startswith(f"{digit:02x}"))

    def _flush(self) -> None:
        for set_name, names in self._buffer.items():
            if set_name not in self._sets:
                folder = self._folder / str(len(self._sets))
                self._sets[set_name] = _Files(folder)
            self._sets[set_name].add(names)
        self._buffer = {}
        self._buffered = 0
        self._loaded = None
