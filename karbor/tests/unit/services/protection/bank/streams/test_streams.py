# SPDX-License-Identifier: Apache-2.0
"""Streams: what goes in comes out, and damage never does."""

import hashlib
import io
import os
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank.chunks import codecs, names
from karbor.services.protection.bank.chunks.hashing import Hash
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.tests.fakes.bank import MemoryBankPlugin

SECTION = "/checkpoints/cp-1/resource-data/image-1"
SMALL = StreamOptions(
    chunk_size=16, max_bytes_in_flight=64, worker_threads=3, inline_limit=0
)


class Pieces:
    """Gives pieces of the sizes asked for, whatever size the reader wants."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def read(self, size):
        return next(self._pieces, b"")


class ReadInto(io.RawIOBase):
    def __init__(self, data, sizes):
        self._data = data
        self._sizes = iter(sizes)

    def readinto(self, buffer):
        size = min(len(buffer), next(self._sizes, len(buffer)), len(self._data))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


class FailingBank(MemoryBankPlugin):
    """Fails the update with the given number, counted from 0."""

    def __init__(self, failing=None):
        super().__init__()
        self.failing = failing
        self.updates = 0
        self.counting = threading.Lock()

    def update_object(self, key, value, context=None):
        with self.counting:
            number, self.updates = self.updates, self.updates + 1
        if number == self.failing:
            raise exception.BankUpdateObjectFailed(key=key, reason="the disk is full")
        super().update_object(key, value, context)


def make_section(plugin=None, options=SMALL):
    return Bank(plugin or MemoryBankPlugin(), options).get_sub_section(SECTION)


def cut(data, sizes):
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@pytest.fixture
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def digest_of(data):
    """The digest of a stream of fewer than 1024 chunks of 16 bytes."""
    chunks = [data[start : start + 16] for start in range(0, len(data), 16)]
    listed = b"".join(hashlib.sha256(chunk).digest() for chunk in chunks)
    return hashlib.sha256(hashlib.sha256(listed).digest() if data else b"").hexdigest()


streams = st.lists(
    st.binary(max_size=40) | st.integers(0, 50).map(bytes) | st.just(b"abc" * 20),
    max_size=8,
).map(b"".join)
piece_sizes = st.lists(st.integers(1, 45), max_size=20)


@given(data=streams, sizes=piece_sizes, how=st.integers(0, 3), reads=piece_sizes)
@settings(deadline=None, max_examples=150)
def test_pieces_of_any_size_lose_nothing(data, sizes, how, reads):
    section = make_section()
    pieces = cut(data, sizes)
    source = [
        lambda: Pieces([piece for piece in pieces if piece]),
        lambda: ReadInto(data, sizes),
        lambda: iter(pieces),
        lambda: io.BytesIO(data),
    ][how]()

    info = section.write_stream("disk", source)

    assert info.length == len(data)
    assert info.digest == digest_of(data)
    assert info.chunk_count == -(-len(data) // 16)
    found = []
    with section.open_stream("disk") as stream:
        for size in reads:
            piece = stream.read(size)
            assert len(piece) == min(size, len(data) - sum(map(len, found)))
            found.append(piece)
        found.extend(stream)
        assert stream.read(1) == b""
    assert b"".join(found) == data
    assert section.verify_stream("disk") == info


def test_a_stream_reads_like_a_file():
    section = make_section()
    section.write_stream("disk", bytes(range(50)))

    with section.open_stream("disk") as stream:
        assert stream.readable()
        assert not stream.writable()
        assert not stream.seekable()
        assert stream.read(0) == b""
        buffer = bytearray(20)
        assert stream.readinto(buffer) == 16
        assert buffer[:16] == bytes(range(16))
        assert stream.read(20) == bytes(range(16, 36))
        assert stream.read() == bytes(range(36, 50))
        assert stream.read() == b""
    with pytest.raises(ValueError, match="closed"):
        stream.read(1)
    with io.BufferedReader(section.open_stream("disk")) as buffered:
        assert buffered.read() == bytes(range(50))


def test_an_empty_stream_is_a_stream():
    section = make_section()
    info = section.write_stream("disk", io.BytesIO())

    assert (info.length, info.chunk_count) == (0, 0)
    assert section.open_stream("disk").read() == b""
    assert list(section.open_stream("disk")) == []
    assert section.verify_stream("disk") == info
    assert section.list_streams() == ["disk"]


def test_zero_chunks_and_compressible_chunks_cost_little():
    section = make_section(
        options=StreamOptions(chunk_size=400_000, max_bytes_in_flight=800_000)
    )
    noise = os.urandom(400_000)
    data = bytes(800_000) + noise + b"the same again " * 40_000 + bytes(10)

    info = section.write_stream("disk", io.BytesIO(data))

    assert 400_000 <= info.stored_length < 410_000
    assert section.open_stream("disk").read() == data
    # The two that are text are so short that their references hold them.
    assert len(_chunks(section)) == 1


def test_a_stream_over_many_pages_is_read_in_order(monkeypatch):
    monkeypatch.setattr(manifest, "PAGE_CHUNKS", 4)
    section = make_section()
    data = os.urandom(16 * 30 + 5)

    section.write_stream("disk", io.BytesIO(data))

    assert len(section.list_objects(prefix=".streams/data/disk/")) == 31 + 8
    assert section.open_stream("disk").read() == data


def test_progress_is_told_every_byte():
    section = make_section()
    progress = OperationProgress()

    section.write_stream("disk", bytes(1000), progress=ResourceProgress(progress))
    assert progress.snapshot()["bytes_done"] == 1000
    section.verify_stream("disk", progress=ResourceProgress(progress))
    assert progress.snapshot()["bytes_done"] == 2000


def test_a_replaced_stream_leaves_nothing_of_the_old_one():
    section = make_section()
    section.write_stream("disk", os.urandom(500))
    section.write_stream("disk", b"new")

    assert section.open_stream("disk").read() == b"new"
    assert len(section.list_objects()) == 3


def test_a_reader_of_the_old_stream_is_told_when_it_is_replaced():
    section = make_section()
    section.write_stream("disk", os.urandom(500))
    with section.open_stream("disk") as stream:
        stream.read(1)
        section.write_stream("disk", b"new")
        with pytest.raises(exception.BankDataCorrupted, match="lost"):
            stream.read()


def test_a_stream_that_is_not_there_is_an_error(no_thread_is_left):
    section = make_section()
    for use in (section.open_stream, section.verify_stream):
        with pytest.raises(
            exception.BankGetObjectFailed, match=f"{SECTION}.*disk|disk"
        ):
            use("disk")


def test_a_deleted_stream_leaves_nothing_and_may_be_deleted_again():
    section = make_section()
    section.write_stream("disk", os.urandom(100))
    section.write_stream("disk2", os.urandom(100))
    section.update_object(".streams/data/disk/half-made/data/00/x", b"left behind")

    section.delete_stream("disk")
    section.delete_stream("disk")

    assert section.list_streams() == ["disk2"]
    assert section.list_objects(prefix=".streams/data/disk/") == []
    section.verify_stream("disk2")


@pytest.mark.parametrize("failing", range(9))
def test_a_put_that_fails_ends_the_stream_and_leaves_nothing(
    failing, no_thread_is_left
):
    plugin = FailingBank(failing)
    section = make_section(plugin)

    # Seven chunks, one page, one manifest.
    with pytest.raises(exception.BankUpdateObjectFailed) as caught:
        section.write_stream("disk", io.BytesIO(os.urandom(100)))

    assert "stream 'disk' of " + SECTION in str(caught.value)
    assert "the disk is full" in str(caught.value)
    assert plugin.objects == {}


@pytest.mark.parametrize("failing", [10, 12, 16, 17])
def test_a_failed_replacement_leaves_the_old_stream(failing):
    plugin = FailingBank()
    section = make_section(plugin)
    data = os.urandom(100)
    section.write_stream("disk", data)
    before = set(plugin.objects)
    plugin.failing = failing

    with pytest.raises(exception.BankUpdateObjectFailed):
        section.write_stream("disk", os.urandom(100))

    assert set(plugin.objects) == before
    assert section.open_stream("disk").read() == data


@pytest.mark.parametrize("good_bytes", [0, 5, 16, 100])
def test_a_source_that_fails_ends_the_stream_and_leaves_nothing(
    good_bytes, no_thread_is_left
):
    def source():
        yield os.urandom(good_bytes)
        raise ConnectionResetError("the image server went away")

    section = make_section()

    with pytest.raises(
        exception.BankUpdateObjectFailed, match=r"'disk'.*the image server went away"
    ) as caught:
        section.write_stream("disk", source())

    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert section.list_objects() == []


def test_an_interrupt_in_the_source_cleans_up_and_goes_through(no_thread_is_left):
    def source():
        yield os.urandom(100)
        raise KeyboardInterrupt

    section = make_section()

    with pytest.raises(KeyboardInterrupt):
        section.write_stream("disk", source())
    assert section.list_objects() == []


def test_an_error_of_karbor_in_the_source_goes_through_as_it_is():
    def source():
        yield b"x"
        raise exception.LeaseLost(owner_id="me", reason="it expired")

    with pytest.raises(exception.LeaseLost):
        make_section().write_stream("disk", source())


@pytest.mark.parametrize("source", [7, None, "text", io.StringIO("text")])
def test_what_gives_no_bytes_is_refused(source):
    with pytest.raises(TypeError):
        make_section().write_stream("disk", source)


def test_pieces_that_are_no_bytes_are_refused():
    with pytest.raises(exception.BankUpdateObjectFailed, match="str instead of bytes"):
        make_section().write_stream("disk", [b"good", "bad"])


class SlowBank(MemoryBankPlugin):
    """Lets no put through until told; knows how many bytes it was handed."""

    def __init__(self):
        super().__init__()
        self.go_on = threading.Event()

    def update_object(self, key, value, context=None):
        self.go_on.wait()
        super().update_object(key, value, context)


def test_no_more_bytes_are_read_than_may_be_in_flight(no_thread_is_left):
    plugin = SlowBank()
    section = make_section(plugin)
    read = [0]
    enough = threading.Event()

    class Counting:
        def readinto(self, buffer):
            if read[0] >= 16 * 20:
                return 0
            read[0] += len(buffer)
            buffer[:] = os.urandom(len(buffer))
            if read[0] >= SMALL.max_bytes_in_flight:
                enough.set()
            return len(buffer)

    writing = threading.Thread(target=section.write_stream, args=("disk", Counting()))
    writing.start()
    assert enough.wait(30)
    # All buffers are full and none is free until a put is through.
    assert read[0] == SMALL.max_bytes_in_flight
    plugin.go_on.set()
    writing.join()
    assert read[0] == 16 * 20
    assert section.verify_stream("disk").length == 16 * 20


def test_no_more_chunks_are_fetched_ahead_than_may_be_in_flight():
    fetched = []

    class Counting(MemoryBankPlugin):
        def get_object(self, key, context=None):
            fetched.append(key)
            return super().get_object(key, context)

    section = make_section(Counting())
    section.write_stream("disk", os.urandom(16 * 40))

    with section.open_stream("disk") as stream:
        for number in range(1, 41):
            assert len(stream.read(16)) == 16
            assert len(fetched) <= 2 + number + SMALL.chunks_in_flight
    # The manifest, the page, and each chunk.
    assert len(fetched) == 2 + 40


def _written():
    plugin = MemoryBankPlugin()
    section = make_section(plugin)
    noise = random.Random(7)
    data = noise.randbytes(40) + bytes(16) + b"a" * 600 + noise.randbytes(11)
    section = Bank(
        plugin, StreamOptions(chunk_size=40, max_bytes_in_flight=120, inline_limit=0)
    )
    section = section.get_sub_section(SECTION)
    section.write_stream("disk", data)
    return plugin, section


def _chunks(section, name="disk"):
    """The keys of a stream's chunks in the bank, in order."""
    stored = StoredStream(section, name)
    prefix = stored.space.section.prefix
    return [
        prefix + names.key(placed.chunk.name)
        for placed in stored.chunks()
        if placed.chunk.name
    ]


