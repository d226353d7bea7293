# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint's resources keep, by name, so that a check finds what is lost.

Taken when the checkpoint becomes ``available``. Objects that plugins add later, such
as notes of a restore, are not in it.
"""

import dataclasses
from typing import Any

from karbor import exception
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.walking import Walk

#: The folder of a checkpoint with a section for each resource.
RESOURCE_DATA = "resource-data"

_DATA = "/" + manifest.DATA
_MANIFESTS = "/" + manifest.MANIFESTS


@dataclasses.dataclass
class ResourceInventory:
    """The names of one resource.

    :param objects: keys in the resource's section that are of no stream
    :param streams: manifests' keys in the resource's section
    """

    objects: list[str] = dataclasses.field(default_factory=list)
    streams: list[str] = dataclasses.field(default_factory=list)


def take(section: BankSection) -> dict[str, ResourceInventory]:
    """The names of all resources, by their ids; the objects of streams' data are not
    even listed.

    :param section: with a section for each resource
    :raises BankException: when the bank cannot be listed
    """
    found: dict[str, ResourceInventory] = {}
    walk = Walk(section, "")
    for key in walk:
        if _DATA in key:
            walk.skip(key[: key.index(_DATA) + len(_DATA) - 1])
            continue
        resource_id, _, name = key.partition("/")
        names = found.setdefault(resource_id, ResourceInventory())
        (names.streams if _MANIFESTS in key else names.objects).append(name)
    return found


def read(
    checkpoint_id: str, name: str | None, value: Any
) -> dict[str, ResourceInventory]:
    """As it was kept in the bank.

    :param name: of its object
    :raises CheckpointUnreadable: when it was not
    """
    try:
        return from_json(value)
    except (AttributeError, KeyError, TypeError) as error:
        raise exception.CheckpointUnreadable(
            checkpoint_id=checkpoint_id, reason=f"its object {name}: {error!r}"
        ) from error


def to_json(inventory: dict[str, ResourceInventory]) -> dict[str, Any]:
    """As it is kept in the bank."""
    return {name: dataclasses.asdict(names) for name, names in inventory.items()}


def from_json(value: Any) -> dict[str, ResourceInventory]:
    """As it was kept in the bank.

    :raises KeyError, TypeError, AttributeError: when it was not
    """
    return {
        name: ResourceInventory(list(names["objects"]), list(names["streams"]))
        for name, names in value.items()
    }
