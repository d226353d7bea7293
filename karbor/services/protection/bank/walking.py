# SPDX-License-Identifier: Apache-2.0
"""Going through a bank in the order of its keys, in memory that does not grow."""

from collections.abc import Iterator
from typing import Protocol

#: The character after "/": a key that is P + this comes after all keys below P/.
AFTER_SLASH = "0"

_PAGE = 1000


class Listable(Protocol):
    """A bank, or a section of one."""

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[str]: ...


class Walk:
    """The keys below a prefix in ascending order, where some can be passed over.

    Objects that come or go meanwhile may or may not be seen.
    """

    def __init__(self, listed: Listable, prefix: str) -> None:
        self._listed = listed
        self._prefix = prefix
        self._marker: str | None = None
        self._page: list[str] = []
        self._next = 0
        self._ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._next == len(self._page):
            self._load()
        if self._next == len(self._page):
            raise StopIteration
        self._marker = self._page[self._next]
        self._next += 1
        return self._marker

    def skip(self, folder: str) -> None:
        """Go on after all keys below a folder, which the last key is in.

        :param folder: without "/" at the end
        """
        self._marker = folder + AFTER_SLASH
        while self._next < len(self._page) and self._page[self._next] < self._marker:
            self._next += 1

    def _load(self) -> None:
        self._next = 0
        self._page = []
        if self._ended:
            return
        self._page = self._listed.list_objects(
            prefix=self._prefix, limit=_PAGE, marker=self._marker
        )
        self._ended = len(self._page) < _PAGE


def names_below(listed: Listable, prefix: str) -> Iterator[str]:
    """The names of objects and folders directly below a prefix; one key is read for
    each.

    :param prefix: ends with "/"
    """
    marker = None
    while True:
        found = listed.list_objects(prefix=prefix, limit=1, marker=marker)
        if not found:
            return
        name, slash, _ = found[0].removeprefix(prefix).partition("/")
        yield name
        marker = prefix + name + AFTER_SLASH if slash else found[0]


class Presence:
    """Whether expected keys are there, by one listing of their folder.

    :param folder: ends with "/"
    """

    def __init__(self, listed: Listable, folder: str) -> None:
        self._listed = listed
        self._folder = folder
        self._walk = Walk(listed, folder)
        self._current = next(self._walk, None)
        self._asked = ""
        self._unexpected: list[str] = []

    def has(self, key: str) -> bool:
        """Whether an object is there; cheap for ascending keys of the folder."""
        if key.startswith(self._folder) and key > self._asked:
            self._asked = key
            while self._current is not None and self._current < key:
                self._unexpected.append(self._current)
                self._current = next(self._walk, None)
            if self._current == key:
                self._current = next(self._walk, None)
                return True
        # Elsewhere, or asked out of order, or come since the page was listed.
        return self._listed.list_objects(prefix=key, limit=1) == [key]

    def take_unexpected(self) -> list[str]:
        """Keys of the folder before the last that was asked for, and not asked for;
        each once."""
        taken, self._unexpected = self._unexpected, []
        return taken

    def rest(self) -> Iterator[str]:
        """All other keys of the folder."""
        yield from self.take_unexpected()
        while self._current is not None:
            yield self._current
            self._current = next(self._walk, None)
