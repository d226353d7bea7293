# SPDX-License-Identifier: Apache-2.0
"""Keys: what they may look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank import keys

good_parts = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
    .map(lambda text: text.replace("/", "-"))
    .filter(lambda part: part not in (".", ".."))
)
good_keys = st.lists(good_parts, min_size=1, max_size=5).map("/".join)

BAD_RELATIVE = [
    "",
    ".",
    "..",
    "../x",
    "a/../b",
    "a/./b",
    "a/..",
    "/a",
    "//a",
    "a//b",
    "a/",
    "a\x00b",
    "a\nb",
    "a\x7fb",
    "a\x85b",
    "a\ud800b",
    "x" * 256,
    "é" * 128,
    "/".join(["x" * 100] * 11),
]


@given(good_keys)
def test_a_good_key_is_taken_as_it_is(key):
    assert keys.validate_relative(key) == key
    assert keys.validate("/" + key) == "/" + key


@pytest.mark.parametrize("key", BAD_RELATIVE)
def test_a_bad_key_is_refused(key):
    with pytest.raises(exception.InvalidParameterValue):
        keys.validate_relative(key)
    with pytest.raises(exception.InvalidParameterValue):
        keys.validate("/" + key)


@given(st.text(max_size=60))
def test_what_is_accepted_stays_below_its_folder(key):
    try:
        keys.validate_relative(key)
    except exception.InvalidParameterValue:
        return
    parts = key.split("/")
    assert all(part not in ("", ".", "..") for part in parts)
    assert all(character.isprintable() or ord(character) > 159 for character in key)
    key.encode("utf-8")


@pytest.mark.parametrize("key", [None, 7, b"/a", ["/a"]])
def test_what_is_no_text_is_refused(key):
    with pytest.raises(exception.InvalidParameterValue, match="not a str"):
        keys.validate(key)


def test_a_key_of_a_bank_begins_with_a_slash():
    with pytest.raises(exception.InvalidParameterValue, match="begins with '/'"):
        keys.validate("a/b")


def test_the_longest_keys_are_taken():
    part = "x" * 255
    key = "/" + "/".join([part] * 3) + "/" + "x" * 254
    assert len(key) == 1023
    assert keys.validate(key + "x") == key + "x"
    with pytest.raises(exception.InvalidParameterValue, match="1025 bytes"):
        keys.validate(key.replace("/x", "/xx", 1)[:-1] + "xx")


def test_an_error_quotes_the_key_and_shortens_it():
    with pytest.raises(exception.InvalidParameterValue) as caught:
        keys.validate("/" + "long" * 1000)
    assert "'/longlong" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", ".hidden"])
def test_a_prefix_may_end_anywhere(prefix):
    assert keys.validate_relative_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "/a", "..", "../", "a/../", "a//", "a\x00"])
def test_a_bad_prefix_is_refused(prefix):
    with pytest.raises(exception.InvalidParameterValue):
        keys.validate_relative_prefix(prefix)


@pytest.mark.parametrize("section", ["a/b", "/a/b", "a/b/", "/a/b/"])
def test_a_section_may_be_written_with_slashes_around_it(section):
    assert keys.normalize_section(section) == "a/b/"


@pytest.mark.parametrize(
    "section", ["", "/", "//", "//a", "a//", "..", "/../a", "a/.."]
)
def test_a_bad_section_is_refused(section):
    with pytest.raises(exception.InvalidParameterValue):
        keys.normalize_section(section)
