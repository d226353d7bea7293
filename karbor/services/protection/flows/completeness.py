# SPDX-License-Identifier: Apache-2.0
"""Whether a checkpoint still has all the objects that it had when it was made."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from karbor.services.protection.bank.sections import BankSection

if TYPE_CHECKING:
    from karbor.services.protection.checkpoint import Checkpoint


def lost(checkpoint: "Checkpoint") -> Iterator[tuple[str, str]]:
    """What is not there any more: a resource's id, and the key in its section.

    By the checkpoint's inventory; nothing when it has none, as one of Karbor 1.x. It
    costs a listing for each resource, of which chunks are no part.

    :raises CheckpointUnreadable: when the inventory is damaged
    :raises BankException: when the bank cannot be listed
    """
    for resource_id, names in (checkpoint.inventory or {}).items():
        section = checkpoint.get_resource_bank_section(resource_id, is_writable=False)
        there = set(section.uncached.iterate_objects())
        for key in (*names.objects, *names.streams):
            if key not in there and not _is_listed(section.uncached, key):
                yield resource_id, key


def _is_listed(section: BankSection, key: str) -> bool:
    """Looked at by itself: a page of a listing may have been an old one."""
    return key in section.list_objects(prefix=key, limit=1)
