# SPDX-License-Identifier: Apache-2.0
"""What encrypts a project's chunks: the contract between chunks and key managers."""

import abc
import dataclasses
import hashlib
import hmac
from typing import Any

KEY_SIZE = 32
KEY_ID_SIZE = 16


@dataclasses.dataclass(frozen=True)
class DataKey:
    """The secrets of one project, as they are in memory only.

    :param id: 32 hexadecimal digits; stands in the header of every chunk
    :param encryption_key: 32 bytes, for AES-256-GCM
    :param naming_key: 32 bytes, for HMAC-SHA256; a chunk's digest and name come of it,
        so that they do not tell what the chunk holds
    """

    id: str
    encryption_key: bytes = dataclasses.field(repr=False)
    naming_key: bytes = dataclasses.field(repr=False)

    def hasher(self) -> Any:
        """A keyed hash, to be updated with a chunk's plain bytes."""
        return hmac.new(self.naming_key, digestmod=hashlib.sha256)


class Keyring(abc.ABC):
    """The data keys of a bank's projects; safe to use from many threads."""

    @abc.abstractmethod
    def active(self, project_id: str) -> DataKey:
        """The key for what is written now; made when the project has none.

        :raises DataKeyUnavailable: when it cannot be unwrapped or made
        """

    @abc.abstractmethod
    def get(self, project_id: str, key_id: str) -> DataKey:
        """The key that a chunk's header names.

        :raises DataKeyUnavailable: when it is lost or cannot be unwrapped
        """
