# SPDX-License-Identifier: Apache-2.0
"""Wrap the keys of a bank's projects with the active master key."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank.encryption.key_store import KeyStore, unavailable
from karbor.services.protection.bank.encryption.master_keys import MasterKeys

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import Bank


@dataclasses.dataclass
class Rotated:
    """What a rotation has done until now.

    :ivar master_key_id: what everything is wrapped with in the end
    :ivar projects: looked at
    :ivar kept: keys that were wrapped with it already, and unwrap
    :ivar rewrapped: keys that are wrapped with it now
    :ivar failed: why keys are not
    """

    master_key_id: str
    projects: int = 0
    kept: int = 0
    rewrapped: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)


class KeyRotation:
    """Replaces one small object for each key of a project, and touches nothing else.

    Runs beside services. Each object is replaced at once and is good before and
    after, so that it can be interrupted anywhere and run again; what is wrapped with
    the active master key is only looked at.

    A service that has not heard of the new master key may still wrap the first key of
    a new project with the old one: run it again when all have, before the old master
    key goes.

    :param bank: without a keyring
    :param on_progress: told after each project
    """

    def __init__(
        self,
        bank: "Bank",
        master_keys: MasterKeys,
        on_progress: Callable[[Rotated], None] = lambda done: None,
    ) -> None:
        self._store = KeyStore(bank, master_keys)
        self._master_keys = master_keys
        self._on_progress = on_progress

    def run(self, project_id: str | None = None) -> Rotated:
        """Rotate the keys of one project, or of all.

        A key that cannot be rewrapped stays as it is, and stops no other.

        :raises MasterKeyUnavailable: when the active master key is not there
        :raises BankListObjectsFailed: when the bank cannot be listed; run it again
        """
        done = Rotated(self._master_keys.active_id())
        self._master_keys.get(done.master_key_id)
        projects: Iterable[str] = (
            self._store.projects() if project_id is None else [project_id]
        )
        for project in projects:
            for key_id in self._store.key_ids(project):
                try:
                    self._rotate(project, key_id, done)
                except exception.DataKeyUnavailable as error:
                    done.failed.append(str(error))
            done.projects += 1
            self._on_progress(done)
        return done

    def _rotate(self, project_id: str, key_id: str, done: Rotated) -> None:
        wrapped = self._store.read(project_id, key_id)
        secret = self._store.unwrap(wrapped)
        if wrapped.master_key_id == done.master_key_id:
            done.kept += 1
            return
        self._store.write(secret, done.master_key_id)
        # The old master key may be destroyed once this is counted.
        written = self._store.read(project_id, key_id)
        if (
            written.master_key_id != done.master_key_id
            or self._store.unwrap(written) != secret
        ):
            raise unavailable(
                project_id,
                key_id,
                f"after it was wrapped with the master key '{done.master_key_id}', the "
                f"bank still shows it wrapped with '{written.master_key_id}': somebody "
                "else rotates too, or the bank answers late; run it again",
                retryable=True,
            )
        done.rewrapped += 1
