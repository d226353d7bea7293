# SPDX-License-Identifier: Apache-2.0
"""Master keys in memory, that come and go as a test likes."""

import secrets
import threading

from karbor import exception
from karbor.services.protection.bank.encryption.master_keys import (
    MASTER_KEY_SIZE,
    MasterKeys,
)


class MemoryMasterKeys(MasterKeys):
    """Keys in a dict; the last one that was made is active.

    :ivar away: whether the key manager does not answer now
    :ivar fetched: the ids that were asked for, in order
    """

    def __init__(self, *names: str) -> None:
        self.keys: dict[str, bytes] = {}
        self.active = ""
        self.away = False
        self.fetched: list[str] = []
        self._lock = threading.Lock()
        for name in names:
            self.make(name)

    def active_id(self) -> str:
        return self.active

    def get(self, key_id: str) -> bytes:
        with self._lock:
            self.fetched.append(key_id)
        if self.away:
            raise exception.MasterKeyUnavailable(
                key_id=key_id, reason="the key manager is away", retryable=True
            )
        if key_id not in self.keys:
            raise exception.MasterKeyUnavailable(
                key_id=key_id, reason="there is no such key; put it back"
            )
        return self.keys[key_id]

    def make(self, name: str) -> str:
        self.keys[name] = secrets.token_bytes(MASTER_KEY_SIZE)
        self.active = name
        return name
