# SPDX-License-Identifier: Apache-2.0
"""Whether a checkpoint still has all the objects that it had when it was made."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank.depth import Depth
from karbor.services.protection.bank.sections import BankSection

if TYPE_CHECKING:
    from karbor.services.protection.checkpoint import Checkpoint
    from karbor.services.protection.checkpoints.inventory import ResourceInventory

_THREADS = 8


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is lost or damaged.

    :param key: in the resource's section
    :param reason: for people
    """

    resource_id: str
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


def findings(
    checkpoint: "Checkpoint", depth_of: Callable[[str], Depth]
) -> list[Finding]:
    """What the checkpoint's inventory has and the bank has not, or not as it was.

    Nothing when it has no inventory, as one of Karbor 1.x. It costs a listing for each
    resource, of which chunks are no part, and a read of the objects that the depth
    takes. Streams are only looked for: verifying them is the plugins' business.

    :param depth_of: takes a resource's id
    :raises CheckpointUnreadable: when the inventory is damaged
    :raises BankException: when the bank cannot be asked
    """

    def look_at(resource: tuple[str, "ResourceInventory"]) -> list[Finding]:
        resource_id, names = resource
        section = checkpoint.get_resource_bank_section(resource_id, is_writable=False)
        found = _look_at(section.uncached, names, depth_of(resource_id))
        return [Finding(resource_id, key, reason) for key, reason in found]

    inventory = checkpoint.inventory or {}
    with ThreadPoolExecutor(_THREADS, "completeness") as workers:
        found = workers.map(look_at, inventory.items())
        return [finding for of_resource in found for finding in of_resource]


def _look_at(
    section: BankSection, names: "ResourceInventory", depth: Depth
) -> Iterator[tuple[str, str]]:
    there = set(section.iterate_objects())
    chosen = depth.choose(len(names.objects))
    for key, is_read in zip(names.objects, chosen, strict=True):
        reason = _read(section, key) if is_read or key not in there else None
        if reason is not None:
            yield key, reason
    for key in names.streams:
        if key not in there and not _is_listed(section, key):
            yield key, "it is lost"


def _read(section: BankSection, key: str) -> str | None:
    """What is wrong with an object."""
    try:
        section.get_object(key)
    except exception.BankGetObjectFailed as error:
        if error.retryable:
            raise
        return str(error) if _is_listed(section, key) else "it is lost"
    return None


def _is_listed(section: BankSection, key: str) -> bool:
    """Looked at by itself: a page of a listing may have been an old one."""
    return key in section.list_objects(prefix=key, limit=1)
