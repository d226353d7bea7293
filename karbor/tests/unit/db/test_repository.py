# SPDX-License-Identifier: Apache-2.0
"""Records go in, come out as they were, and only to whom they belong."""

import datetime

import pytest
from oslo_utils import timeutils

from karbor import exception
from karbor.context import get_admin_context

REPOSITORIES = {
    "plans": exception.PlanNotFound,
    "restores": exception.RestoreNotFound,
    "verifications": exception.VerificationNotFound,
    "operation_logs": exception.OperationLogNotFound,
    "services": exception.ServiceNotFound,
}


def test_a_plan_comes_back_as_it_was_created(database, alice):
    resources = [
        {"id": "i", "type": "OS::Glance::Image", "name": "Ä\x00\ud800", "extra_info": 1}
    ]
    created = database.plans.create(
        alice,
        {"name": "p", "provider_id": "x", "resources": resources, "parameters": {}},
    )
    assert created["project_id"] == "project-a"
    assert created["resources"] == resources
    assert created["parameters"] == {}
    assert created["description"] is None
    assert created["created_at"].tzinfo is datetime.UTC
    assert created["updated_at"] is None
    assert database.plans.get(alice, created["id"]) == created


def test_an_id_that_is_given_is_kept_and_is_unique(database, alice):
    assert database.plans.create(alice, {"id": "mine"})["id"] == "mine"
    with pytest.raises(exception.InvalidInput, match="mine"):
        database.plans.create(alice, {"id": "mine"})


def test_an_update_changes_its_fields_and_no_others(database, alice):
    plan = database.plans.create(alice, {"name": "before", "status": "suspended"})
    changed = database.plans.update(alice, plan["id"], {"name": "after"})
    assert changed["updated_at"] >= plan["created_at"]
    assert changed == {**plan, "name": "after", "updated_at": changed["updated_at"]}


def test_an_update_moves_a_row_neither_in_time_nor_to_another_id(database, alice):
    plan = database.plans.create(alice, {})
    changed = database.plans.update(
        alice, plan["id"], {"id": "other", "project_id": "project-b"}
    )
    assert (changed["id"], changed["project_id"]) == (plan["id"], "project-a")


def test_what_was_deleted_is_gone(database, alice):
    plan = database.plans.create(alice, {})
    database.plans.delete(alice, plan["id"])
    with pytest.raises(exception.PlanNotFound):
        database.plans.get(alice, plan["id"])
    with pytest.raises(exception.PlanNotFound):
        database.plans.delete(alice, plan["id"])


@pytest.mark.parametrize("name", REPOSITORIES)
@pytest.mark.parametrize("record_id", ["no-such", "", "x" * 5000, "nul\x00", "\ud800"])
def test_what_does_not_exist_is_the_not_found_error_of_its_table(
    database, admin, name, record_id
):
    repository = getattr(database, name)
    with pytest.raises(REPOSITORIES[name]):
        repository.get(admin, record_id)
    with pytest.raises(REPOSITORIES[name]):
        repository.update(admin, record_id, {})
    with pytest.raises(REPOSITORIES[name]):
        repository.delete(admin, record_id)


@pytest.mark.parametrize("name", [name for name in REPOSITORIES if name != "services"])
def test_another_projects_record_is_not_found(database, alice, bob, name):
    repository = getattr(database, name)
    record = repository.create(alice, {"status": "x"})
    for use in (
        lambda: repository.get(bob, record["id"]),
        lambda: repository.update(bob, record["id"], {"status": "y"}),
        lambda: repository.delete(bob, record["id"]),
    ):
        with pytest.raises(REPOSITORIES[name]):
            use()
    assert repository.list(bob) == []
    with pytest.raises(exception.InvalidInput, match="marker"):
        repository.list(bob, marker=record["id"])
    assert repository.get(alice, record["id"])["status"] == "x"


def test_a_project_cannot_create_for_another(database, alice):
    with pytest.raises(exception.AdminRequired):
        database.plans.create(alice, {"project_id": "project-b"})


def test_an_admin_may_touch_any_project_and_lists_all_only_when_asked(
    database, alice, bob, admin
):
    mine = database.plans.create(admin, {})
    others = [database.plans.create(who, {}) for who in (alice, bob)]
    assert database.plans.get(admin, others[0]["id"]) == others[0]
    assert [row["id"] for row in database.plans.list(admin)] == [mine["id"]]
    everything = database.plans.list(admin, all_tenants=True)
    assert {row["id"] for row in everything} == {row["id"] for row in [mine, *others]}
    of_bob = database.plans.list(
        admin, all_tenants=True, filters={"project_id": "project-b"}
    )
    assert [row["id"] for row in of_bob] == [others[1]["id"]]


def test_all_tenants_is_for_admins(database, alice):
    with pytest.raises(exception.AdminRequired):
        database.plans.list(alice, all_tenants=True)


def test_the_services_own_context_sees_every_project(database, alice):
    plan = database.plans.create(alice, {})
    assert [row["id"] for row in database.plans.list(get_admin_context())] == [
        plan["id"]
    ]


def test_a_context_without_a_project_sees_nothing(database, admin):
    from karbor.context import RequestContext

    database.plans.create(admin, {"project_id": None})
    assert database.plans.list(RequestContext(overwrite=False)) == []


