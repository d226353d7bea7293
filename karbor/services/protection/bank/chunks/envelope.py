# SPDX-License-Identifier: Apache-2.0
"""The bytes of a chunk as an object has them: a header, and the payload.

========= ===== ==============================================================
bytes     size  what
========= ===== ==============================================================
0         4     ``KBRC``
4         1     version of this format, 1
5         1     codec of the payload: 0 as it is, 1 zstd
6         1     cipher: 0 none, 1 AES-256-GCM
7         1     0
8         8     length of the chunk before compression, big-endian
========= ===== ==============================================================

An encrypted chunk has the id of its key (16 bytes) and its nonce (12 random bytes)
next, then the ciphertext, then GCM's tag (16 bytes). Header, key id, nonce and the
chunk's digest are authenticated with it: a chunk cannot take another's place.
Random nonces of 96 bits are safe for 2^32 chunks of one key (NIST SP 800-38D, 8.3),
which are 16 PiB in chunks of 4 MiB.
"""

import dataclasses
import os
import struct
import threading
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from karbor.services.protection.bank.chunks import codecs
from karbor.services.protection.bank.chunks.keyring import KEY_ID_SIZE, DataKey

MAGIC = b"KBRC"
VERSION = 1

_HEADER = struct.Struct(">4sBBBBQ")
_CODECS = (codecs.RAW, codecs.ZSTD)
_PLAIN = 0
_AES_256_GCM = 1
_NONCE_SIZE = 12
_TAG_SIZE = 16
_SECRET_HEADER_SIZE = _HEADER.size + KEY_ID_SIZE + _NONCE_SIZE

#: Bytes that an object has beyond its payload, at most.
OVERHEAD = _SECRET_HEADER_SIZE + _TAG_SIZE


class EnvelopeError(ValueError):
    """Stored bytes are not a chunk's; the text says why."""


@dataclasses.dataclass(frozen=True)
class Envelope:
    """What the header of a chunk says.

    :param codec: of the payload
    :param length: bytes of the chunk
    :param key_id: hex id of the key; None when it is not encrypted
    """

    codec: str
    length: int
    key_id: str | None


class Packer:
    """Makes objects of chunks; safe from many threads.

    :param level: of zstd
    :param key: to encrypt with; None: not encrypted
    """

    def __init__(self, level: int, key: DataKey | None) -> None:
        self._compressor = codecs.Compressor(level)
        self._key = key
        self._cipher = None if key is None else AESGCM(key.encryption_key)
        self._local = threading.local()

    def pack(self, chunk: memoryview, digest: str) -> memoryview:
        """The bytes to store.

        :param digest: hex, of the chunk
        :returns: good until this thread packs the next chunk
        """
        codec, payload = self._compressor.encode(chunk)
        cipher = _PLAIN if self._cipher is None else _AES_256_GCM
        header = _HEADER.pack(
            MAGIC, VERSION, _CODECS.index(codec), cipher, 0, len(chunk)
        )
        room = self._room(len(payload) + OVERHEAD)
        if self._key is None or self._cipher is None:
            start, end = _HEADER.size, _HEADER.size + len(payload)
            room[:start] = header
            room[start:end] = payload
            return room[:end]
        nonce = os.urandom(_NONCE_SIZE)
        header += bytes.fromhex(self._key.id) + nonce
        start, end = len(header), len(header) + len(payload) + _TAG_SIZE
        room[:start] = header
        authenticated = header + bytes.fromhex(digest)
        self._cipher.encrypt_into(nonce, payload, authenticated, room[start:end])
        return room[:end]

    def _room(self, size: int) -> memoryview:
        # New memory costs as much as encrypting into it.
        room: memoryview | None = getattr(self._local, "room", None)
        if room is None or len(room) < size:
            room = self._local.room = memoryview(bytearray(size))
        return room


class Unpacker:
    """Gives the chunks back; safe from many threads.

    :param find_key: gives the key of a hex id, or raises why there is none
    """

    def __init__(self, find_key: Callable[[str], DataKey]) -> None:
        self._find_key = find_key
        self._decompressor = codecs.Decompressor()

    def unpack(
        self, stored: bytes | memoryview, digest: str, length: int
    ) -> bytes | memoryview:
        """The bytes of a chunk; their digest is still to be checked.

        :param stored: the object's bytes; what is returned may be a part of them
        :param digest: hex, of the chunk that it must be
        :param length: bytes that it must have
        :raises EnvelopeError: when the stored bytes are not that chunk's
        :raises DataKeyUnavailable: when it is encrypted and the key is not there
        """
        envelope = read_header(stored)
        if envelope.length != length:
            raise EnvelopeError(
                f"its header says {envelope.length} bytes instead of {length}"
            )
        view = memoryview(stored)
        payload: bytes | memoryview = view[_HEADER.size :]
        if envelope.key_id is not None:
            payload = self._decrypt(view, envelope.key_id, digest)
        try:
            return self._decompressor.decode(envelope.codec, payload, length)
        except codecs.CodecError as error:
            raise EnvelopeError(str(error)) from error

    def _decrypt(self, stored: memoryview, key_id: str, digest: str) -> bytes:
        key = self._find_key(key_id)
        header = bytes(stored[:_SECRET_HEADER_SIZE])
        try:
            return AESGCM(key.encryption_key).decrypt(
                header[-_NONCE_SIZE:],
                stored[_SECRET_HEADER_SIZE:],
                header + bytes.fromhex(digest),
            )
        except InvalidTag as error:
            raise EnvelopeError("it fails authentication") from error


def read_header(stored: bytes | memoryview) -> Envelope:
    """What the header of an object says.

    :raises EnvelopeError: when there is none that this release knows
    """
    if len(stored) < _HEADER.size:
        raise EnvelopeError(f"{len(stored)} bytes are too few for a chunk")
    magic, version, codec, cipher, nothing, length = _HEADER.unpack_from(stored)
    if magic != MAGIC:
        raise EnvelopeError("it does not begin as a chunk does")
    if version != VERSION or codec >= len(_CODECS) or cipher > _AES_256_GCM or nothing:
        raise EnvelopeError(
            f"its header has version {version}, codec {codec}, cipher {cipher}, "
            f"{nothing}, of which this release does not know all"
        )
    key_id = None
    if cipher == _AES_256_GCM:
        if len(stored) < _SECRET_HEADER_SIZE + _TAG_SIZE:
            raise EnvelopeError(f"{len(stored)} bytes are too few for encrypted data")
        key_id = bytes(stored[_HEADER.size : _HEADER.size + KEY_ID_SIZE]).hex()
    return Envelope(_CODECS[codec], length, key_id)
