# SPDX-License-Identifier: Apache-2.0
"""Checking what a project's chunk space has beside chunks: keys, marks of damage, and
what a collection of garbage keeps."""

from collections.abc import Callable

from karbor import exception
from karbor.services.protection.administration.checking import (
    Checking,
    raise_if_away,
)
from karbor.services.protection.administration.findings import Finding, Kind
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.chunks import condemned, damaged, names
from karbor.services.protection.bank.chunks.space import ChunkSpace
from karbor.services.protection.bank.encryption.key_store import KEYS
from karbor.services.protection.bank.encryption.wrapping import (
    WrappedKey,
    WrappedKeyInvalid,
    is_data_key_id,
)
from karbor.services.protection.bank.walking import names_below
from karbor.services.protection.collection import state

_DATA = names.DATA.removesuffix("/")
_CONDEMNED = condemned.FOLDER.removesuffix("/")
_DAMAGED = damaged.FOLDER.removesuffix("/")
_COLLECTIONS = state.FOLDER.removesuffix("/")

#: What an object that is not what was written raises.
_BROKEN = (
    exception.BankGetObjectFailed,
    condemned.PageDamaged,
    sealing.SealBroken,
    WrappedKeyInvalid,
)


class ProjectCheck:
    """Looks at one project's chunk space, but for the chunks."""

    def __init__(self, checking: Checking, space: ChunkSpace) -> None:
        self._checking = checking
        self._space = space
        self._section = space.section

    def run(self) -> None:
        """
        :raises BankException: when the bank cannot be asked now
        """
        looks = {
            KEYS: self._check_key,
            _CONDEMNED: self._check_condemned,
            _DAMAGED: self._check_mark,
            _COLLECTIONS: self._check_collection,
        }
        for folder in names_below(self._section, ""):
            if folder in looks:
                for key in self._section.iterate_objects(f"{folder}/"):
                    self._checking.tick()
                    self._checking.report.objects += 1
                    looks[folder](key)
            elif folder != _DATA:
                self._add(Kind.LEFTOVER, "a chunk space has nothing like it", folder)

    def _check_key(self, key: str) -> None:
        key_id = key.removeprefix(f"{KEYS}/")
        project_id = self._space.project_id
        if project_id is None or not is_data_key_id(key_id):
            self._add(Kind.LEFTOVER, "no key can have this id", key)
            return

        def read() -> None:
            WrappedKey.from_value(self._section.get_object(key), project_id, key_id)

        if not self._look(
            key,
            read,
            Kind.KEY,
            "What was encrypted with this key cannot be read without it: bring the "
            "object back from a copy of the bank",
        ):
            return
        try:
            self._space.find_key(key_id)
        except exception.DataKeyUnavailable as error:
            self._checking.report.unchecked.append(str(error))

    def _check_condemned(self, key: str) -> None:
        self._look(
            key,
            lambda: condemned.read_page(self._section, key),
            Kind.MARK,
            "Until the next collection of garbage the project reuses no chunks",
        )

    def _check_collection(self, key: str) -> None:
        self._look(
            key,
            lambda: sealing.unseal(self._section.get_object(key)),
            Kind.MARK,
            "The next collection of garbage begins anew",
        )

    def _check_mark(self, key: str) -> None:
        name = key.removeprefix(damaged.FOLDER)
        try:
            names.parse(name)
        except names.NameInvalid as error:
            self._add(Kind.LEFTOVER, str(error), key)
            return
        self._look(
            key,
            lambda: damaged.check(self._section, name),
            Kind.MARK,
            "It still marks the chunk. Mend it with: karbor-manage bank repair",
        )

    def _look(
        self, key: str, read: Callable[[], object], kind: Kind, consequence: str
    ) -> bool:
        """Read an object; False when it is damaged."""
        try:
            read()
        except _BROKEN as error:
            if isinstance(error, exception.BankException):
                raise_if_away(error)
            if self._section.list_objects(key, limit=1) != [key]:
                # Gone meanwhile, as its owner may let it.
                return True
            self._add(kind, f"{error}. {consequence}", key)
            return False
        return True

    def _add(self, kind: Kind, reason: str, key: str) -> None:
        self._checking.report.add(Finding(kind, reason, self._section.prefix + key))
