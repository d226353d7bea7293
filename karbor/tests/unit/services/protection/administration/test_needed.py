# SPDX-License-Identifier: Apache-2.0
"""What a check notes on disk comes back as it was noted."""

import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karbor.services.protection.administration import needed as module
from karbor.services.protection.administration.needed import Needed, NeededChunks
from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.chunks.refs import ChunkRef
from karbor.services.protection.bank.chunks.space import ChunkSpace
from karbor.services.protection.bank.sections import Bank

SPACES = [
    ChunkSpace(Bank(None).get_sub_section(f"chunks/project-{number}"))
    for number in range(2)
]
DIGESTS = [f"{start}{'0' * 60}{end}" for start in ("00", "0f", "ff") for end in ("aa",)]


def all_of(needed, space):
    found = {}
    for digits in needed.parts(space):
        part = needed.part(space, digits)
        assert all(name.startswith(digits) for name in part)
        found.update(part)
    return found


noted = st.tuples(
    st.sampled_from(SPACES),
    st.sampled_from([names.make(digest, 4096) for digest in DIGESTS * 3]),
    st.integers(0, 2**40),
    st.none() | st.just("0" * 32),
    st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(noted))
def test_each_space_gets_its_own_back_each_once(list_of_noted):
    expected = {space.section.prefix: {} for space in SPACES}
    with NeededChunks() as needed:
        for space, name, length, key_id, is_read in list_of_noted:
            # A name stands for one content.
            noted = expected[space.section.prefix].setdefault(
                name, Needed(length, key_id, is_read)
            )
            ref = ChunkRef(name[:64], noted.length, name=name)
            needed.add(space, ref, noted.key_id, is_read=noted.is_read)
        for space in needed.spaces:
            assert all_of(needed, space) == expected.pop(space.section.prefix)
    assert not any(expected.values())


def test_what_is_no_object_is_not_noted():
    with NeededChunks() as needed:
        needed.add(SPACES[0], ChunkRef("0" * 64, 4096), None)
        needed.add(SPACES[0], ChunkRef("0" * 64, 4096, inline=b"x"), None)
        assert needed.spaces == []
        assert needed.parts(SPACES[0]) == []


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr(module, "_PENDING", 10)
    monkeypatch.setattr(module, "_COMPACT_BYTES", 4096)


def test_names_that_are_noted_again_and_again_take_no_more_room(small_files):
    refs = [ChunkRef(digest, 4096, name=names.make(digest, 4096)) for digest in DIGESTS]
    with NeededChunks() as needed:
        folder = pathlib.Path(needed._folder.name)
        for _ in range(1000):
            for ref in refs:
                needed.add(SPACES[0], ref, None)
        assert sum(path.stat().st_size for path in folder.rglob("??")) < 3 * 6000
        assert all_of(needed, SPACES[0]) == {ref.name: Needed(4096) for ref in refs}
    assert not folder.exists()
