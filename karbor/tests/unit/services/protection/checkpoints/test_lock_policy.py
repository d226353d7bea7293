# SPDX-License-Identifier: Apache-2.0
"""Until when a new checkpoint is locked: the provider's word, and the caller's."""

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.checkpoints.lock_policy import LockPolicy, parse_moment

NOW = datetime.datetime(2026, 11, 20, 12, 30, tzinfo=datetime.UTC)
POLICY = LockPolicy(days=0, max_days=366)


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ({"lock_days": 30}, NOW + datetime.timedelta(days=30)),
        ({"lock_days": "30"}, NOW + datetime.timedelta(days=30)),
        ({"lock_until": "2026-12-24"}, datetime.datetime(2026, 12, 24)),
        (
            {"lock_until": "2026-12-24T18:30:00Z"},
            datetime.datetime(2026, 12, 24, 18, 30),
        ),
        (
            {"lock_until": "2026-12-24T18:30:00+01:00"},
            datetime.datetime(2026, 12, 24, 17, 30),
        ),
    ],
)
@pytest.mark.parametrize("form", [dict, json.dumps], ids=["object", "json"])
def test_extra_info_asks_for_a_lock(asked, until, form):
    extra_info = form({"created_by": "manual", **asked})

    found = POLICY.asked(extra_info, NOW)

    assert found == until.replace(tzinfo=datetime.UTC)


@given(
    st.none()
    | st.text()
    | st.integers()
    | st.lists(st.text())
    | st.dictionaries(st.text().filter(lambda name: "lock" not in name), st.text())
)
def test_what_asks_for_nothing_locks_nothing(extra_info):
    assert POLICY.asked(extra_info, NOW) is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"lock_days": 0}, "not a number of days"),
        ({"lock_days": "-1"}, "not a number of days"),
        ({"lock_days": 1.5}, "not a number of days"),
        ({"lock_days": True}, "not a number of days"),
        ({"lock_days": "many"}, "not a number of days"),
        ({"lock_days": 10**30}, "not a number of days"),
        ({"lock_days": 367}, r"366 days at most \(\[bank_lock\]/max_days\)"),
        ({"lock_until": "2028-01-01"}, "366 days at most"),
        ({"lock_until": "2026-11-20"}, "over already"),
        ({"lock_until": "tomorrow"}, "'tomorrow', not a date as 2026-12-24"),
        ({"lock_until": 20261224}, "not a date"),
        ({"lock_until": "2026-12-24T18:30:00"}, "say its zone"),
        ({"lock_until": "9999-12-31T23:59:59-14:00"}, "out of the range of dates"),
        ({"lock_until": "0001-01-01T00:00:00+14:00"}, "out of the range of dates"),
        ({"lock_untill": "2026-12-24"}, "'lock_untill' is neither lock_days nor"),
        ({"lock_day": 30}, "'lock_day' is neither"),
        ({"lock_days": 1, "lock_until": "2026-12-24"}, "exclude each other"),
    ],
)
def test_a_lock_that_cannot_be_is_refused_with_the_reason(asked, words):
    with pytest.raises(exception.InvalidInput, match=words):
        POLICY.asked(asked, NOW)


def test_a_provider_may_leave_locks_to_nobody():
    with pytest.raises(exception.InvalidInput, match="0 days at most"):
        LockPolicy(days=30, max_days=0).asked({"lock_days": 1}, NOW)


zones = st.integers(-23 * 60, 23 * 60).map(
    lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes))
)


@given(
    st.datetimes(
        min_value=datetime.datetime(2000, 1, 1),
        max_value=datetime.datetime(2200, 1, 1),
        timezones=zones,
    )
)
def test_any_moment_with_a_zone_is_understood(moment):
    assert parse_moment(moment.isoformat()) == moment
