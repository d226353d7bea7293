# SPDX-License-Identifier: Apache-2.0
"""The operations that are at work on a bank, as its list of work in hand tells."""

import dataclasses
from collections.abc import Iterable
from typing import Any
from urllib import parse

from karbor import exception
from karbor.services.protection.bank.walking import Walk
from karbor.services.protection.checkpoints import indices
from karbor.services.protection.checkpoints.store import CheckpointStore

_PROVIDERS = indices.LISTINGS[2] + "/"


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Operation:
    """One operation at work.

    :param project_id: whose checkpoint it works on; None when that cannot be told
    """

    owner_id: str
    checkpoint_id: str
    project_id: str | None = dataclasses.field(default=None, compare=False)

    def concerns(self, project_id: str) -> bool:
        """Whether it may use a project's chunks."""
        return self.project_id in (project_id, None)

    def to_json(self) -> list[Any]:
        """As it is kept in the bank."""
        return [self.owner_id, self.checkpoint_id]

    @classmethod
    def from_json(cls, value: Any) -> "Operation":
        """As it was kept in the bank.

        :raises ValueError, TypeError: when it was not
        """
        owner_id, checkpoint_id = value
        return cls(str(owner_id), str(checkpoint_id))


def in_hand(store: CheckpointStore) -> list[Operation]:
    """All operations at work, of any owner, living or dead.

    An entry that cannot be read counts for every project.

    :raises BankException: when the bank cannot be listed
    """
    return [_operation(store, key) for key in Walk(store.indices.section, _PREFIX)]


_PREFIX = indices.IN_WORK + "/"


def _operation(store: CheckpointStore, key: str) -> Operation:
    owner_id, checkpoint_id = indices.owner_of(key), key.rpartition("/")[2]
    try:
        entry = indices.work_entry(store.indices.section.get_object(key))
    except (exception.BankGetObjectFailed, KeyError, TypeError, ValueError):
        return Operation(owner_id, checkpoint_id)
    return Operation(owner_id, checkpoint_id, _project(entry.keys))


def _project(keys: Iterable[str]) -> str | None:
    """The project that a checkpoint's keys in the listings name."""
    for key in keys:
        if key.startswith(_PROVIDERS):
            parts = key.split("/")
            if len(parts) > 3:
                return parse.unquote(parts[2])
    return None
