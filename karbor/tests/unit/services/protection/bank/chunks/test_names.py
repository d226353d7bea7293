# SPDX-License-Identifier: Apache-2.0
"""Names of chunk objects: what they say, and that none is made twice."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor.services.protection.bank import keys
from karbor.services.protection.bank.chunks import names

DIGEST = hashlib.sha256(b"chunk").hexdigest()


@given(length=st.integers(0, 2**40))
def test_a_name_says_what_the_object_holds_and_how_long_it_is(length):
    name = names.make(DIGEST, length)

    assert names.parse(name) == names.ChunkName(DIGEST, length)
    assert names.from_key(names.key(name)) == name
    assert names.key(name).startswith(names.prefix(DIGEST))
    keys.validate_relative(names.key(name))


def test_no_two_names_are_the_same():
    assert len({names.make(DIGEST, 1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        DIGEST,
        f"{DIGEST}.10",
        f"{DIGEST}.010.0123456789ab",
        f"{DIGEST}.10.0123456789a",
        f"{DIGEST}.10.0123456789ab\n",
        f"{DIGEST.upper()}.10.0123456789ab",
        f"../{DIGEST}.10.0123456789ab",
    ],
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(names.NameInvalid):
        names.parse(text)


def test_an_object_in_the_wrong_folder_is_no_chunk():
    name = names.make("00" + DIGEST[2:], 5)
    with pytest.raises(names.NameInvalid, match="is not where a chunk is"):
        names.from_key(f"data/fff/{name}")
