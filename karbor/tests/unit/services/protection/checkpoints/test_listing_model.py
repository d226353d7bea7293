# SPDX-License-Identifier: Apache-2.0
"""Listings against a model: sorted() over everything."""

import dataclasses
import datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.tests.fakes.bank import MemoryBankPlugin

BEGIN = datetime.datetime(2026, 11, 18, tzinfo=datetime.UTC)
PROVIDERS = ("provider-1", "provider-2")
PROJECTS = ("p", "p-", "p0", "p/", "..")
PLANS = ("a", "b")
STATUSES = ("protecting", "available", "error")
# Few moments: many checkpoints share one, and order falls to their ids.
MOMENTS = st.integers(0, 60).map(lambda n: BEGIN + datetime.timedelta(hours=2 * n))


@dataclasses.dataclass(frozen=True)
class Made:
    id: str
    moment: datetime.datetime
    provider_id: str
    project_id: str
    plan_id: str
    status: str

    @property
    def date(self):
        return self.moment.date().isoformat()


MADE = st.builds(
    Made,
    id=st.uuids().map(str),
    moment=MOMENTS,
    provider_id=st.sampled_from(PROVIDERS),
    project_id=st.sampled_from(PROJECTS),
    plan_id=st.sampled_from(PLANS),
    status=st.sampled_from(STATUSES),
)
DATES = st.none() | MOMENTS.map(lambda moment: moment.date().isoformat())


def optional(values):
    return st.none() | st.sampled_from(values)


@st.composite
def questions(draw):
    return {
        "project_id": draw(st.sampled_from(PROJECTS)),
        "provider_id": draw(st.sampled_from(PROVIDERS)),
        "plan_id": draw(optional(PLANS)),
        "status": draw(optional(STATUSES)),
        "start_date": draw(DATES),
        "end_date": draw(DATES),
        "all_tenants": draw(st.booleans()),
    }


def fill(made):
    now = BEGIN
    collection = CheckpointCollection(Bank(MemoryBankPlugin()), None, lambda: now)
    for item in made:
        now = item.moment
        checkpoint = collection.create(
            {"id": item.plan_id, "name": "x"},
            provider_id=item.provider_id,
            project_id=item.project_id,
            checkpoint_id=item.id,
        )
        if item.status != "protecting":
            checkpoint.transition(item.status)
    return collection


def expected(made, question):
    return [
        item
        for item in made
        if item.provider_id == question["provider_id"]
        and (question["all_tenants"] or item.project_id == question["project_id"])
        and question["plan_id"] in (None, item.plan_id)
        and question["status"] in (None, item.status)
        and (question["start_date"] or "") <= item.date
        and item.date <= (question["end_date"] or "9999-12-31")
    ]


def walk(collection, question, limit, **order):
    """All pages, one after another, as a client asks for them."""
    options = dict(question)
    project_id = options.pop("project_id")
    seen, marker = [], None
    while True:
        page = collection.list(
            project_id, limit=limit, marker=marker, **options, **order
        )
        assert len(page) <= limit
        seen += [checkpoint.id for checkpoint in page]
        if len(page) < limit:
            return seen
        marker = page[-1].id


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    made=st.lists(MADE, max_size=25, unique_by=lambda item: item.id),
    question=questions(),
    limit=st.integers(1, 7),
    descending=st.booleans(),
)
def test_pages_by_time_visit_everything_once_in_order(
    made, question, limit, descending
):
    order = sorted(
        expected(made, question),
        key=lambda item: (item.moment, item.id),
        reverse=descending,
    )
    seen = walk(
        fill(made), question, limit, sort_dirs=["desc" if descending else "asc"]
    )
    assert seen == [item.id for item in order]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    made=st.lists(MADE, max_size=25, unique_by=lambda item: item.id),
    question=questions(),
    limit=st.integers(1, 7),
    keys=st.lists(
        st.sampled_from(["status", "project_id", "plan_id"]), min_size=1, max_size=2
    ),
    directions=st.lists(st.sampled_from(["asc", "desc"]), min_size=2, max_size=2),
)
def test_pages_by_other_keys_visit_everything_once_in_order(
    made, question, limit, keys, directions
):
    seen = walk(fill(made), question, limit, sort_keys=keys, sort_dirs=directions)
    by_id = {item.id: item for item in made}
    wanted = expected(made, question)
    assert sorted(seen) == sorted(item.id for item in wanted)
    order = list(wanted)
    for key, direction in reversed(list(zip(keys, directions, strict=False))):
        order.sort(
            key=lambda item, key=key: getattr(item, key), reverse=direction == "desc"
        )
    assert [tuple(getattr(by_id[i], k) for k in keys) for i in seen] == [
        tuple(getattr(item, k) for k in keys) for item in order
    ]
