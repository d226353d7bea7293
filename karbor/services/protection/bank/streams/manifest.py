# SPDX-License-Identifier: Apache-2.0
"""What a stream is made of, as it is written in the bank.

A *manifest* names the pages of a stream. Each page lists up to :data:`PAGE_CHUNKS`
chunks in order, so that neither writing nor reading ever holds the list of a large
stream: 10 TiB in chunks of 4 MiB are 2.6 million chunks on 2,560 pages. A page is
kept as a chunk is, so streams that share a part share its pages, and a small stream
is all in its manifest.

A manifest is a JSON object ``{"body": …, "digest": hex}``; the digest is sha256 over
the body as JSON with sorted keys, no blanks and ASCII only. Where the project has a
key, ``"mac"`` is the same with the key, so that nobody makes a manifest without it.
The body holds the digest of every page, and a page that of every chunk, so the
manifest's digest stands for all of it.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.chunks.hashing import Hash
from karbor.services.protection.bank.chunks.refs import ChunkRef, RefError
from karbor.services.protection.bank.streams.options import MAX_CHUNK_SIZE

FORMAT = "karbor-stream"
VERSION = 1
PAGE_CHUNKS = 1024

#: Where manifests are in a section. Sorts before DATA, so that deleting a section
#: key by key deletes a stream's manifest before its data.
MANIFESTS = ".streams/by-name/"
#: Where the chunks are of streams outside of a project.
DATA = ".streams/data/"


class ManifestError(ValueError):
    """A manifest or a page is not what was written; the text says why."""


@dataclasses.dataclass(frozen=True)
class StreamInfo:
    """What is known of a stream in a bank.

    :param name: in its section
    :param length: bytes of the stream
    :param digest: hex digest of the whole stream, made of those of its chunks (see
        :class:`~karbor.services.protection.bank.chunks.hashing.StreamHash`)
    :param hash_name: of that digest and of the chunks' digests: ``sha256``, or
        ``hmac-sha256`` where the project has a key
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


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Where a page is, and what it must be.

    :param ref: a page is kept as a chunk is
    :param chunks: how many it lists
    """

    ref: ChunkRef
    chunks: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A stream that is whole in the bank.

    :param info: what is known of the stream
    :param section: prefix of the section that it is in, so that the manifest of
        another checkpoint's stream cannot take its place
    :param attempt: that wrote it; without a project, the folder of its chunks under
        ``.streams/data/<name>/``
    :param project_id: in whose chunk space the chunks are
    :param key_id: hex id of the key that digests are made with; None: plain sha256
    :param pages: in order
    """

    info: StreamInfo
    section: str
    attempt: str
    project_id: str | None
    key_id: str | None
    pages: tuple[Page, ...]

    def to_json(self, hashing: Hash) -> dict[str, Any]:
        """As it is written in the bank.

        :param hashing: with the key of ``key_id``
        """
        info = self.info
        return seal(
            {
                "format": FORMAT,
                "version": VERSION,
                "section": self.section,
                "name": info.name,
                "attempt": self.attempt,
                "project": self.project_id,
                "key": self.key_id,
                "hash": info.hash_name,
                "chunk_size": info.chunk_size,
                "chunk_count": info.chunk_count,
                "length": info.length,
                "stored_length": info.stored_length,
                "digest": info.digest,
                "pages": [
                    {**page.ref.to_json(), "chunks": page.chunks} for page in self.pages
                ],
            },
            hashing,
        )

    @classmethod
    def from_json(
        cls,
        value: Any,
        section: str,
        name: str,
        find_hash: Callable[[str | None, str | None], Hash],
    ) -> "Manifest":
        """As it was written in the bank.

        :param section: prefix of the section where it was found
        :param name: of the stream that it must describe
        :param find_hash: gives the hash of a project and a key's id, or raises
        :raises ManifestError: when it was not
        """
        body = _body(value)
        try:
            if body["format"] != FORMAT or body["version"] != VERSION:
                raise ManifestError(
                    f"it has format {body['format']!r} version {body['version']!r}; "
                    f"this release reads {FORMAT!r} version {VERSION}"
                )
            hashing = find_hash(_name(body["project"]), _name(body["key"]))
            if value.get("mac") != _mac(body, hashing):
                raise ManifestError("it fails authentication")
            if body["hash"] != hashing.name:
                raise ManifestError(
                    f"its hash is {body['hash']!r} instead of {hashing.name!r}"
                )
            if (body["section"], body["name"]) != (section, name):
                raise ManifestError(
                    f"it describes another stream, {body['name']!r} of "
                    f"{body['section']!r}"
                )
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
                section=section,
                attempt=body["attempt"],
                project_id=body["project"],
                key_id=body["key"],
                pages=tuple(
                    Page(ChunkRef.from_json(page), _number(page["chunks"]))
                    for page in body["pages"]
                ),
            )
        except (KeyError, TypeError, AttributeError, RefError) as error:
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


def page_to_bytes(chunks: list[ChunkRef]) -> bytes:
    """A page as it is kept: the same chunks make the same bytes."""
    value = {"chunks": [chunk.to_json() for chunk in chunks]}
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def page_from_bytes(data: bytes | memoryview, page: Page) -> list[ChunkRef]:
    """The chunks of a page.

    :raises ManifestError: when it is no page, or lists more or less than it must
    """
    try:
        listed = json.loads(bytes(data))["chunks"]
        chunks = [ChunkRef.from_json(chunk) for chunk in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"it is not a page: {error}") from error
    if len(chunks) != page.chunks:
        raise ManifestError(f"it lists {len(chunks)} chunks instead of {page.chunks}")
    return chunks


def seal(body: dict[str, Any], hashing: Hash) -> dict[str, Any]:
    """A JSON object with its digest, and with its code where there is a key."""
    sealed = {"body": body, "digest": sealing.digest_of(body)}
    mac = _mac(body, hashing)
    return sealed if mac is None else {**sealed, "mac": mac}


def place_of(value: Any) -> tuple[str | None, str | None]:
    """The attempt and the project of a manifest.

    For who looks for its chunks without the key to check it with.

    :raises ManifestError: when it is damaged
    """
    body = _body(value)
    try:
        return _name(body["attempt"]), _name(body["project"])
    except (KeyError, TypeError) as error:
        raise ManifestError(f"it lacks or mistypes {error}") from error


def _body(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("body"), dict):
        raise ManifestError("it is not a JSON object with a body and a digest")
    body: dict[str, Any] = value["body"]
    if value.get("digest") != sealing.digest_of(body):
        raise ManifestError("its digest is not that of its content")
    return body


def _mac(body: dict[str, Any], hashing: Hash) -> str | None:
    if not hashing.is_keyed:
        return None
    return hashing.digest(sealing.text_of(body))


def _name(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"a name: {value!r:.80}")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"a number: {value!r:.80}")
    return value
