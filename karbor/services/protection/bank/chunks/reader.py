# SPDX-License-Identifier: Apache-2.0
"""Getting chunks, each checked before it is given out."""

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank.chunks import codecs, envelope, names
from karbor.services.protection.bank.chunks.hashing import Hash
from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.chunks.space import ChunkSpace

LOG = logging.getLogger(__name__)


class ChunkDamaged(ValueError):
    """A chunk was changed, cut or lost; the text says which of these and how."""


class ChunkReader:
    """Gets the chunks of a space; safe from many threads.

    :param hashing: what their digests are made with
    """

    def __init__(self, space: ChunkSpace, hashing: Hash) -> None:
        self._space = space
        self._hash = hashing
        self._unpacker = envelope.Unpacker(space.find_key)

    def get(self, ref: ChunkRef, *, heal: bool = True) -> bytes | memoryview:
        """The bytes of a chunk.

        :param heal: give the bytes of another object with the same digest when this
            one is damaged; a check wants to know of the damage instead
        :raises ChunkDamaged: when its bytes are not to be had any more
        :raises DataKeyUnavailable: when it is encrypted and the key is not there
        :raises BankGetObjectFailed: when the object is there and the bank does not
            give it
        """
        if ref.is_zero:
            if ref.digest != self._hash.of_zeros(ref.length):
                raise ChunkDamaged("its digest is not that of zeros")
            return codecs.zeros(ref.length)
        if ref.name is None:
            return self._open(ref.inline or b"", ref)
        try:
            return self._open(self.fetch(ref.name), ref)
        except ChunkDamaged as error:
            if not heal or not self._space.is_shared:
                raise
            return self._heal(ref, error)

    def look_at(self, name: str) -> None:
        """Make sure that an object is there and as long as it must be.

        It is read only where the bank cannot tell the size of one.

        :raises ChunkDamaged: when it is lost, or not as long as it was
        :raises BankGetObjectFailed: as :meth:`get`
        """
        section = self._space.section
        try:
            size = section.bank.plugin.stored_size(section.prefix + names.key(name))
        except exception.BankGetObjectFailed:
            # To tell what is lost from what the bank does not give now.
            size = None
        if size is None:
            size = len(self.fetch(name))
        expected = names.parse(name).stored_length
        if size != expected:
            raise ChunkDamaged(f"{size} bytes are stored instead of {expected}")

    def fetch(self, name: str) -> bytes:
        """The bytes of an object, as they are in the bank.

        :raises ChunkDamaged: when it is lost, or not as long as it was
        :raises BankGetObjectFailed: as :meth:`get`
        """
        key = names.key(name)
        try:
            stored = self._space.section.get_object(key)
        except exception.BankGetObjectFailed as error:
            if self._space.section.list_objects(prefix=key, limit=1) == [key]:
                raise
            raise ChunkDamaged(f"it is lost: {error}") from error
        if not isinstance(stored, bytes):
            raise ChunkDamaged("it is no longer bytes")
        expected = names.parse(name).stored_length
        if len(stored) != expected:
            raise ChunkDamaged(f"{len(stored)} bytes are stored instead of {expected}")
        return stored

    def _open(self, stored: bytes, ref: ChunkRef) -> bytes | memoryview:
        try:
            data = self._unpacker.unpack(stored, ref.digest, ref.length)
        except envelope.EnvelopeError as error:
            raise ChunkDamaged(str(error)) from error
        if self._hash.digest(data) != ref.digest:
            raise ChunkDamaged("its digest is not the manifest's")
        return data

    def _heal(self, ref: ChunkRef, damage: ChunkDamaged) -> bytes | memoryview:
        for name in self._space.find(ref.digest):
            if name == ref.name:
                continue
            try:
                data = self._open(self.fetch(name), ref)
            except ChunkDamaged:
                # The damage of the one that was asked for is what is told.
                continue
            LOG.warning(
                "Chunk %s of %s is damaged (%s); its content was found as %s. Repair "
                "the bank with 'karbor-manage bank repair'.",
                ref.name,
                self._space.section.prefix,
                damage,
                name,
            )
            return data
        raise damage
