# SPDX-License-Identifier: Apache-2.0
"""A stream as it lies in a bank: its manifest, pages and chunks, each checked."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.streams import codecs, manifest

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection


@dataclasses.dataclass(frozen=True, slots=True)
class PlacedChunk:
    """A chunk, and where in the stream it is.

    :param index: counted from 0
    """

    index: int
    chunk: manifest.Chunk


class StoredStream:
    """Gets the parts of one stream; once made, safe from many threads.

    Every method raises :class:`~karbor.exception.BankDataCorrupted`, naming section,
    stream and part, when something was changed, cut or lost, and
    :class:`~karbor.exception.BankGetObjectFailed` when an object is there but the
    bank does not give it.

    :raises BankGetObjectFailed: also when there is no such stream
    """

    def __init__(self, section: "BankSection", name: str) -> None:
        self._section = section
        self._name = keys.validate_part(name)
        self._decompressor = codecs.Decompressor()
        value = self._get(manifest.MANIFESTS + name, None)
        try:
            self.manifest = manifest.Manifest.from_json(value, name)
        except manifest.ManifestError as error:
            raise self.corrupted(f"its manifest: {error}") from error
        self._hash = codecs.HASHES[self.info.hash_name]

    @property
    def info(self) -> manifest.StreamInfo:
        """Length, digest and chunks of the stream."""
        return self.manifest.info

    def chunks(self) -> Iterator[PlacedChunk]:
        """All chunks in order, as the pages list them."""
        for number in range(len(self.manifest.pages)):
            yield from self.page(number)

    def page(self, number: int) -> list[PlacedChunk]:
        """The chunks of one page."""
        page = self.manifest.pages[number]
        value = self._get(page.key, f"page {number}")
        try:
            chunks = manifest.page_from_json(value, page)
        except manifest.ManifestError as error:
            raise self.corrupted(f"page {number}: {error}") from error
        first = sum(before.chunks for before in self.manifest.pages[:number])
        placed = [
            PlacedChunk(index, chunk) for index, chunk in enumerate(chunks, first)
        ]
        size = self.info.chunk_size
        for index, chunk in enumerate(chunks, first):
            if chunk.length != min(self.info.length - index * size, size):
                raise self.corrupted(
                    f"chunk {index}: the manifest gives it {chunk.length} bytes"
                )
        return placed

    def read(self, placed: PlacedChunk) -> bytes:
        """The bytes of a chunk; length, codec and digest are checked."""
        chunk = placed.chunk
        what = f"chunk {placed.index}"
        if chunk.key is None or chunk.codec is None:
            if chunk.digest != codecs.digest_of_zeros(
                self.info.hash_name, chunk.length
            ):
                raise self.corrupted(f"{what}: its digest is not that of zeros")
            return codecs.zeros(chunk.length)
        stored = self._get(chunk.key, what)
        if not isinstance(stored, bytes):
            raise self.corrupted(f"{what}: it is no longer bytes")
        if len(stored) != chunk.stored_length:
            raise self.corrupted(
                f"{what}: {len(stored)} bytes are stored instead of "
                f"{chunk.stored_length}"
            )
        try:
            data = self._decompressor.decode(chunk.codec, stored, chunk.length)
        except codecs.CodecError as error:
            raise self.corrupted(f"{what}: {error}") from error
        if self._hash(data).hexdigest() != chunk.digest:
            raise self.corrupted(f"{what}: its digest is not the manifest's")
        return data

    def corrupted(self, reason: str) -> exception.BankDataCorrupted:
        """The error that says what of this stream is damaged; its
        ``kwargs["detail"]`` says it for who knows which stream it is."""
        return exception.BankDataCorrupted(
            reason=f"{self._where()}: {reason}", detail=reason
        )

    def _get(self, key: str, what: str | None) -> Any:
        """An object of the stream.

        :param what: it is part of a committed stream, so not being there is damage;
            None for the manifest, without which there is no stream
        """
        try:
            return self._section.get_object(key)
        except exception.BankGetObjectFailed as error:
            if what is None:
                what = "its manifest"
            elif key not in self._section.list_objects(prefix=key, limit=1):
                raise self.corrupted(f"{what}: it is lost: {error}") from error
            raise exception.BankGetObjectFailed(
                key=self._section.prefix + self._name,
                reason=f"{self._where()}: {what}: {error}",
            ) from error
        except exception.InvalidParameterValue as error:
            raise self.corrupted(f"{what}: {error}") from error

    def _where(self) -> str:
        return f"stream {self._name!r} of {self._section.prefix}"
