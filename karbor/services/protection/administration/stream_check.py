# SPDX-License-Identifier: Apache-2.0
"""Checking one stream: its manifest and its pages.

Chunks are shared, so they are only noted here, and looked at once for all streams.
"""

from collections.abc import Callable

from karbor import exception
from karbor.services.protection.administration.checking import (
    Checking,
    detail,
    raise_if_away,
)
from karbor.services.protection.administration.findings import Kind
from karbor.services.protection.administration.needed import Needed
from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.chunks.hashing import StreamHash
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.stored import PlacedChunk, StoredStream

#: Takes ``kind``, ``reason``, ``key`` (in the bank), and ``chunk`` if it is one.
Damaged = Callable[..., None]


class StreamCheck:
    """Looks at one stream once.

    :param section: that has the stream
    :param damaged: told what is wrong
    """

    def __init__(
        self, section: BankSection, name: str, checking: Checking, damaged: Damaged
    ) -> None:
        self._section = section
        self._name = name
        self._checking = checking
        self._damaged = damaged
        self._key = section.prefix + manifest.MANIFESTS + name

    def run(self) -> str | None:
        """Look at all of it.

        :returns: the attempt that wrote it, None when the manifest is damaged
        :raises BankException: when the bank cannot be asked now
        """
        try:
            stored = StoredStream(self._section, self._name)
        except exception.BankException as error:
            raise_if_away(error)
            self._damaged(Kind.STREAM, detail(error), self._key)
            return None
        self._checking.report.streams += 1
        whole = StreamHash(stored.hash)
        space = stored.space.section.prefix
        is_whole = True
        for number, page in enumerate(stored.manifest.pages):
            self._checking.tick()
            self._checking.report.chunks += page.chunks
            self._checking.needed.add(
                stored.space, page.ref, stored.manifest.key_id, is_read=True
            )
            digest = self._checking.pages.get(space, page.ref.name)
            if digest is None:
                digest = self._look_at(stored, number, whole)
            if digest is None:
                is_whole = False
            else:
                whole.update(digest)
        if is_whole and whole.hexdigest() != stored.info.digest:
            reason = "the digest of the whole is not the manifest's"
            self._damaged(Kind.STREAM, reason, self._key)
        return stored.manifest.attempt

    def _look_at(
        self, stored: StoredStream, number: int, whole: StreamHash
    ) -> bytes | None:
        """Look at a page and what it names.

        :returns: the page's digest; None when the page is lost
        """
        ref = stored.manifest.pages[number].ref
        key = self._key
        if ref.name is not None:
            key = stored.space.section.prefix + names.key(ref.name)
        key_id = stored.manifest.key_id
        chunks, is_sound = self._read_page(stored, number, key)
        if chunks is None:
            return None
        for placed in chunks:
            if placed.chunk.name is not None:
                self._checking.needed.add(stored.space, placed.chunk, key_id)
            elif self._checking.depth.takes():
                self._read(stored, placed, key)
        digest = whole.of_page(placed.chunk.digest for placed in chunks)
        if is_sound:
            self._checking.pages.add(stored.space.section.prefix, ref.name, digest)
        return digest

    def _read_page(
        self, stored: StoredStream, number: int, key: str
    ) -> tuple[list[PlacedChunk] | None, bool]:
        """The chunks of a page, None when it is lost, and whether its object is sound:
        another one may still tell what is on it."""
        try:
            return stored.page(number, heal=False), True
        except exception.BankException as error:
            raise_if_away(error)
            reason = detail(error)
        ref = stored.manifest.pages[number].ref
        needed = Needed(ref.length, stored.manifest.key_id)
        is_sound = ref.name is not None and self._checking.mender.mend(
            stored.space, ref.name, needed, reason.removeprefix(f"page {number}: ")
        )
        if not is_sound:
            self._damaged(Kind.STREAM, reason, key)
        try:
            return stored.page(number, heal=True), is_sound
        except exception.BankException as error:
            raise_if_away(error)
            return None, False

    def _read(self, stored: StoredStream, placed: PlacedChunk, key: str) -> None:
        """Check what is no object: zeros, or bytes in the page itself."""
        try:
            data = stored.read(placed, heal=False)
        except exception.BankException as error:
            raise_if_away(error)
            reason = detail(error).removeprefix(f"chunk {placed.index}: ")
            self._damaged(Kind.CHUNK, reason, key, placed.index)
            return
        if not placed.chunk.is_zero:
            self._checking.report.bytes_read += len(data)