def _manifest(section, name="disk"):
    return section.prefix + manifest.MANIFESTS + name


def _pages(section, name="disk"):
    stored = StoredStream(section, name)
    prefix = stored.space.section.prefix
    return [prefix + names.key(page.ref.name) for page in stored.manifest.pages]


def _damage(value, data):
    """A value that is not what it was: bytes or JSON, changed or cut."""
    if isinstance(value, bytes):
        if data.draw(st.booleans()):
            return value[: data.draw(st.integers(0, 10**6)) % len(value)]
        bit = data.draw(st.integers(0, 10**6)) % (len(value) * 8)
        changed = bytearray(value)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)
    return _damage_json(value, data)


def _damage_json(value, data):
    if isinstance(value, dict) and value:
        key = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.integers(0, 9)) == 0:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: _damage_json(value[key], data)}
    if isinstance(value, list) and value:
        index = data.draw(st.integers(0, len(value) - 1))
        if data.draw(st.integers(0, 9)) == 0:
            return value[:index] + value[index + 1 :]
        return [
            *value[:index],
            _damage_json(value[index], data),
            *value[index + 1 :],
        ]
    if type(value) is int:
        return value + 1
    if isinstance(value, str) and value:
        return ("0" if value[0] != "0" else "1") + value[1:]
    return "something else"


