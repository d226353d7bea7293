# SPDX-License-Identifier: Apache-2.0
"""What a stream is made of, as it is written in the bank.

A *manifest* names the pages of a stream, each an object that lists up to
:data:`PAGE_CHUNKS` chunks in order, so that neither writing nor reading ever holds
the list of a large stream: 10 TiB in chunks of 4 MiB are 2.6 million chunks on
2,560 pages.

Both are JSON objects ``{"body": …, "digest": hex}``, where the digest is sha256 over
the body as JSON with sorted keys and without blanks, in UTF-8. The manifest's body
holds the digest of every page, so the manifest's digest stands for all of it.
"""

import dataclasses
from typing import Any

from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.streams import codecs
from karbor.services.protection.bank.streams.options import MAX_CHUNK_SIZE

FORMAT = "karbor-stream"
VERSION = 1
PAGE_CHUNKS = 1024

#: Where manifests are in a section. Sorts before DATA, so that deleting a section
#: key by key deletes a stream's manifest before its data.
MANIFESTS = ".streams/by-name/"
DATA = ".streams/data/"


class ManifestError(ValueError):
    """A manifest or a page is not what was written; the text says why."""


@dataclasses.dataclass(frozen=True)
class StreamInfo:
    """What is known of a stream in a bank.

    :param name: in its section
    :param length: bytes of the stream
    :param digest: hex digest over the whole stream
    :param hash_name: of that digest and of the chunks' digests
    :param chunk_size: bytes of every chunk but the last
    :param chunk_count: chunks, zero chunks among them
    :param stored_length: bytes of the chunks as they are in the bank
    """

    name: str
    length: int
    digest: str
    hash_name: str
    chunk_size: int
    chunk_count: int
    stored_length: int


@dataclasses.dataclass(frozen=True)
class Chunk:
    """One chunk of a stream.

    :param digest: hex digest of its bytes, before they were compressed
    :param length: bytes
    :param stored_length: bytes of the object; 0 for a zero chunk
    :param codec: how the object came from the bytes; None for a zero chunk
    :param key: the object, relative to the section; None for a zero chunk
    """

    digest: str
    length: int
    stored_length: int = 0
    codec: str | None = None
    key: str | None = None

    @property
    def is_zero(self) -> bool:
        """Whether all bytes are zero and no object is kept."""
        return self.key is None

    def to_json(self) -> dict[str, Any]:
        """As it is written on a page."""
        if self.is_zero:
            return {"digest": self.digest, "length": self.length, "zero": True}
        return {
            "digest": self.digest,
            "length": self.length,
            "stored_length": self.stored_length,
            "codec": self.codec,
            "object": self.key,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Chunk":
        """As it was written on a page.

        :raises ManifestError: when it was not
        """
        try:
            if value.get("zero"):
                return cls(digest=value["digest"], length=_number(value["length"]))
            if value["codec"] not in codecs.CODECS:
                raise ManifestError(
                    f"the codec {value['codec']!r} is not known to this release"
                )
            return cls(
                digest=value["digest"],
                length=_number(value["length"]),
                stored_length=_number(value["stored_length"]),
                codec=value["codec"],
                key=str(value["object"]),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ManifestError(f"a chunk lacks or mistypes {error}") from error


@dataclasses.dataclass(frozen=True)
class Page:
    """Where a page is, and what it must be.

    :param key: relative to the section
    :param digest: hex sha256 of its body
    :param chunks: how many it lists
    """

    key: str
    digest: str
    chunks: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A stream that is whole in the bank.

    :param info: what is known of the stream
    :param attempt: the folder under ``.streams/data/<name>/`` with its objects
    :param pages: in order
    """

    info: StreamInfo
    attempt: str
    pages: tuple[Page, ...]

    def to_json(self) -> dict[str, Any]:
        """As it is written in the bank."""
        info = self.info
        return seal(
            {
                "format": FORMAT,
                "version": VERSION,
                "name": info.name,
                "attempt": self.attempt,
                "hash": info.hash_name,
                "encryption": None,
                "chunk_size": info.chunk_size,
                "chunk_count": info.chunk_count,
                "length": info.length,
                "stored_length": info.stored_length,
                "digest": info.digest,
                "pages": [
                    {"object": page.key, "digest": page.digest, "chunks": page.chunks}
                    for page in self.pages
                ],
            }
        )

    @classmethod
    def from_json(cls, value: Any, name: str) -> "Manifest":
        """As it was written in the bank.

        :param name: of the stream that it must describe
        :raises ManifestError: when it was not
        """
        body = unseal(value)
        try:
            if body["format"] != FORMAT or body["version"] != VERSION:
                raise ManifestError(
                    f"it has format {body['format']!r} version {body['version']!r}; "
                    f"this release reads {FORMAT!r} version {VERSION}"
                )
            if body["encryption"] is not None:
                raise ManifestError("it is encrypted, which this release cannot read")
            if body["hash"] not in codecs.HASHES:
                raise ManifestError(
                    f"the hash {body['hash']!r} is not known to this release"
                )
            if body["name"] != name:
                raise ManifestError(f"it describes another stream, {body['name']!r}")
            manifest = cls(
                info=StreamInfo(
                    name=name,
                    length=_number(body["length"]),
                    digest=body["digest"],
                    hash_name=body["hash"],
                    chunk_size=_number(body["chunk_size"]),
                    chunk_count=_number(body["chunk_count"]),
                    stored_length=_number(body["stored_length"]),
                ),
                attempt=body["attempt"],
                pages=tuple(
                    Page(page["object"], page["digest"], _number(page["chunks"]))
                    for page in body["pages"]
                ),
            )
        except (KeyError, TypeError) as error:
            raise ManifestError(f"it lacks or mistypes {error}") from error
        manifest._check()
        return manifest

    def _check(self) -> None:
        info = self.info
        if not 1 <= info.chunk_size <= MAX_CHUNK_SIZE:
            raise ManifestError(f"its chunk size is {info.chunk_size}")
        if info.chunk_count != -(-info.length // info.chunk_size):
            raise ManifestError(
                f"{info.chunk_count} chunks of {info.chunk_size} bytes do not make "
                f"{info.length} bytes"
            )
        if sum(page.chunks for page in self.pages) != info.chunk_count:
            raise ManifestError("its pages do not list as many chunks as it has")


def page_to_json(chunks: list[Chunk]) -> dict[str, Any]:
    """A page as it is written in the bank."""
    return seal({"chunks": [chunk.to_json() for chunk in chunks]})


def page_from_json(value: Any, page: Page) -> list[Chunk]:
    """The chunks of a page.

    :raises ManifestError: when it is not the page that the manifest names
    """
    body = unseal(value)
    if value["digest"] != page.digest:
        raise ManifestError("it is not the page that the manifest names")
    chunks = [Chunk.from_json(chunk) for chunk in body.get("chunks", ())]
    if len(chunks) != page.chunks:
        raise ManifestError(f"it lists {len(chunks)} chunks instead of {page.chunks}")
    return chunks


def seal(body: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with its digest."""
    return {"body": body, "digest": sealing.digest_of(body)}


def unseal(value: Any) -> dict[str, Any]:
    """The body of a sealed JSON object.

    :raises ManifestError: when the digest is not that of the body
    """
    if not isinstance(value, dict) or not isinstance(value.get("body"), dict):
        raise ManifestError("it is not a JSON object with a body and a digest")
    body: dict[str, Any] = value["body"]
    if value.get("digest") != sealing.digest_of(body):
        raise ManifestError("its digest is not that of its content")
    return body


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"a number: {value!r}")
    return value
