# SPDX-License-Identifier: Apache-2.0
"""Pages put together are the whole listing: each row once, in order."""

import datetime
import functools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from karbor.db import models

TIME = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "A", "b", "ä", "\U0001f600"]))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "status": TEXTS,
            "created_at": st.integers(0, 2).map(
                lambda n: TIME + datetime.timedelta(microseconds=n)
            ),
            "project_id": st.sampled_from(["project-a", "project-b"]),
        }
    ),
    max_size=12,
)
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["name", "status", "created_at", "updated_at", "id"]),
        st.sampled_from(["asc", "desc"]),
    ),
    max_size=4,
    unique_by=lambda pair: pair[0],
)


def compare(first, second, order):
    """The order as the documentation says it, without SQL."""
    for key, direction in [*order, ("id", order[-1][1])]:
        one, two = first[key], second[key]
        if one == two:
            continue
        is_less = one is None or (two is not None and one < two)
        return -1 if is_less == (direction == "asc") else 1
    return 0


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS, order=ORDERS, limit=st.integers(1, 5))
def test_a_walk_over_pages_visits_each_row_once_and_in_order(
    database, admin, alice, rows, order, limit
):
    with database.transactions.write() as connection:
        connection.execute(delete(models.plans))
    stored = [
        database.plans.create(admin, {"id": f"{number:02}", **row})
        for number, row in enumerate(rows)
    ]
    walked, marker = [], None
    while True:
        page = database.plans.list(
            alice,
            marker=marker,
            limit=limit,
            sort_keys=[key for key, _ in order],
            sort_dirs=[direction for _, direction in order],
        )
        if not page:
            break
        walked += page
        marker = page[-1]["id"]
        assert len(walked) <= len(rows)
    expected = [row for row in stored if row["project_id"] == "project-a"]
    order = order or [("created_at", "desc")]
    expected.sort(key=functools.cmp_to_key(lambda a, b: compare(a, b, order)))
    assert walked == expected


def test_a_walk_goes_on_when_rows_come_and_go_meanwhile(database, alice):
    for number in range(6):
        database.plans.create(alice, {"id": f"{number}", "name": "same"})
    by_name = {"sort_keys": ["name"], "sort_dirs": ["asc"], "limit": 2}
    first = database.plans.list(alice, **by_name)
    database.plans.delete(alice, "0")
    database.plans.delete(alice, "2")
    database.plans.create(alice, {"id": "00", "name": "same"})
    database.plans.create(alice, {"id": "35", "name": "same"})
    second = database.plans.list(alice, marker=first[-1]["id"], **by_name)
    third = database.plans.list(alice, marker=second[-1]["id"], **by_name)
    ids = [row["id"] for row in first + second + third]
    assert ids == ["0", "1", "3", "35", "4", "5"]


def test_a_missing_direction_is_like_the_one_before_it(database, alice):
    for number in range(3):
        database.plans.create(alice, {"id": str(number), "name": "n", "status": "s"})
    rows = database.plans.list(
        alice, sort_keys=["name", "status", "id"], sort_dirs=["asc"]
    )
    assert [row["id"] for row in rows] == ["0", "1", "2"]
