# SPDX-License-Identifier: Apache-2.0
"""Making, finding and listing checkpoints."""

import datetime
import logging

import pytest

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.tests.unit.services.protection.checkpoints.conftest import PLAN


def ids(checkpoints):
    return [checkpoint.id for checkpoint in checkpoints]


def listed(collection, project_id="project-1", provider_id="provider-1", **options):
    return ids(collection.list(project_id, provider_id=provider_id, **options))


def index_key(checkpoint):
    return f"/checkpoints/{checkpoint.id}/index.json"


def test_what_was_created_is_found_and_listed_with_all_that_was_given(collection, make):
    checkpoint = make(extra_info="x", copied_from="source", status="wait_copying")
    found = collection.get(checkpoint.id)
    assert found.to_dict() == checkpoint.to_dict()
    assert found.copied_from == "source"
    assert found.owner_id == "owner-1"
    assert found.provider_id == "provider-1"
    assert found.resource_graph is None
    assert listed(collection) == [checkpoint.id]


@pytest.mark.parametrize(
    "key",
    ["no-such", "", "..", "../x", "a/b", "a\0b", "x" * 65, None, "@", "index.json"],
)
def test_what_is_no_checkpoint_is_not_found(collection, key):
    with pytest.raises(exception.CheckpointNotFound):
        collection.get(key)


def test_another_providers_checkpoint_is_not_found(plugin, make):
    checkpoint = make(provider_id="provider-2")
    collection = CheckpointCollection(Bank(plugin), provider_id="provider-1")
    with pytest.raises(exception.CheckpointNotFound):
        collection.get(checkpoint.id)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "available"},
        {"status": "deleted"},
        {"project_id": ""},
        {"project_id": None},
        {"provider_id": None},
        {"plan": {"name": "without an id"}},
        {"checkpoint_id": "../x"},
    ],
)
def test_what_cannot_be_a_checkpoint_is_refused(make, plugin, change):
    with pytest.raises(exception.InvalidInput):
        make(**change)
    assert plugin.objects == {}


def test_an_id_that_is_taken_is_refused(make):
    make(checkpoint_id="mine")
    with pytest.raises(exception.InvalidInput, match="mine"):
        make(checkpoint_id="mine")


def test_names_that_are_no_keys_are_kept_apart(collection, make):
    names = ["..", ".", "a/b", "a%2Fb", "a b", "ä", "a", "a-", "a0", "A"]
    made = {name: make(project_id=name).id for name in names}
    for name, checkpoint_id in made.items():
        assert listed(collection, name) == [checkpoint_id]
    plan = {name: make(plan={"id": name}).id for name in names}
    for name, checkpoint_id in plan.items():
        assert listed(collection, plan_id=name) == [checkpoint_id]


def test_newest_come_first_unless_asked_otherwise(collection, make):
    made = [make().id for _ in range(3)]
    assert listed(collection) == made[::-1]
    assert listed(collection, sort_dirs=["asc"]) == made
    assert listed(collection, sort_keys=["created_at"], sort_dirs=["asc"]) == made


def test_filters_let_through_what_they_say(collection, make, clock):
    first = make()
    clock.advance(days=1)
    second = make(plan={"id": "plan-2"})
    clock.advance(days=1)
    third = make()
    third.transition("error")
    foreign = make(project_id="project-2")
    make(provider_id="provider-2")
    assert listed(collection, plan_id="plan-2") == [second.id]
    assert listed(collection, status="error") == [third.id]
    assert listed(collection, plan_id="plan-1", status="protecting") == [first.id]
    assert listed(collection, start_date="2026-11-21") == [third.id, second.id]
    assert listed(collection, end_date="2026-11-21") == [second.id, first.id]
    assert listed(
        collection, start_date=datetime.date(2026, 11, 21), end_date="2026-11-21"
    ) == [second.id]
    assert listed(collection, start_date="2026-11-23") == []
    assert listed(collection, all_tenants=True, limit=2) == [foreign.id, third.id]
    assert listed(collection, plan_id="plan-1", all_tenants=True) == [
        foreign.id,
        third.id,
        first.id,
    ]


def test_other_keys_are_sorted_as_asked(collection, make):
    made = [
        make(plan={"id": plan, "name": name})
        for plan, name in (("b", "x"), ("a", "y"), ("b", "z"), ("a", None))
    ]
    by_plan = ids([made[1], made[3], made[0], made[2]])
    options = {"sort_keys": ["plan_id", "created_at"], "sort_dirs": ["asc", "asc"]}
    assert listed(collection, **options) == by_plan
    assert listed(collection, **options, limit=2, marker=by_plan[0]) == by_plan[1:3]
    assert listed(collection, sort_keys=["id"]) == sorted(ids(made), reverse=True)
    by_name = ids([made[3], made[0], made[1], made[2]])
    assert listed(collection, sort_keys=["name"], sort_dirs=["asc"]) == by_name


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sort_keys": ["size"]}, "size"),
        ({"sort_keys": ["id"], "sort_dirs": ["up"]}, "up"),
        ({"limit": -1}, "-1"),
        ({"marker": "no-such"}, "no-such"),
        ({"marker": "no-such", "sort_keys": ["id"]}, "no-such"),
        ({"marker": "../../etc"}, "etc"),
        ({"start_date": "yesterday"}, "yesterday"),
        ({"end_date": "2026-13-01"}, "2026-13-01"),
        ({"project_id": None}, "project"),
    ],
)
def test_what_no_listing_can_have_is_named(collection, make, options, named):
    make()
    with pytest.raises(exception.InvalidInput, match=named):
        listed(collection, **options)


