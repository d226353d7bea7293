# SPDX-License-Identifier: Apache-2.0
"""A stream as it lies in a bank: its manifest, pages and chunks, each checked."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.chunks.hashing import Hash
from karbor.services.protection.bank.chunks.reader import ChunkDamaged, ChunkReader
from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.streams import manifest

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection


@dataclasses.dataclass(frozen=True, slots=True)
class PlacedChunk:
    """A chunk, and where in the stream it is.

    :param index: counted from 0
    """

    index: int
    chunk: ChunkRef


class StoredStream:
    """Gets the parts of one stream; once made, safe from many threads.

    Every method raises :class:`~karbor.exception.BankDataCorrupted`, naming section,
    stream and part, when something was changed, cut or lost,
    :class:`~karbor.exception.BankGetObjectFailed` when an object is there but the
    bank does not give it, and :class:`~karbor.exception.DataKeyUnavailable` when the
    stream is encrypted and the key is not there.

    :raises BankGetObjectFailed: also when there is no such stream
    """

    def __init__(self, section: "BankSection", name: str) -> None:
        self._section = section
        self._name = keys.validate_part(name)
        key = manifest.MANIFESTS + name
        try:
            value = section.get_object(key)
        except exception.BankGetObjectFailed as error:
            raise self._not_given("its manifest", error) from error
        except exception.InvalidParameterValue as error:
            raise self.corrupted(f"its manifest: {error}") from error
        try:
            self.manifest = manifest.Manifest.from_json(
                value, section.prefix, name, self._find_hash
            )
        except manifest.ManifestError as error:
            raise self.corrupted(f"its manifest: {error}") from error
        self.hash = self._find_hash(self.manifest.project_id, self.manifest.key_id)
        self.space = section.chunk_space(
            name, self.manifest.attempt, self.manifest.project_id
        )
        self._reader = ChunkReader(self.space, self.hash)

    @property
    def info(self) -> manifest.StreamInfo:
        """Length, digest and chunks of the stream."""
        return self.manifest.info

    def chunks(self, *, heal: bool = True) -> Iterator[PlacedChunk]:
        """All chunks in order, as the pages list them."""
        for number in range(len(self.manifest.pages)):
            yield from self.page(number, heal=heal)

    def page(self, number: int, *, heal: bool = True) -> list[PlacedChunk]:
        """The chunks of one page.

        :param heal: as :meth:`read`
        """
        page = self.manifest.pages[number]
        data = self._get(page.ref, f"page {number}", heal)
        try:
            chunks = manifest.page_from_bytes(data, page)
        except manifest.ManifestError as error:
            raise self.corrupted(f"page {number}: {error}") from error
        first = sum(before.chunks for before in self.manifest.pages[:number])
        size = self.info.chunk_size
        for index, chunk in enumerate(chunks, first):
            if chunk.length != min(self.info.length - index * size, size):
                raise self.corrupted(
                    f"chunk {index}: the manifest gives it {chunk.length} bytes"
                )
        return [PlacedChunk(index, chunk) for index, chunk in enumerate(chunks, first)]

    def read(self, placed: PlacedChunk, *, heal: bool = True) -> bytes | memoryview:
        """The bytes of a chunk; length, codec and digest are checked.

        :param heal: take another object with the same content when this one is
            damaged; a check wants to know of the damage instead
        """
        return self._get(placed.chunk, f"chunk {placed.index}", heal)

    def look_at(self, placed: PlacedChunk) -> None:
        """Make sure that the object of a chunk is there and as long as it must be,
        without reading it where the bank can tell that."""
        if placed.chunk.name is not None:
            with self._naming(f"chunk {placed.index}"):
                self._reader.look_at(placed.chunk.name)

    def references(self) -> Iterator[str]:
        """The names of all objects in the chunk space that the stream needs, pages
        among them; one that it needs twice may come twice."""
        for number, page in enumerate(self.manifest.pages):
            if page.ref.name is not None:
                yield page.ref.name
            for placed in self.page(number):
                if placed.chunk.name is not None:
                    yield placed.chunk.name

    def corrupted(self, reason: str) -> exception.BankDataCorrupted:
        """The error that says what of this stream is damaged; its
        ``kwargs["detail"]`` says it for who knows which stream it is."""
        return exception.BankDataCorrupted(
            reason=f"{self._where()}: {reason}", detail=reason
        )

    def _find_hash(self, project_id: str | None, key_id: str | None) -> Hash:
        own = self._section.project_id
        if own is not None and project_id not in (own, None):
            raise manifest.ManifestError(
                f"it names chunks of another project, {project_id!r}"
            )
        if key_id is None:
            return Hash(None)
        space = self._section.chunk_space(self._name, "", project_id)
        return Hash(space.find_key(key_id))

    def _get(self, ref: ChunkRef, what: str, heal: bool) -> bytes | memoryview:
        with self._naming(what):
            return self._reader.get(ref, heal=heal)

    @contextlib.contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        """Have what goes wrong name the stream and the part."""
        try:
            yield
        except ChunkDamaged as error:
            raise self.corrupted(f"{what}: {error}") from error
        except exception.BankGetObjectFailed as error:
            raise self._not_given(what, error) from error

    def _not_given(
        self, what: str, error: exception.BankException
    ) -> exception.BankGetObjectFailed:
        return exception.BankGetObjectFailed(
            key=self._section.prefix + self._name,
            reason=f"{self._where()}: {what}: {error}",
            retryable=error.retryable,
        )

    def _where(self) -> str:
        return f"stream {self._name!r} of {self._section.prefix}"
