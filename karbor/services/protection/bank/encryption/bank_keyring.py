# SPDX-License-Identifier: Apache-2.0
"""The keys of a bank's projects, wrapped in the bank itself."""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank.chunks.keyring import DataKey, Keyring
from karbor.services.protection.bank.encryption.key_store import KeyStore, unavailable
from karbor.services.protection.bank.encryption.master_keys import MasterKeys
from karbor.services.protection.bank.encryption.wrapping import ProjectSecret

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import Bank

LOG = logging.getLogger(__name__)

#: How long a project's active key is used without a look at the bank.
LOOK_SECONDS = 600.0


@dataclasses.dataclass(frozen=True)
class _Known:
    secret: ProjectSecret
    key: DataKey


@dataclasses.dataclass(frozen=True)
class _Active:
    known: _Known
    looked_at: float


class BankKeyring(Keyring):
    """Makes each project a key when it first needs one; unwrapped keys stay in memory.

    Any number of services use one bank. Each that sees no key makes one, under an id
    of its own, and then looks again: all take the key with the smallest id, and the
    others stay readable. A bank that lists late lets two use different keys for a
    while: their chunks are not shared, and nothing else comes of it.

    Which key is active is looked at again every :data:`LOOK_SECONDS`; when the bank
    then does not have the one that was used, it is written once more, so that what it
    has encrypted stays readable whatever became of its object.

    :param bank: without a keyring of its own
    :param clock: seconds that only grow
    """

    def __init__(
        self,
        bank: "Bank",
        master_keys: MasterKeys,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = KeyStore(bank, master_keys)
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}
        self._active: dict[str, _Active] = {}
        # A key manager that is slow for one project does not hold up the others.
        self._locks: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)
        self._locks_lock = threading.Lock()

    def active(self, project_id: str) -> DataKey:
        found = self._active.get(project_id)
        if found is None or not self._is_fresh(found):
            with self._lock_of(project_id):
                found = self._active.get(project_id)
                if found is None or not self._is_fresh(found):
                    looked_at = self._clock()
                    used = None if found is None else found.known.secret
                    found = _Active(self._choose(project_id, used), looked_at)
                    self._active[project_id] = found
        return found.known.key

    def get(self, project_id: str, key_id: str) -> DataKey:
        found = self._known.get((project_id, key_id))
        if found is None:
            with self._lock_of(project_id):
                found = self._load(project_id, key_id)
        return found.key

    def _is_fresh(self, active: _Active) -> bool:
        return self._clock() - active.looked_at < LOOK_SECONDS

    def _lock_of(self, project_id: str) -> threading.Lock:
        with self._locks_lock:
            return self._locks[project_id]

    def _choose(self, project_id: str, used: ProjectSecret | None) -> _Known:
        """The key for what is written now; the project's lock is held.

        :param used: what this service has encrypted with until now
        """
        listed = set(self._listed(project_id))
        if used is None and not listed:
            used = self._made(project_id)
            # Whoever else makes one now looks afterwards too.
            listed = set(self._listed(project_id))
        elif used is not None and used.key_id not in listed:
            self._keep(used)
        if used is not None:
            listed.add(used.key_id)
        return self._first(project_id, sorted(listed))

    def _listed(self, project_id: str) -> list[str]:
        try:
            return self._store.key_ids(project_id)
        except exception.BankListObjectsFailed as error:
            raise unavailable(
                project_id, "(the active one)", str(error), retryable=error.retryable
            ) from error

    def _made(self, project_id: str) -> ProjectSecret:
        made = ProjectSecret.make(project_id)
        self._store.write(made)
        self._remember(made)
        LOG.info("Made the key %s for the data of project %s", made.key_id, project_id)
        return made

    def _keep(self, used: ProjectSecret) -> None:
        """Make sure that a key is in the bank, which does not list it."""
        try:
            self._store.read(used.project_id, used.key_id)
        except exception.DataKeyUnavailable as error:
            if error.retryable:
                raise
            LOG.warning("%s; this service still has it, and writes it anew", error)
            self._store.write(used)

    def _first(self, project_id: str, key_ids: list[str]) -> _Known:
        """The first key that can be had.

        When none can, no new one is made: a service with the wrong master keys is to
        say so, and not to go on as if there were no data yet.
        """
        errors: list[exception.DataKeyUnavailable] = []
        for key_id in key_ids:
            try:
                found = self._load(project_id, key_id)
            except exception.DataKeyUnavailable as error:
                if error.retryable:
                    raise
                errors.append(error)
                continue
            for problem in errors:
                LOG.warning("%s; encrypting with %s", problem, key_id)
            return found
        raise errors[0]

    def _load(self, project_id: str, key_id: str) -> _Known:
        """A key, from memory or the bank; the project's lock is held."""
        found = self._known.get((project_id, key_id))
        if found is None:
            wrapped = self._store.read(project_id, key_id)
            found = self._remember(self._store.unwrap(wrapped))
        return found

    def _remember(self, secret: ProjectSecret) -> _Known:
        made = _Known(secret, secret.data_key())
        self._known[secret.project_id, secret.key_id] = made
        return made