def test_a_marker_of_another_project_is_unknown(collection, make):
    foreign = make(project_id="project-2")
    make()
    with pytest.raises(exception.InvalidInput, match=foreign.id):
        listed(collection, marker=foreign.id)
    assert listed(collection, marker=foreign.id, all_tenants=True, limit=0) == []


def unreadable(value):
    value["version"] = "0.9"
    return value


def without_owner(value):
    del value["owner_id"]
    return value


def without_plan(value):
    value["protection_plan"] = {"name": "x"}
    return value


def of_another(value):
    value["id"] = "other"
    return value


def with_a_number(value):
    value["timestamp"] = 1795000000
    return value


@pytest.mark.parametrize(
    "damage",
    [
        unreadable,
        without_owner,
        without_plan,
        of_another,
        with_a_number,
        lambda value: "not JSON",
        lambda value: None,
        lambda value: [],
    ],
)
def test_one_unreadable_index_does_not_take_down_a_listing(
    collection, make, plugin, caplog, damage
):
    made = [make() for _ in range(3)]
    key = index_key(made[1])
    plugin.objects[key] = damage(plugin.objects[key])
    with caplog.at_level(logging.WARNING):
        assert listed(collection, limit=2) == [made[2].id, made[0].id]
    assert made[1].id in caplog.text
    with pytest.raises(exception.CheckpointUnreadable, match=made[1].id):
        collection.get(made[1].id)
    with pytest.raises(exception.InvalidInput, match=made[1].id):
        listed(collection, marker=made[1].id)


def test_an_index_that_the_store_cannot_read_is_unreadable_and_not_missing(
    collection, make, plugin
):
    checkpoint, other = make(), make()
    get = plugin.get_object

    def failing(key, context=None):
        if key == index_key(checkpoint):
            raise exception.BankGetObjectFailed(key=key, reason="Input/output error")
        return get(key)

    plugin.get_object = failing
    with pytest.raises(exception.CheckpointUnreadable, match="Input/output"):
        collection.get(checkpoint.id)
    assert listed(collection) == [other.id]


def test_an_entry_without_an_index_is_passed_over(collection, make, plugin):
    made = [make() for _ in range(3)]
    del plugin.objects[index_key(made[2])]
    assert listed(collection, limit=2) == [made[1].id, made[0].id]


def test_strange_keys_in_the_indices_are_passed_over(collection, make, plugin):
    checkpoint = make()
    for key in (
        "/indices/by-provider/provider-1/project-1/1795000000@old",
        "/indices/by-provider/provider-1/project-1/2026-11-20/x",
        "/indices/in-work/owner-1/strange",
    ):
        plugin.objects[key] = "old"
    assert listed(collection) == [checkpoint.id]
    assert ids(collection.working()) == [checkpoint.id]


def test_checkpoints_in_work_are_known_without_looking_at_others(collection, make):
    done = make()
    done.transition("available")
    failed = make()
    failed.transition("error")
    deleting = make()
    deleting.transition("error")
    deleting.transition("deleting")
    working = [make(), make(status="wait_copying"), deleting]
    assert sorted(ids(collection.working())) == sorted(ids(working))
    assert collection.has_work()
    deleting.transition("error-deleting")
    assert deleting.id not in ids(collection.working())


def test_a_creation_that_fails_leaves_nothing(collection, make, plugin):
    update = plugin.update_object

    def failing(key, value, context=None):
        if key.endswith("index.json"):
            raise exception.BankUpdateObjectFailed(key=key, reason="No space left")
        update(key, value)

    plugin.update_object = failing
    with pytest.raises(exception.BankUpdateObjectFailed, match="No space"):
        make()
    assert plugin.objects == {}


def test_a_bank_that_cannot_be_listed_is_an_error_and_no_empty_page(collection, plugin):
    def failing(*args, **kwargs):
        raise exception.BankListObjectsFailed(reason="it is gone")

    plugin.list_objects = failing
    with pytest.raises(exception.BankListObjectsFailed):
        listed(collection)


def test_a_page_costs_the_page(collection, make, plugin, clock):
    for _ in range(120):
        clock.advance(hours=6)
        make()
    marker = listed(collection)[60]
    for options in (
        {},
        {"marker": marker},
        {"marker": marker, "sort_dirs": ["asc"]},
        {"plan_id": "plan-1", "marker": marker},
        {"all_tenants": True, "marker": marker},
        {"start_date": "2026-11-25", "end_date": "2026-12-20"},
    ):
        read = []
        get = plugin.get_object
        plugin.get_object = lambda key, context=None, get=get, read=read: (
            read.append(key),
            get(key),
        )[1]
        asked = []
        list_objects = plugin.list_objects
        plugin.list_objects = lambda *args, of=list_objects, asked=asked, **options: (
            asked.append(options["limit"]),
            of(*args, **options),
        )[1]
        assert len(listed(collection, limit=10, **options)) == 10
        plugin.get_object, plugin.list_objects = get, list_objects
        assert len(read) <= 12
        assert len(asked) == 1
        assert sum(asked) <= 30


def test_the_default_clock_gives_the_present(plugin):
    before = datetime.datetime.now(datetime.UTC).date().isoformat()
    made = CheckpointCollection(Bank(plugin)).create(
        PLAN, provider_id="p", project_id="q"
    )
    after = datetime.datetime.now(datetime.UTC).date().isoformat()
    assert before <= made.created_at <= after
