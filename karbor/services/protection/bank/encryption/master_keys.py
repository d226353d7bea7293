# SPDX-License-Identifier: Apache-2.0
"""Master keys: the contract between wrapped keys and what keeps their wrapping keys."""

import abc
import re

#: Bytes; for AES-256.
MASTER_KEY_SIZE = 32

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class MasterKeys(abc.ABC):
    """Keys that wrap keys; they never leave the process. Safe from many threads.

    A master key has an id, which is no secret and stands beside everything that
    the key has wrapped.
    """

    @abc.abstractmethod
    def active_id(self) -> str:
        """The id of the key that wraps what is wrapped now; may change with time.

        :raises MasterKeyUnavailable: when there is none
        """

    @abc.abstractmethod
    def get(self, key_id: str) -> bytes:
        """A key of :data:`MASTER_KEY_SIZE` bytes.

        :raises MasterKeyUnavailable: when it is not there or cannot be used;
            ``retryable`` when asking later may help
        """

    @abc.abstractmethod
    def make(self, name: str) -> str:
        """Keep a new random key.

        It is not active for that alone, unless the keeper's own rule says so.

        :param name: for people to find it by; see :func:`is_key_id`
        :returns: the new key's id
        :raises MasterKeyUnavailable: when it could not be kept
        """


def is_key_id(text: object) -> bool:
    """Whether a text can be the id of a master key: 1 to 128 letters of ASCII,
    digits, and ``._-``."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None
