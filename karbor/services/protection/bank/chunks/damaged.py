# SPDX-License-Identifier: Apache-2.0
"""Which chunk objects are known to be damaged, so that no writer relies on them.

In a project's chunk space, ``damaged/<name>`` marks the object ``data/…/<name>``. The
key alone says it; the sealed value tells a person why and since when. A chunk that is
missing needs no mark, as no listing offers it to a writer, so there are as many marks
as a store has spoilt objects. ``karbor-manage bank repair`` makes and clears them.
"""

import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.chunks import names

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection

#: The folder of a chunk space that has the marks.
FOLDER = "damaged/"


def load(space: "BankSection") -> frozenset[str]:
    """The names of all objects that are marked; costs a listing.

    :param space: of one project, ``/chunks/<project id>``
    :raises BankException: when the bank cannot be listed
    """
    return frozenset(marked(space))


def marked(space: "BankSection") -> Iterator[str]:
    """The same, one after the other and in order."""
    for key in space.iterate_objects(FOLDER):
        yield key.removeprefix(FOLDER)


def mark(
    space: "BankSection", name: str, reason: str, found_at: datetime.datetime
) -> None:
    """Let no writer that begins from now on reuse an object; may be repeated.

    Who has reused it already is damaged like the rest, and is found by a check.

    :param reason: what is wrong with it, for a person
    :raises NameInvalid: when no object can have that name
    :raises BankException: when the bank fails
    """
    names.parse(name)
    value = {"name": name, "reason": reason, "found_at": found_at.isoformat()}
    space.update_object(FOLDER + name, sealing.seal(value))


def clear(space: "BankSection", name: str) -> None:
    """Let an object be reused again; nothing when it is not marked.

    :raises BankException: when the mark is still there and cannot be deleted
    """
    key = FOLDER + name
    try:
        space.delete_object(key)
    except exception.BankDeleteObjectFailed:
        if space.list_objects(key, limit=1) == [key]:
            raise


def check(space: "BankSection", name: str) -> None:
    """Make sure that a mark is what was written.

    :raises SealBroken: when it is not
    :raises BankGetObjectFailed: when it is gone or cannot be read
    """
    value = sealing.unseal(space.get_object(FOLDER + name))
    if value.get("name") != name:
        raise sealing.SealBroken(f"it is the mark of {value.get('name')!r}")
