# SPDX-License-Identifier: Apache-2.0
"""The chunk objects that a collection wants to delete, and nobody may use any more.

Each page of names is an object of its own in the project's chunk space, written once
under a name that no other page has, and deleted when none of its names is left::

    condemned/<collection>/<page>

A name that was condemned stays so until its object is gone. That is what makes it
safe to delete the object at any later time: see ``doc/source/contributor/garbage.rst``.
"""

import bisect
import threading
import uuid
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank import sealing

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection

LOG = logging.getLogger(__name__)

#: The folder in a project's chunk space.
FOLDER = "condemned/"
#: Names on a page; some 850 KiB of JSON.
PAGE_NAMES = 10_000
#: Names that may be condemned at once in a project.
MAX_NAMES = 200_000

_LISTED = 1000
_KEPT_PROJECTS = 64


class PageDamaged(ValueError):
    """A page of condemned names is not what was written; the text says how."""


class Condemned:
    """The condemned names of a project, as they were when they were loaded.

    Takes 8 bytes for a name, so 1.6 MB at most. A name is told by its hash: one in
    many million millions that is not condemned is taken for one that is, and then a
    chunk is stored once more, which does no harm.

    :param pages: the hashes of the names of each page, in order
    :param is_everything: a page is damaged, so any name may be condemned
    """

    def __init__(
        self, pages: Mapping[str, "array[int]"], is_everything: bool = False
    ) -> None:
        self._pages = dict(pages)
        self._is_everything = is_everything

    def __contains__(self, name: object) -> bool:
        if self._is_everything:
            return True
        wanted = hash(name)
        for hashes in self._pages.values():
            place = bisect.bisect_left(hashes, wanted)
            if place < len(hashes) and hashes[place] == wanted:
                return True
        return False

    def __len__(self) -> int:
        """How many names were on the pages that could be read."""
        return sum(map(len, self._pages.values()))

    def __bool__(self) -> bool:
        return self._is_everything or bool(self._pages)

    @property
    def pages(self) -> Mapping[str, "array[int]"]:
        """The hashes by page; not to be changed."""
        return self._pages


NOTHING = Condemned({})


def load(space: "BankSection", before: Condemned = NOTHING) -> Condemned:
    """What nobody may use any more in a project.

    Whoever relies on a chunk that it finds in the bank loads this first, and before
    that it has written down in the bank that it is at work (``/indices/in-work``).
    A page that is damaged condemns everything: chunks are then stored anew.

    :param space: a project's chunk space, ``/chunks/<project>``
    :param before: what was loaded earlier: pages that it has are not read again
    :raises BankException: when the bank does not answer; nothing may be relied on
    """
    found: dict[str, array[int]] = {}
    is_everything = False
    for key in pages(space):
        hashes = before.pages.get(key)
        if hashes is None:
            try:
                names = read_page(space, key)
            except PageDamaged as error:
                LOG.warning(
                    "No chunk of %s is used a second time until the next collection "
                    "of garbage: its page %s of condemned names is damaged: %s",
                    space.prefix,
                    key,
                    error,
                )
                is_everything = True
                continue
            if names is None:
                continue
            hashes = array("q", sorted(map(hash, names)))
        found[key] = hashes
    return Condemned(found, is_everything)


class CondemnedNames:
    """Loads what is condemned, and reads no page twice; thread-safe.

    For one bank in one process. It keeps what it knows of the projects that were
    asked for last, 64 at most.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, Condemned] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, space: "BankSection") -> Condemned:
        """As :func:`load`, which asks the bank each time which pages there are."""
        with self._lock:
            before = self._known.get(space.prefix, NOTHING)
        found = load(space, before)
        with self._lock:
            self._known.pop(space.prefix, None)
            if found.pages:
                self._known[space.prefix] = found
            if len(self._known) > _KEPT_PROJECTS:
                self._known.popitem(last=False)
        return found


def pages(space: "BankSection") -> list[str]:
    """The keys of all pages in a project's chunk space, in order."""
    found: list[str] = []
    while True:
        listed = space.list_objects(
            prefix=FOLDER, limit=_LISTED, marker=found[-1] if found else None
        )
        found += listed
        if len(listed) < _LISTED:
            return found


def read_page(space: "BankSection", key: str) -> tuple[str, ...] | None:
    """The names on a page; None when it has been deleted.

    :raises PageDamaged: when it is not what was written
    :raises BankGetObjectFailed: when it is there and the bank does not give it
    """
    try:
        value = space.get_object(key)
    except exception.BankGetObjectFailed:
        if space.list_objects(prefix=key, limit=1) == [key]:
            raise
        return None
    try:
        body = sealing.unseal(value)
        if body["page"] != key:
            raise PageDamaged(f"it is the page {body['page']}")
        return tuple(str(name) for name in body["names"])
    except (sealing.SealBroken, KeyError, TypeError) as error:
        raise PageDamaged(str(error)) from error


def write_page(space: "BankSection", collection: str, names: Iterable[str]) -> str:
    """Condemn names, for good; durable when it returns.

    :param collection: the id of who condemns them
    :param names: at most :data:`PAGE_NAMES`
    :returns: the page's key
    :raises BankUpdateObjectFailed: when that failed; the page may still be there
    """
    key = f"{FOLDER}{collection}/{uuid.uuid4().hex}"
    space.update_object(key, sealing.seal({"page": key, "names": list(names)}))
    return key
