# SPDX-License-Identifier: Apache-2.0
"""References to chunks come back as they were, or not at all."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor.services.protection.bank.chunks import names
from karbor.services.protection.bank.chunks.refs import ChunkRef, RefError

DIGEST = hashlib.sha256(b"chunk").hexdigest()

refs = st.one_of(
    st.builds(ChunkRef, st.just(DIGEST), st.integers(0, 2**40)),
    st.builds(
        ChunkRef, st.just(DIGEST), st.integers(0, 2**40), inline=st.binary(max_size=50)
    ),
    st.builds(
        lambda length, stored: ChunkRef(
            DIGEST, length, name=names.make(DIGEST, stored)
        ),
        st.integers(0, 2**40),
        st.integers(0, 2**40),
    ),
)


@given(ref=refs)
def test_a_reference_comes_back_as_it_was(ref):
    assert ChunkRef.from_json(json.loads(json.dumps(ref.to_json()))) == ref


def test_a_reference_knows_what_the_bank_keeps_of_it():
    assert ChunkRef(DIGEST, 7).stored_length == 0
    assert ChunkRef(DIGEST, 7).is_zero
    assert ChunkRef(DIGEST, 7, inline=b"abc").stored_length == 3
    assert ChunkRef(DIGEST, 7, name=names.make(DIGEST, 99)).stored_length == 99


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {},
        {"digest": DIGEST},
        {"digest": DIGEST, "length": -1, "zero": True},
        {"digest": DIGEST, "length": True, "zero": True},
        {"digest": 7, "length": 1, "zero": True},
        {"digest": DIGEST, "length": 1},
        {"digest": DIGEST, "length": 1, "zero": False},
        {"digest": DIGEST, "length": 1, "object": ".5.nothex"},
        {"digest": DIGEST, "length": 1, "object": None},
        {"digest": DIGEST, "length": 1, "inline": "%%"},
        {"digest": DIGEST, "length": 1, "inline": 5},
        # Decodes to the same byte as "AA==".
        {"digest": DIGEST, "length": 1, "inline": "AB=="},
    ],
)
def test_what_is_no_reference_is_refused(value):
    with pytest.raises(RefError):
        ChunkRef.from_json(value)
