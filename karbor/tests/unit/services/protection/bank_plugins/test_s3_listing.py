# SPDX-License-Identifier: Apache-2.0
"""Listing both ways from a store that lists one way."""

import bisect
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karbor.services.protection.bank_plugins.s3.listing import ascending, descending

PAGE = 1000


class Store:
    """Sorted names, and how often it was asked."""

    def __init__(self, names, page=PAGE):
        self.names = sorted(names)
        self.page = page
        self.asked = 0

    def fetch(self, after):
        self.asked += 1
        begin = 0 if after is None else bisect.bisect_right(self.names, after)
        found = self.names[begin : begin + self.page]
        return found, begin + self.page < len(self.names)


characters = st.sampled_from("ab09-./~@é日\U0001f4be") | st.characters(
    exclude_categories=["Cs"], min_codepoint=0x20
)
names = st.lists(
    st.text(characters, min_size=1, max_size=6) | st.text("01", min_size=1, max_size=9),
    max_size=60,
    unique=True,
).map(lambda found: [f"p/{name}" for name in found])


@given(names=names, page=st.integers(1, 7), before=st.none() | names)
@settings(max_examples=400, deadline=None)
def test_descending_is_ascending_backwards(names, page, before):
    before = before[0] if before else None
    store = Store(names, page)

    found = list(descending(store.fetch, "p/", before))

    expected = [name for name in sorted(names) if before is None or name < before]
    assert found == expected[::-1]


@given(names=names, page=st.integers(1, 7), after=st.none() | names)
@settings(max_examples=100, deadline=None)
def test_ascending_is_what_the_store_has(names, page, after):
    after = after[0] if after else None
    store = Store(names, page)

    found = list(ascending(store.fetch, after))

    assert found == [name for name in sorted(names) if after is None or name > after]


@pytest.mark.parametrize("before", [None, "p/1795000000.500000@x"])
def test_the_last_page_of_a_million_costs_few_requests(before):
    store = Store(
        f"p/{1795000000 + number // 1000}.{number % 1000:03}000@{number * 7919 % 10**6}"
        for number in range(1_000_000)
    )

    found = list(itertools.islice(descending(store.fetch, "p/", before), 100))

    expected = [name for name in store.names if before is None or name < before]
    assert found == expected[-100:][::-1]
    assert store.asked < 60


def test_going_down_through_all_of_them_costs_a_few_times_their_pages():
    store = Store(f"p/{number:09}" for number in range(50_000))

    assert list(descending(store.fetch, "p/", None)) == store.names[::-1]

    assert store.asked < 50_000 / PAGE * 8


def test_a_few_pages_are_just_read():
    store = Store(f"p/{number:09}" for number in range(3_500))

    found = list(itertools.islice(descending(store.fetch, "p/", None), 10))

    assert found == store.names[-10:][::-1]
    assert store.asked <= 4
