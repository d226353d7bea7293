# SPDX-License-Identifier: Apache-2.0
"""A project's secret as the bank has it."""

import json

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.encryption.wrapping import (
    ProjectSecret,
    WrappedKey,
    WrappedKeyInvalid,
)
from karbor.tests.fakes.master_keys import MemoryMasterKeys

MASTER = MemoryMasterKeys("one")
SECRET = ProjectSecret.make("project")


def wrapped_value(secret=SECRET):
    return WrappedKey.wrap(secret, MASTER, "one").to_value()


def test_a_secret_comes_back():
    value = json.loads(json.dumps(wrapped_value()))
    read = WrappedKey.from_value(value, "project", SECRET.key_id)
    assert read.master_key_id == "one"
    assert read.unwrap(MASTER) == SECRET


def test_nothing_that_is_written_or_shown_has_the_secret():
    value = wrapped_value()
    for secret in (SECRET.secret, MASTER.keys["one"], SECRET.data_key().naming_key):
        assert secret.hex() not in json.dumps(value)
    shown = repr(SECRET) + repr(SECRET.data_key())
    assert repr(SECRET.secret)[2:10] not in shown
    assert SECRET.secret.hex() not in shown
    assert "secret=" not in shown


def test_wrapping_twice_gives_two_objects():
    assert wrapped_value()["wrapped"] != wrapped_value()["wrapped"]


@given(
    field=st.sampled_from(["nonce", "wrapped"]),
    bit=st.integers(min_value=0, max_value=8 * 48 - 1),
)
def test_any_flipped_bit_is_found_even_under_a_new_seal(field, bit):
    value = wrapped_value()
    data = bytearray.fromhex(value[field])
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    forged = {**sealing.unseal(value), field: bytes(data).hex()}
    with pytest.raises(WrappedKeyInvalid, match="digest"):
        WrappedKey.from_value({**value, **forged}, "project", SECRET.key_id)
    read = WrappedKey.from_value(sealing.seal(forged), "project", SECRET.key_id)
    with pytest.raises(WrappedKeyInvalid, match="does not unwrap"):
        read.unwrap(MASTER)


def test_an_object_moved_to_another_project_key_or_master_does_not_unwrap():
    master = MemoryMasterKeys("one", "two")
    master.keys["two"] = master.keys["one"]
    value = WrappedKey.wrap(SECRET, master, "one").to_value()
    with pytest.raises(WrappedKeyInvalid, match="another key's"):
        WrappedKey.from_value(value, "other", SECRET.key_id)
    for field, forged in (
        ("project_id", "other"),
        ("key_id", "0" * 32),
        ("master_key_id", "two"),
    ):
        moved = {**sealing.unseal(value), field: forged}
        read = WrappedKey.from_value(
            sealing.seal(moved), moved["project_id"], moved["key_id"]
        )
        with pytest.raises(WrappedKeyInvalid, match="does not unwrap"):
            read.unwrap(master)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(field=st.sampled_from(sorted(sealing.unseal(wrapped_value()))), new=json_values)
def test_no_other_value_of_a_field_gives_a_secret(field, new):
    said = sealing.unseal(wrapped_value())
    if said[field] == new and type(said[field]) is type(new):
        return
    with pytest.raises((WrappedKeyInvalid, exception.MasterKeyUnavailable)):
        WrappedKey.from_value(
            sealing.seal({**said, field: new}), "project", SECRET.key_id
        ).unwrap(MASTER)


@pytest.mark.parametrize("value", [None, b"bytes", "text", [], {}, {"digest": "0"}])
def test_what_is_no_wrapped_key_is_refused(value):
    with pytest.raises(WrappedKeyInvalid):
        WrappedKey.from_value(value, "project", SECRET.key_id)


def _hkdf(secret, info):
    """RFC 5869 for one block, written out."""

    def mac(key, data):
        made = hmac.HMAC(key, hashes.SHA256())
        made.update(data)
        return made.finalize()

    return mac(mac(bytes(32), secret), info + b"\x01")


def test_the_derived_keys_are_those_of_the_format_for_ever():
    secret = ProjectSecret("project", "0" * 32, bytes(range(32)))
    key = secret.data_key()
    assert key.id == "0" * 32
    assert key.encryption_key == _hkdf(secret.secret, b"karbor chunk encryption 1")
    assert key.naming_key == _hkdf(secret.secret, b"karbor chunk naming 1")
    assert key.encryption_key != key.naming_key
    # As computed when the format was made.
    assert key.naming_key.hex() == (
        "69f58e3e089c9e1c4c29894912db2831a552425d837f12346cdadf64c9a78ccc"
    )
