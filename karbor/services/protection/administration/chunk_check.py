# SPDX-License-Identifier: Apache-2.0
"""Checking one chunk object by reading it."""

from karbor import exception
from karbor.services.protection.administration.checking import raise_if_away
from karbor.services.protection.administration.needed import Needed
from karbor.services.protection.bank.chunks import envelope, names
from karbor.services.protection.bank.chunks.hashing import Hash
from karbor.services.protection.bank.chunks.reader import ChunkDamaged, ChunkReader
from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.chunks.space import ChunkSpace


class ChunkCheck:
    """Reads objects of one chunk space; safe from many threads.

    All of it raises :class:`ChunkDamaged` when an object is not what its name says,
    :class:`~karbor.exception.DataKeyUnavailable` when it is encrypted and the key is
    not there, and :class:`~karbor.exception.BankGetObjectFailed` when it is there and
    the bank does not give it.
    """

    def __init__(self, space: ChunkSpace) -> None:
        self._space = space
        # By key; two threads that make one at once make the same.
        self._readers: dict[str | None, ChunkReader] = {}

    def read(self, name: str, needed: Needed | None = None) -> bytes | memoryview:
        """The bytes of a chunk, after they were checked.

        :param needed: what must be in it; None: what the object says of itself
        """
        if needed is None:
            needed = self.describe(name)
        ref = ChunkRef(names.parse(name).digest, needed.length, name=name)
        return self._reader(needed.key_id).get(ref, heal=False)

    def describe(self, name: str) -> Needed:
        """What an object's header says; it may be wrong."""
        try:
            header = envelope.read_header(self.fetch(name))
        except envelope.EnvelopeError as error:
            raise ChunkDamaged(str(error)) from error
        return Needed(header.length, header.key_id)

    def fetch(self, name: str) -> bytes:
        """The bytes of an object as they are in the bank; only their number is
        checked."""
        return ChunkReader(self._space, Hash(None)).fetch(name)

    def is_there(self, name: str) -> bool:
        """Whether there is an object, damaged or not.

        A bank that may list late is also asked for it; one that it does not give then
        counts as gone.

        :raises BankException: when it cannot be asked now
        """
        section = self._space.section
        key = names.key(name)
        if section.list_objects(key, limit=1) != [key]:
            return False
        if section.bank.plugin.capabilities.strong_read:
            return True
        try:
            section.get_object(key)
        except exception.BankGetObjectFailed as error:
            raise_if_away(error)
            return False
        return True

    def _reader(self, key_id: str | None) -> ChunkReader:
        if key_id not in self._readers:
            key = None if key_id is None else self._space.find_key(key_id)
            self._readers[key_id] = ChunkReader(self._space, Hash(key))
        return self._readers[key_id]
