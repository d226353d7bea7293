# SPDX-License-Identifier: Apache-2.0
"""Where chunks are: a project's own space in a bank, or that of one stream."""

import dataclasses
from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.chunks.keyring import DataKey, Keyring

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection

#: The folder of a bank that has a chunk space for each project.
ROOT = "chunks"


@dataclasses.dataclass(frozen=True)
class ChunkSpace:
    """A part of a bank with chunks in it.

    Chunks of a project's space are shared by all its checkpoints and deleted by the
    collector alone. The space of a section outside of checkpoints belongs to one
    attempt to write one stream, and is deleted with it.

    :param section: with the chunks below ``data/``
    :param project_id: None for a space that is not shared
    :param keyring: with the project's keys; None when nothing is to be encrypted
    """

    section: "BankSection"
    project_id: str | None = None
    keyring: Keyring | None = None

    @property
    def is_shared(self) -> bool:
        """Whether streams of different checkpoints may use one object."""
        return self.project_id is not None

    def find(self, digest: str) -> list[str]:
        """The names of all objects with a digest; damaged ones may be among them.

        :raises BankListObjectsFailed: when the bank cannot be listed
        """
        found = []
        for key in self.section.list_objects(prefix=names.prefix(digest)):
            try:
                found.append(names.from_key(key))
            except names.NameInvalid:
                # Not ours: nobody wrote it as a chunk.
                continue
        return found

    def active_key(self) -> DataKey | None:
        """What to encrypt new chunks with; None: nothing.

        :raises DataKeyUnavailable: when they must be encrypted and cannot
        """
        if self.keyring is None or self.project_id is None:
            return None
        return self.keyring.active(self.project_id)

    def find_key(self, key_id: str) -> DataKey:
        """The key that a manifest or a chunk names.

        :raises DataKeyUnavailable: when it is not there
        """
        if self.keyring is None or self.project_id is None:
            raise exception.DataKeyUnavailable(
                key_id=key_id,
                project_id=self.project_id,
                reason="the provider's file names no key manager. Set "
                "[bank_encryption] as it was when the data was written",
            )
        return self.keyring.get(self.project_id, key_id)
