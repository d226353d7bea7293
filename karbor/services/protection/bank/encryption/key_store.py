# SPDX-License-Identifier: Apache-2.0
"""Where a bank has the wrapped keys of its projects."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank import walking
from karbor.services.protection.bank.chunks.space import ROOT
from karbor.services.protection.bank.encryption.master_keys import MasterKeys
from karbor.services.protection.bank.encryption.wrapping import (
    ProjectSecret,
    WrappedKey,
    WrappedKeyInvalid,
    is_data_key_id,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import Bank, BankSection

#: The folder of a project's chunk space that has its keys.
KEYS = "keys"


class KeyStore:
    """The objects ``/chunks/<project>/keys/<key id>`` of a bank.

    Nothing here deletes one: where there is a daemon that has a key in memory, there
    may be data of that key.

    :param master_keys: what the keys are wrapped with
    """

    def __init__(self, bank: "Bank", master_keys: MasterKeys) -> None:
        # A rotation in another process replaces what a cache has kept.
        self._bank = bank.uncached
        self._master_keys = master_keys

    def projects(self) -> Iterator[str]:
        """The ids of all projects that have chunks or keys.

        :raises BankListObjectsFailed: when the bank cannot be listed
        """
        return walking.names_below(self._bank, f"/{ROOT}/")

    def key_ids(self, project_id: str) -> list[str]:
        """The ids of a project's keys, in order; a bank that lists late may lack some.

        :raises BankListObjectsFailed: when the bank cannot be listed
        """
        listed = self._section(project_id).list_objects()
        return [name for name in listed if is_data_key_id(name)]

    def read(self, project_id: str, key_id: str) -> WrappedKey:
        """A wrapped key.

        :raises DataKeyUnavailable: when there is none, or its object is damaged
        """
        if not is_data_key_id(key_id):
            raise unavailable(project_id, key_id, "that is no key's id")
        try:
            value = self._section(project_id).get_object(key_id)
            return WrappedKey.from_value(value, project_id, key_id)
        except exception.BankGetObjectFailed as error:
            raise unavailable(
                project_id,
                key_id,
                f"the bank does not give {self.name(project_id, key_id)}: {error} Data "
                "that was encrypted with this key cannot be read without it",
                retryable=error.retryable,
            ) from error
        except WrappedKeyInvalid as error:
            raise unavailable(
                project_id,
                key_id,
                f"the object {self.name(project_id, key_id)} is damaged: {error}. "
                "Bring it back from a copy of the bank; data that was encrypted with "
                "this key cannot be read without it",
            ) from error

    def unwrap(self, wrapped: WrappedKey) -> ProjectSecret:
        """The secret in a wrapped key.

        :raises DataKeyUnavailable: when the master key that wrapped it is not there,
            or does not fit
        """
        project_id, key_id = wrapped.project_id, wrapped.key_id
        try:
            return wrapped.unwrap(self._master_keys)
        except exception.MasterKeyUnavailable as error:
            raise unavailable(
                project_id, key_id, str(error), retryable=error.retryable
            ) from error
        except WrappedKeyInvalid as error:
            raise unavailable(
                project_id,
                key_id,
                f"object {self.name(project_id, key_id)}: {error}",
            ) from error

    def write(self, secret: ProjectSecret, master_key_id: str | None = None) -> None:
        """Keep a secret, wrapped; replaces what was there under its id.

        :param master_key_id: what to wrap it with; None: the active one
        :raises DataKeyUnavailable: when the master key is not there, or the bank does
            not take it
        """
        project_id, key_id = secret.project_id, secret.key_id
        try:
            if master_key_id is None:
                master_key_id = self._master_keys.active_id()
            wrapped = WrappedKey.wrap(secret, self._master_keys, master_key_id)
            self._section(project_id).update_object(key_id, wrapped.to_value())
        except exception.BankException as error:
            raise unavailable(
                project_id, key_id, str(error), retryable=error.retryable
            ) from error

    @staticmethod
    def name(project_id: str, key_id: str) -> str:
        """The name of a key's object in the bank."""
        return f"/{ROOT}/{project_id}/{KEYS}/{key_id}"

    def _section(self, project_id: str) -> "BankSection":
        return self._bank.get_sub_section(f"{ROOT}/{project_id}/{KEYS}")


def unavailable(
    project_id: str, key_id: str, reason: str, *, retryable: bool = False
) -> exception.DataKeyUnavailable:
    """The error that a project's key cannot be had."""
    return exception.DataKeyUnavailable(
        project_id=project_id, key_id=key_id, reason=reason, retryable=retryable
    )
