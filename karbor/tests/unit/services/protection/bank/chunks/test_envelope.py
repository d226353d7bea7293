# SPDX-License-Identifier: Apache-2.0
"""The bytes of chunk objects: packed, encrypted, and never taken for others."""

import hashlib
import os
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank.chunks import envelope
from karbor.services.protection.bank.chunks.envelope import Packer, Unpacker
from karbor.services.protection.bank.chunks.hashing import Hash
from karbor.services.protection.bank.chunks.keyring import DataKey

KEY = DataKey("ab" * 16, b"e" * 32, b"n" * 32)
OTHER = DataKey("cd" * 16, b"f" * 32, b"m" * 32)
TEXT = b"the same again and " * 100
NOISE = random.Random(1).randbytes(1000)


def find(key_id):
    if key_id == KEY.id:
        return KEY
    raise exception.DataKeyUnavailable(
        key_id=key_id, project_id="p", reason="it is lost"
    )


def pack(chunk, key=None):
    digest = Hash(key).digest(chunk)
    return digest, bytes(Packer(1, key).pack(memoryview(chunk), digest))


@given(
    chunk=st.binary(max_size=300) | st.just(TEXT) | st.just(NOISE),
    key=st.sampled_from([None, KEY]),
)
def test_a_chunk_comes_back_as_it_was(chunk, key):
    digest, stored = pack(chunk, key)

    assert bytes(Unpacker(find).unpack(stored, digest, len(chunk))) == chunk
    assert len(stored) <= len(chunk) + envelope.OVERHEAD
    assert envelope.read_header(stored).length == len(chunk)
    assert envelope.read_header(stored).key_id == (KEY.id if key else None)


@pytest.mark.parametrize("chunk", [TEXT, NOISE], ids=["text", "noise"])
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_any_flipped_bit_is_found(chunk, key):
    digest, stored = pack(chunk, key)
    unpacker = Unpacker(find)
    for bit in range(len(stored) * 8):
        changed = bytearray(stored)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            data = unpacker.unpack(bytes(changed), digest, len(chunk))
        except (envelope.EnvelopeError, exception.DataKeyUnavailable):
            continue
        assert Hash(key).digest(data) != digest


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_a_chunk_that_was_cut_is_found(key):
    digest, stored = pack(NOISE, key)
    for length in range(len(stored)):
        with pytest.raises(envelope.EnvelopeError):
            Unpacker(find).unpack(stored[:length], digest, len(NOISE))


def test_an_encrypted_chunk_tells_nothing_without_the_key():
    digest, stored = pack(TEXT, KEY)

    assert b"again" not in stored
    assert digest != hashlib.sha256(TEXT).hexdigest()
    assert Hash(OTHER).digest(TEXT) != digest
    assert pack(TEXT, KEY)[1] != stored
    with pytest.raises(exception.DataKeyUnavailable, match="it is lost"):
        Unpacker(find).unpack(pack(TEXT, OTHER)[1], digest, len(TEXT))


def test_an_encrypted_chunk_cannot_take_the_place_of_another():
    _, stored = pack(b"one", KEY)
    digest, _ = pack(b"two", KEY)

    with pytest.raises(envelope.EnvelopeError, match="authentication"):
        Unpacker(find).unpack(stored, digest, 3)


def test_a_key_is_not_shown():
    assert "eee" not in repr(KEY)
    assert "nnn" not in repr(KEY)


def test_threads_pack_side_by_side():
    packer = Packer(1, KEY)
    wrong = []

    def work(seed):
        chunk = random.Random(seed).randbytes(20_000)
        digest = Hash(KEY).digest(chunk)
        for _ in range(50):
            stored = bytes(packer.pack(memoryview(chunk), digest))
            if bytes(Unpacker(find).unpack(stored, digest, len(chunk))) != chunk:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_more_than_a_chunk_is_not_unpacked():
    bomb = bytes(1_000_000)
    digest, stored = pack(bomb)
    with pytest.raises(envelope.EnvelopeError, match="instead of 100"):
        Unpacker(find).unpack(stored, digest, 100)


def test_what_is_no_chunk_is_refused():
    for stored in (b"", os.urandom(200), b"KBRC" + bytes(20)):
        with pytest.raises(envelope.EnvelopeError):
            envelope.read_header(stored)
