# SPDX-License-Identifier: Apache-2.0
"""Putting chunks, each once."""

import collections
import threading
from collections.abc import Callable, Container
from concurrent.futures import Future

from karbor import exception
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.batches import ObjectBatch
from karbor.services.protection.bank.chunks import damaged, envelope, names
from karbor.services.protection.bank.chunks.hashing import Hash
from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.chunks.space import ChunkSpace

# What one stream has put lately is not looked up again. A megabyte of memory.
_REMEMBERED = 4096


class ChunkWriter:
    """Puts the chunks of one stream; safe from many threads.

    A chunk that the project has already is not put again. The operation that writes
    must be in the bank's list of work in hand before this is made: what it finds
    condemned now it does not rely on, and what is condemned later is not collected
    before the operation has ended (see ``doc/source/contributor/garbage.rst``).

    :param level: of zstd
    :param inline_limit: bytes; what is not longer when stored becomes a part of the
        reference
    :param batch: what objects are put into: they are durable after it was flushed,
        which is before anything refers to them. None: each is when it was put
    :raises DataKeyUnavailable: when chunks must be encrypted and cannot
    :raises BankException: when the bank cannot say what it must not be relied on for
    """

    def __init__(
        self,
        space: ChunkSpace,
        *,
        level: int,
        inline_limit: int,
        batch: ObjectBatch | None = None,
    ) -> None:
        self._space = space
        self._batch = batch or ObjectBatch(space.section.bank.plugin)
        self.key = space.active_key()
        self.hash = Hash(self.key)
        self._packer = envelope.Packer(level, self.key)
        self._inline_limit = inline_limit
        self._damaged: Container[str] = ()
        self._condemned: Container[str] = ()
        self._lists_late = False
        if space.is_shared:
            bank = space.section.bank
            self._lists_late = not bank.plugin.capabilities.strong_read
            self._damaged = damaged.load(space.section)
            self._condemned = bank.condemned_names.load(space.section)
        self._remembered: collections.OrderedDict[str, Future[ChunkRef]]
        self._remembered = collections.OrderedDict()
        self._lock = threading.Lock()

    def zeros(self, length: int) -> ChunkRef:
        """The reference of so many zero bytes, which are not kept."""
        return ChunkRef(self.hash.of_zeros(length), length)

    def put(self, chunk: bytes | memoryview) -> ChunkRef:
        """Make sure that a chunk is in the bank, or in the batch.

        :raises BankException: when it could not be looked up or put
        """
        view = memoryview(chunk)
        return self.ensure(self.hash.digest(view), len(view), lambda: view)

    def ensure(
        self, digest: str, length: int, read: Callable[[], bytes | memoryview]
    ) -> ChunkRef:
        """Make sure that a chunk is in the bank, or in the batch; it is read only when
        it is in neither.

        :param digest: of its bytes, by :attr:`hash`
        :param length: bytes
        :param read: gives the bytes, checked; what it raises comes through
        :raises BankException: when it could not be looked up or put
        """
        mine: Future[ChunkRef] = Future()
        with self._lock:
            other = self._remembered.setdefault(digest, mine)
            if other is mine and len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        if other is not mine:
            # It may still be on its way, in another thread.
            return other.result()
        try:
            ref = self._find(digest, length)
            if ref is None:
                ref = self._store(memoryview(read()), digest)
        except BaseException as error:
            mine.set_exception(error)
            raise
        mine.set_result(ref)
        return ref

    def relies_on(self, name: str) -> bool:
        """Whether an object that is there may be referred to."""
        return name not in self._condemned and name not in self._damaged

    def _find(self, digest: str, length: int) -> ChunkRef | None:
        """What the project has already of a chunk."""
        if not self._space.is_shared or length <= self._inline_limit:
            return None
        for name in self._space.find(digest):
            if self.relies_on(name) and self._is_there(name):
                self._batch.rely_on(self._key(name))
                return ChunkRef(digest, length, name=name)
        return None

    def _is_there(self, name: str) -> bool:
        """Whether an object that was listed is there, as long as it must be."""
        section = self._space.section
        expected = names.parse(name).stored_length
        try:
            size = section.bank.plugin.stored_size(self._key(name))
            if size is None and self._lists_late:
                # What a cache has is no proof.
                size = len(section.uncached.get_object(names.key(name)))
        except exception.BankGetObjectFailed:
            return False
        return size is None or size == expected

    def _store(self, chunk: memoryview, digest: str) -> ChunkRef:
        packed = self._packer.pack(chunk, digest)
        if len(packed) <= self._inline_limit:
            return ChunkRef(digest, len(chunk), inline=bytes(packed))
        name = names.make(digest, len(packed))
        self._batch.update_object(self._key(name), packed)
        return ChunkRef(digest, len(chunk), name=name)

    def _key(self, name: str) -> str:
        return keys.validate(self._space.section.prefix + names.key(name))
