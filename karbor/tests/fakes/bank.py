# SPDX-License-Identifier: Apache-2.0
"""A bank in memory, for tests of what stands on a bank."""

import copy
import threading
from typing import Any

from karbor import exception
from karbor.services.protection.bank_plugin import BankPlugin, LeasePlugin


class MemoryBankPlugin(BankPlugin, LeasePlugin):
    """Keeps values in a dict; ``dead_owners`` lists whose lease is gone."""

    def __init__(self, config: Any = None, owner_id: str = "owner-1") -> None:
        super().__init__(config)
        self.objects: dict[str, Any] = {}
        self.dead_owners: set[str] = set()
        self._owner_id = owner_id
        self._lock = threading.Lock()

    def update_object(self, key: str, value: Any, context: Any = None) -> None:
        if isinstance(value, bytearray | memoryview):
            value = bytes(value)
        with self._lock:
            self.objects[key] = copy.deepcopy(value)

    def get_object(self, key: str, context: Any = None) -> Any:
        with self._lock:
            if key not in self.objects:
                raise exception.BankGetObjectFailed(key=key, reason="no such object")
            return copy.deepcopy(self.objects[key])

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: Any = None,
    ) -> list[str]:
        descending = sort_dir == "desc"
        with self._lock:
            keys = sorted(
                (key for key in self.objects if key.startswith(prefix or "")),
                reverse=descending,
            )
        if marker is not None:
            keys = [
                key for key in keys if (key < marker if descending else key > marker)
            ]
        return keys if limit is None else keys[:limit]

    def delete_object(self, key: str, context: Any = None) -> None:
        with self._lock:
            if key not in self.objects:
                raise exception.BankDeleteObjectFailed(key=key, reason="no such object")
            del self.objects[key]

    def get_owner_id(self, context: Any = None) -> str:
        return self._owner_id

    def acquire_lease(self) -> None:
        self.dead_owners.discard(self._owner_id)

    def renew_lease(self) -> None:
        self.acquire_lease()

    def check_lease_validity(self) -> bool:
        return self._owner_id not in self.dead_owners

    def check_lease_existence(self, owner_id: str) -> bool:
        return owner_id == self._owner_id and owner_id not in self.dead_owners
