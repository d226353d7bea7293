# SPDX-License-Identifier: Apache-2.0
"""Digests of chunks and streams: sha256, keyed where the project has a key."""

import functools
import hashlib
from typing import Any

from karbor.services.protection.bank.chunks import codecs
from karbor.services.protection.bank.chunks.keyring import DataKey

SHA256 = "sha256"
HMAC_SHA256 = "hmac-sha256"


class Hash:
    """One way to digest; safe from many threads.

    A plain digest tells everybody what it is the digest of who can guess that; a
    keyed one tells nothing without the key.

    :param key: None for plain sha256
    """

    def __init__(self, key: DataKey | None) -> None:
        self._key = key
        self.of_zeros = functools.lru_cache(maxsize=8)(self._of_zeros)

    @property
    def is_keyed(self) -> bool:
        """Whether nobody can make its digests without the key."""
        return self._key is not None

    @property
    def name(self) -> str:
        """As a manifest names it."""
        return SHA256 if self._key is None else HMAC_SHA256

    def new(self) -> Any:
        """A hash object, to be updated with bytes."""
        return hashlib.sha256() if self._key is None else self._key.hasher()

    def digest(self, data: bytes | memoryview) -> str:
        """The hex digest of some bytes."""
        made = self.new()
        made.update(data)
        digest: str = made.hexdigest()
        return digest

    def _of_zeros(self, length: int) -> str:
        """The hex digest of so many zero bytes."""
        return self.digest(codecs.zeros(length))