def test_any_flipped_bit_of_a_chunk_is_found():
    plugin, section = _written()
    # One that is kept raw, one with noise and text, one of text.
    for key in _chunks(section):
        value = plugin.objects[key]
        for bit in range(len(value) * 8):
            changed = bytearray(value)
            changed[bit // 8] ^= 1 << bit % 8
            plugin.objects[key] = bytes(changed)
            with pytest.raises(exception.BankDataCorrupted):
                section.verify_stream("disk")
        plugin.objects[key] = value


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_any_change_of_any_object_is_found(data):
    plugin, section = _written()
    # By place: names have a random part.
    keys = [_manifest(section), *_pages(section), *_chunks(section)]
    assert set(keys) == set(plugin.objects)
    key = keys[data.draw(st.integers(0, len(keys) - 1))]
    plugin.objects[key] = _damage(plugin.objects[key], data)

    with pytest.raises(exception.BankDataCorrupted) as caught:
        section.verify_stream("disk")

    assert f"stream 'disk' of {SECTION}/" in str(caught.value)


def test_every_lost_object_is_found():
    for part in (_chunks, _pages):
        plugin, section = _written()
        for key in part(section):
            value = plugin.objects.pop(key)
            with pytest.raises(exception.BankDataCorrupted) as caught:
                section.verify_stream("disk")
            assert "lost" in str(caught.value)
            plugin.objects[key] = value
        section.verify_stream("disk")


def test_the_error_names_checkpoint_resource_stream_and_chunk():
    plugin, section = _written()
    key = _chunks(section)[1]
    # The second chunk is noise and zeros, the first only noise.
    number = 1
    plugin.objects[key] = b"x" * len(plugin.objects[key])

    with pytest.raises(exception.BankDataCorrupted) as caught:
        section.open_stream("disk").read()

    for name in ("cp-1", "image-1", "'disk'", f"chunk {number}:"):
        assert name in str(caught.value)


def test_no_byte_of_a_damaged_chunk_is_given_out(no_thread_is_left):
    section = make_section()
    data = os.urandom(16 * 6)
    section.write_stream("disk", data)
    plugin = section.bank.plugin
    key = _chunks(section)[3]
    plugin.objects[key] = bytes(16)

    given_out = b""
    with section.open_stream("disk") as stream:
        with pytest.raises(exception.BankDataCorrupted):  # noqa: PT012
            while piece := stream.read(7):
                given_out += piece
        with pytest.raises(exception.BankDataCorrupted):
            stream.read(1)
    assert data.startswith(given_out)
    assert len(given_out) <= 48


def test_chunks_that_changed_places_are_found():
    section = make_section()
    section.write_stream("disk", os.urandom(64))
    objects = section.bank.plugin.objects
    one, two = _chunks(section)[:2]
    objects[one], objects[two] = objects[two], objects[one]

    with pytest.raises(exception.BankDataCorrupted, match="chunk 0"):
        section.verify_stream("disk")


def test_the_manifest_of_another_stream_is_found():
    section = make_section()
    section.write_stream("one", b"one")
    section.write_stream("two", b"two")
    section.update_object(
        manifest.MANIFESTS + "one", section.get_object(manifest.MANIFESTS + "two")
    )

    with pytest.raises(exception.BankDataCorrupted, match="another stream"):
        section.verify_stream("one")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 2"),
        ({"hash": "blake9"}, "blake9"),
        ({"project": "other", "chunk_count": 7}, "do not make"),
        ({"digest": "0" * 64}, "digest of the whole"),
    ],
)
def test_a_manifest_of_a_later_release_or_another_content_is_refused(change, words):
    section = make_section()
    section.write_stream("disk", b"some data")
    key = manifest.MANIFESTS + "disk"
    body = section.get_object(key)["body"]
    section.update_object(key, manifest.seal({**body, **change}, Hash(None)))

    with pytest.raises(exception.BankDataCorrupted, match=words):
        section.verify_stream("disk")


def test_an_object_that_is_there_but_not_given_is_no_damage():
    class Refusing(MemoryBankPlugin):
        def get_object(self, key, context=None):
            if "/data/" in key and len(self.objects[key]) < 100:
                raise exception.BankGetObjectFailed(key=key, reason="timed out")
            return super().get_object(key, context)

    section = make_section(Refusing())
    section.write_stream("disk", os.urandom(16))

    with pytest.raises(exception.BankGetObjectFailed, match=r"chunk 0.*timed out"):
        section.verify_stream("disk")


def test_a_bomb_is_not_unpacked():
    bomb = codecs.Compressor(1).encode(memoryview(b"a" * 1_000_000))[1]

    with pytest.raises(codecs.CodecError, match="instead of 100"):
        codecs.Decompressor().decode(codecs.ZSTD, bomb, 100)


def test_options_that_do_not_go_together_are_refused():
    with pytest.raises(exception.InvalidInput, match="max_bytes_in_flight"):
        StreamOptions(chunk_size=100, max_bytes_in_flight=99)
    with pytest.raises(exception.InvalidInput, match="chunk_size"):
        StreamOptions(chunk_size=0)
    with pytest.raises(exception.InvalidInput, match="worker_threads"):
        StreamOptions(worker_threads=0)