@pytest.mark.parametrize(
    "values",
    [
        {"colour": "red"},
        {"name": 5},
        {"name": "x" * 256},
        {"name": "nul\x00"},
        {"name": "\ud800"},
        {"resources": object()},
        {"created_at": "yesterday"},
    ],
)
def test_what_a_column_cannot_hold_is_refused(database, alice, values):
    with pytest.raises(exception.InvalidInput):
        database.plans.create(alice, values)


def test_ten_thousand_resources_fit(database, alice):
    resources = [
        {"id": f"{n:036}", "type": "OS::Nova::Server", "name": "ü" * 255}
        for n in range(10_000)
    ]
    plan = database.plans.create(alice, {"resources": resources})
    assert database.plans.get(alice, plan["id"])["resources"] == resources


def test_an_error_text_is_recorded_whatever_it_holds(database, alice):
    log = database.operation_logs.create(
        alice, {"error_info": "broken \x00 \ud800" + "x" * 100_000}
    )
    assert log["error_info"].startswith("broken \ufffd ?x")
    assert len(log["error_info"]) == len("broken _ _") + 100_000


def test_times_are_kept_in_utc_to_the_microsecond(database, alice):
    paris = datetime.timezone(datetime.timedelta(hours=2))
    started = datetime.datetime(2026, 5, 1, 2, 30, 0, 123456, tzinfo=paris)
    log = database.operation_logs.create(alice, {"started_at": started})
    assert log["started_at"] == started
    assert log["started_at"].utcoffset() == datetime.timedelta(0)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"name": "a"}, ["1"]),
        ({"name": "A"}, []),
        ({"name": ["a", "b"]}, ["1", "2"]),
        ({"name": None}, ["3"]),
        ({"name": []}, []),
        ({"name": "a", "status": "on"}, []),
        ({"parameters": '{"y": 2, "x": 1}'}, ["2"]),
        ({"parameters": {"x": 1, "y": 2}}, ["2"]),
        ({"created_at": "2026-01-01T00:00:01Z"}, ["1"]),
        ({"status": "on"}, ["2", "3"]),
    ],
)
def test_filters_select_by_any_column(database, alice, filters, expected):
    time = datetime.datetime(2026, 1, 1)
    for number, row in enumerate(
        [
            {"id": "1", "name": "a", "status": "off"},
            {"id": "2", "name": "b", "status": "on", "parameters": {"y": 2, "x": 1}},
            {"id": "3", "name": None, "status": "on"},
        ],
        start=1,
    ):
        created_at = time + datetime.timedelta(seconds=number)
        database.plans.create(alice, {"created_at": created_at, **row})
    found = database.plans.list(
        alice, filters=filters, sort_keys=["id"], sort_dirs=["asc"]
    )
    assert [row["id"] for row in found] == expected


@pytest.mark.parametrize(
    "query",
    [
        {"filters": {"colour": "red"}},
        {"filters": {"__class__": "x"}},
        {"filters": {"created_at": "soon"}},
        {"filters": {"parameters": "{"}},
        {"filters": {"name": "\x00"}},
        {"sort_keys": ["colour"]},
        {"sort_keys": ["resources"]},
        {"sort_keys": ["name"], "sort_dirs": ["up"]},
        {"sort_keys": ["name"], "sort_dirs": ["asc", "desc"]},
        {"marker": "no-such"},
        {"marker": "\x00"},
        {"limit": 0},
        {"limit": -1},
        {"limit": "ten"},
        {"limit": True},
        {"limit": "9" * 5000},
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(database, alice, query):
    with pytest.raises(exception.InvalidInput):
        database.plans.list(alice, **query)


def test_a_page_is_cut_to_the_largest_that_is_allowed(database, conf, alice):
    for _ in range(3):
        database.plans.create(alice, {})
    database.plans._max_limit = 2
    assert len(database.plans.list(alice)) == 2
    assert len(database.plans.list(alice, limit=10**9)) == 2
    assert len(database.plans.list(alice, limit=1)) == 1


def test_a_heartbeat_creates_the_service_and_then_counts(database, admin):
    first = database.services.heartbeat(admin, "host-1", "karbor-protection", "t")
    assert (first["report_count"], first["disabled"]) == (1, False)
    second = database.services.heartbeat(admin, "host-1", "karbor-protection", "t")
    assert (second["id"], second["report_count"]) == (first["id"], 2)
    database.services.heartbeat(admin, "host-2", "karbor-protection", "t")
    assert len(database.services.list(admin)) == 2


def test_a_service_is_up_while_its_last_report_is_young(database, admin):
    service = database.services.heartbeat(admin, "host", "karbor-protection", "t")
    reported = service["updated_at"].replace(tzinfo=None)
    for seconds, up in ((59, True), (61, False)):
        timeutils.set_time_override(reported + datetime.timedelta(seconds=seconds))
        try:
            assert database.services.is_up(service, 60) is up
        finally:
            timeutils.clear_time_override()


def test_services_belong_to_no_project(database, admin, bob):
    service = database.services.heartbeat(admin, "host", "karbor-protection", "t")
    assert database.services.get(bob, service["id"]) == service
