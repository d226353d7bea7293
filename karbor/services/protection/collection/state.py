# SPDX-License-Identifier: Apache-2.0
"""How far a collection is in one project, as the bank keeps it.

``/chunks/<project>/collections/<id>`` is one sealed JSON object. Whatever was ever
written there stays true: the pages that it names were in the bank before it said so,
and the operations that it names were at work after that. So it does no harm when two
daemons write it at once, when one that paused writes an old state over a newer one, or
when a bank gives an old one: somebody does again what was done.
"""

import dataclasses
import datetime
import enum
import uuid
from collections.abc import Iterator

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.checkpoints import indices
from karbor.services.protection.checkpoints.timestamps import (
    format_timestamp,
    parse_timestamp,
)
from karbor.services.protection.collection.operations import Operation

LOG = logging.getLogger(__name__)

#: The folder in a project's chunk space.
FOLDER = "collections/"


class Phase(enum.StrEnum):
    """What a collection does next."""

    #: Wait for the operations that were at work when it began, so that what they are
    #: about to refer to is not condemned; then look for garbage and condemn it.
    BEGUN = "begun"
    #: Wait until every writer that begins sees what is condemned; then write down
    #: which operations are at work.
    CONDEMNED = "condemned"
    #: Wait for these to end.
    WAITING = "waiting"
    #: Wait until all that they wrote is seen; then look again, and delete.
    QUIET = "quiet"
    #: Wait until nobody sees what was deleted; then forget the condemned names.
    DELETED = "deleted"


@dataclasses.dataclass(frozen=True)
class Collection:
    """One collection in one project.

    :param since: when it came into its phase, by the clock of who wrote it
    :param owner_id: of the process that wrote it
    :param pages: of condemned names, which were in the bank at ``since``
    :param spoilt: further pages, which are damaged, and whose names are gone, referred
        to, or condemned by the others
    :param operations: to be waited for, in BEGUN and WAITING
    """

    id: str
    phase: Phase
    since: datetime.datetime
    owner_id: str
    pages: tuple[str, ...] = ()
    spoilt: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()

    @property
    def key(self) -> str:
        """In the project's chunk space."""
        return FOLDER + self.id

    @property
    def begun_at(self) -> datetime.datetime:
        """When it began, by the clock of who began it."""
        return parse_timestamp(self.id.rpartition("-")[0])


def new_id(now: datetime.datetime) -> str:
    """An id that no other collection has; they sort by when they began."""
    return f"{format_timestamp(now)}-{uuid.uuid4().hex[:12]}"


def write(space: BankSection, collection: Collection) -> None:
    """Keep a state, in place of the one before.

    :raises BankUpdateObjectFailed: when that failed
    """
    value = {
        "id": collection.id,
        "phase": collection.phase.value,
        "since": format_timestamp(collection.since),
        "owner_id": collection.owner_id,
        "pages": list(collection.pages),
        "spoilt": list(collection.spoilt),
        "operations": [item.to_json() for item in collection.operations],
    }
    space.update_object(collection.key, sealing.seal(value))


def read_all(space: BankSection) -> Iterator[Collection]:
    """The collections under way in a project, the oldest first.

    One that is damaged is deleted: what it had condemned stays condemned, and the
    next one takes that over.

    :raises BankException: when one is there and the bank does not give it
    """
    for key in list(space.iterate_objects(FOLDER)):
        try:
            value = space.get_object(key)
        except exception.BankGetObjectFailed:
            if indices.is_there(space, key):
                raise
            continue
        try:
            found = _parse(value)
            if found.key != key:
                raise ValueError(f"it is that of {found.id}")
            _ = found.begun_at
        except (KeyError, TypeError, ValueError) as error:
            LOG.warning(
                "The state %s%s of a collection is damaged, and is deleted; another "
                "one begins: %s",
                space.prefix,
                key,
                error,
            )
            indices.delete_if_there(space, key)
            continue
        yield found


def _parse(sealed: object) -> Collection:
    value = sealing.unseal(sealed)
    return Collection(
        id=str(value["id"]),
        phase=Phase(value["phase"]),
        since=parse_timestamp(value["since"]),
        owner_id=str(value["owner_id"]),
        pages=tuple(str(page) for page in value["pages"]),
        spoilt=tuple(str(page) for page in value["spoilt"]),
        operations=tuple(map(Operation.from_json, value["operations"])),
    )
