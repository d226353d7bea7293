# SPDX-License-Identifier: Apache-2.0
"""A project's secret, wrapped by a master key: the object that the bank has of it.

A sealed JSON object (:mod:`karbor.services.protection.bank.sealing`) with

=================  ================================================================
``version``        1
``project_id``     whose data it encrypts
``key_id``         32 hexadecimal digits, the id in the headers of chunks
``master_key_id``  by which master key it is wrapped
``cipher``         ``AES-256-GCM``
``nonce``          12 random bytes, in hexadecimal
``wrapped``        the secret's 32 bytes encrypted, and GCM's tag of 16
=================  ================================================================

The first five are authenticated with it, as JSON with sorted keys, no blanks and
ASCII only: an object that was renamed, or put into another project, does not unwrap.
"""

import dataclasses
import json
import os
import re
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.chunks.keyring import (
    KEY_ID_SIZE,
    KEY_SIZE,
    DataKey,
)
from karbor.services.protection.bank.encryption.master_keys import (
    MasterKeys,
    is_key_id,
)

VERSION = 1
CIPHER = "AES-256-GCM"

_NONCE_SIZE = 12
_TAG_SIZE = 16
_KEY_ID = re.compile(f"[0-9a-f]{{{2 * KEY_ID_SIZE}}}")
# Of HKDF; changing one makes all data unreadable.
_ENCRYPTION_INFO = b"karbor chunk encryption 1"
_NAMING_INFO = b"karbor chunk naming 1"


class WrappedKeyInvalid(ValueError):
    """An object is no wrapped key, or does not unwrap; the text says why."""


@dataclasses.dataclass(frozen=True)
class ProjectSecret:
    """What a project's keys are derived from, as it is in memory only.

    :param key_id: 32 hexadecimal digits
    :param secret: 32 bytes
    """

    project_id: str
    key_id: str
    secret: bytes = dataclasses.field(repr=False)

    @classmethod
    def make(cls, project_id: str) -> "ProjectSecret":
        """A new one, at random."""
        return cls(
            project_id,
            secrets.token_hex(KEY_ID_SIZE),
            secrets.token_bytes(KEY_SIZE),
        )

    def data_key(self) -> DataKey:
        """The keys that chunks are encrypted with and named by (RFC 5869, no salt:
        the secret is uniform already)."""
        return DataKey(
            id=self.key_id,
            encryption_key=self._derive(_ENCRYPTION_INFO),
            naming_key=self._derive(_NAMING_INFO),
        )

    def _derive(self, info: bytes) -> bytes:
        derivation = HKDF(hashes.SHA256(), length=KEY_SIZE, salt=None, info=info)
        return derivation.derive(self.secret)


@dataclasses.dataclass(frozen=True)
class WrappedKey:
    """A wrapped secret.

    :param nonce: 12 bytes
    :param wrapped: the encrypted secret and the tag
    """

    project_id: str
    key_id: str
    master_key_id: str
    nonce: bytes
    wrapped: bytes

    @classmethod
    def wrap(
        cls, secret: ProjectSecret, master_keys: MasterKeys, master_key_id: str
    ) -> "WrappedKey":
        """Wrap a secret by a master key.

        :raises MasterKeyUnavailable: when there is no such key
        """
        nonce = os.urandom(_NONCE_SIZE)
        made = cls(secret.project_id, secret.key_id, master_key_id, nonce, b"")
        cipher = AESGCM(master_keys.get(master_key_id))
        wrapped = cipher.encrypt(nonce, secret.secret, made._authenticated())
        return dataclasses.replace(made, wrapped=wrapped)

    def unwrap(self, master_keys: MasterKeys) -> ProjectSecret:
        """The secret.

        :raises MasterKeyUnavailable: when the key that wrapped it is not there
        :raises WrappedKeyInvalid: when that key is another by now, or this object was
            tampered with
        """
        cipher = AESGCM(master_keys.get(self.master_key_id))
        try:
            secret = cipher.decrypt(self.nonce, self.wrapped, self._authenticated())
        except InvalidTag:
            raise WrappedKeyInvalid(
                f"the master key '{self.master_key_id}' does not unwrap it: either "
                "the key manager now has another key under that id, or the object "
                "was changed on purpose"
            ) from None
        return ProjectSecret(self.project_id, self.key_id, secret)

    def to_value(self) -> dict[str, Any]:
        """The object for the bank."""
        return sealing.seal(
            {
                **self._header(),
                "nonce": self.nonce.hex(),
                "wrapped": self.wrapped.hex(),
            }
        )

    @classmethod
    def from_value(cls, value: Any, project_id: str, key_id: str) -> "WrappedKey":
        """Read the object that the bank has under a project's and a key's name.

        :raises WrappedKeyInvalid: when it is damaged, or another's
        """
        try:
            said = sealing.unseal(value)
        except sealing.SealBroken as error:
            raise WrappedKeyInvalid(str(error)) from error
        version, cipher = said.get("version"), said.get("cipher")
        if type(version) is not int or version != VERSION or cipher != CIPHER:
            raise WrappedKeyInvalid(
                f"it has version {version!r} and cipher {cipher!r}; this release knows "
                f"{VERSION} and {CIPHER}"
            )
        if (said.get("project_id"), said.get("key_id")) != (project_id, key_id):
            raise WrappedKeyInvalid("it is another key's, by what it says itself")
        try:
            nonce = bytes.fromhex(said["nonce"])
            wrapped = bytes.fromhex(said["wrapped"])
        except (KeyError, TypeError, ValueError):
            raise WrappedKeyInvalid("its nonce or its wrapped key is none") from None
        master_key_id = said.get("master_key_id")
        if (
            len(nonce) != _NONCE_SIZE
            or len(wrapped) != KEY_SIZE + _TAG_SIZE
            or not isinstance(master_key_id, str)
            or not is_key_id(master_key_id)
        ):
            raise WrappedKeyInvalid(
                "a part of it has not the size or form it must have"
            )
        return cls(project_id, key_id, master_key_id, nonce, wrapped)

    def _header(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "project_id": self.project_id,
            "key_id": self.key_id,
            "master_key_id": self.master_key_id,
            "cipher": CIPHER,
        }

    def _authenticated(self) -> bytes:
        text = json.dumps(self._header(), sort_keys=True, separators=(",", ":"))
        return text.encode("ascii")


def is_data_key_id(text: str) -> bool:
    """Whether a text can be the id of a project's key."""
    return _KEY_ID.fullmatch(text) is not None
