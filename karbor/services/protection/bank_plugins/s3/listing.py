# SPDX-License-Identifier: Apache-2.0
"""Listing names in both directions from a store that lists in one.

S3 lists ascending, from any name on, a thousand at once, and not from the end. The last
names are found by bisection: ask for what comes after a name that is half way to the
end, until what comes is the end. That costs a number of requests that grows with the
logarithm of the listing. Half way is guessed from the characters that names seen so far
are made of; where no name in between can be made up, it goes on page by page.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

#: Asks for a page: ``fetch(after)`` gives names strictly after that (None: from the
#: first on), ascending, and whether there are more.
Fetch = Callable[[str | None], tuple[list[str], bool]]

# Reading a few pages costs less than bisecting them.
_PAGES_FIRST = 4
# A stretch shorter than this is worth further bisection.
_ENOUGH = 300
# Characters of a name that are taken for a number.
_WIDTH = 12
# Of a page: names whose characters are looked at.
_SAMPLES = 16


def ascending(fetch: Fetch, after: str | None) -> Iterator[str]:
    """All names after one, read as they are asked for."""
    more = True
    while more:
        names, more = fetch(after)
        yield from names
        if not names:
            return
        after = names[-1]


def descending(fetch: Fetch, prefix: str, before: str | None) -> Iterator[str]:
    """All names from the last to the first, read as they are asked for.

    :param prefix: what all names that ``fetch`` gives begin with
    :param before: only names strictly before it; None: all
    """
    search = _Backwards(fetch, prefix, before)
    while not search.is_done:
        yield from reversed(search.last_stretch())


class _Backwards:
    """Finds the last names, then those before them, and so on to the first.

    :ivar is_done: whether the first was found
    """

    def __init__(self, fetch: Fetch, prefix: str, before: str | None) -> None:
        self._fetch = fetch
        self._prefix = prefix
        self._before = before
        # Names that earlier searches have come by, ascending: where to begin.
        self._marks: list[str] = []
        self._alphabet: set[str] = set()
        self.is_done = False

    def last_stretch(self) -> list[str]:
        """The last names that are left, ascending and without a gap; may be none."""
        while self._marks and not self._is_inside(self._marks[-1]):
            self._marks.pop()
        begin = self._marks.pop() if self._marks else None
        names = self._search(begin)
        if names:
            self._before = names[0]
        elif begin is not None:
            # Nothing is left after the mark; the mark itself is.
            self._before = begin + "\x00"
        return names

    def _search(self, begin: str | None) -> list[str]:
        names, is_last = self._page(begin)
        if is_last:
            self.is_done = begin is None
            return names
        low, high, found = names[-1], self._before, list[str]()
        page = names
        if begin is None:
            for _ in range(_PAGES_FIRST - 1):
                self._marks.append(low)
                names, is_last = self._page(low)
                if is_last:
                    return self._joined(page, names)
                page, low = names, names[-1]
        while (middle := self._between(low, high)) is not None:
            names, is_last = self._page(middle)
            if not is_last:
                self._marks.append(low)
                page, low = names, names[-1]
                if high is not None and low >= high:
                    # The short stretch that was found begins in this page.
                    high, found = self._before, []
            elif len(names) >= _ENOUGH:
                self._marks.append(low)
                return names
            else:
                high, found = middle, names
        if found:
            self._marks.append(low)
            return found
        while True:
            self._marks.append(low)
            names, is_last = self._page(low)
            if is_last:
                return self._joined(page, names)
            page, low = names, names[-1]

    def _joined(self, page: list[str], names: list[str]) -> list[str]:
        """Two neighbouring pages; the mark between them says nothing more."""
        self._marks.pop()
        return page + names

    def _page(self, after: str | None) -> tuple[list[str], bool]:
        """Names after one that are left, and whether they reach the end."""
        names, more = self._fetch(after)
        for name in names[:: max(1, len(names) // _SAMPLES)]:
            self._alphabet.update(name[len(self._prefix) :])
        inside = [name for name in names if self._is_inside(name)]
        return inside, not more or len(inside) < len(names)

    def _is_inside(self, name: str) -> bool:
        return self._before is None or name < self._before

    def _between(self, low: str, high: str | None) -> str | None:
        """A name about half way between two; None when none can be made up.

        :param high: None: after all names
        """
        start = low[len(self._prefix) :]
        stop = None
        if high is not None and high.startswith(self._prefix):
            stop = high[len(self._prefix) :]
        alphabet = sorted(self._alphabet)
        common = 0
        if stop is not None:
            common = _common(start, stop)
        base = len(alphabet) + 2
        last = (base - 1) * base ** (_WIDTH - 1)
        if stop is not None:
            last = _number(stop[common:], alphabet)
        middle = (_number(start[common:], alphabet) + last) // 2
        made = start[:common]
        for position in range(_WIDTH - 1, -1, -1):
            digit = middle // base**position % base
            if not 1 <= digit <= len(alphabet):
                return None
            made += alphabet[digit - 1]
            if made > start and (stop is None or made < stop):
                return self._prefix + made
        return None


def _number(text: str, alphabet: list[str]) -> int:
    """The beginning of a text as a number; 0 as a digit is the end of the text."""
    base = len(alphabet) + 2
    number = 0
    for position in range(_WIDTH):
        digit = 0
        if position < len(text):
            digit = min(bisect_left(alphabet, text[position]), len(alphabet)) + 1
        number = number * base + digit
    return number


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length
