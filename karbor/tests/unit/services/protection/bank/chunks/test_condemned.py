# SPDX-License-Identifier: Apache-2.0
"""What a collection wants to delete is told to whoever writes."""

import pytest

from karbor import exception
from karbor.services.protection.bank.chunks import condemned, names
from karbor.services.protection.bank.sections import Bank
from karbor.tests.fakes.bank import MemoryBankPlugin


@pytest.fixture
def plugin():
    return MemoryBankPlugin()


@pytest.fixture
def space(plugin):
    return Bank(plugin).get_sub_section("/chunks/p1")


def _names(count):
    return [names.make("ab" * 32, number) for number in range(count)]


def test_nothing_is_condemned_in_a_new_project(space):
    found = condemned.load(space)

    assert not found
    assert len(found) == 0
    assert _names(1)[0] not in found


def test_what_is_condemned_on_any_page_is_found_and_nothing_else(space):
    first, second, other = _names(5), _names(7), _names(5)
    condemned.write_page(space, "c1", first)
    condemned.write_page(space, "c2", second)

    found = condemned.load(space)

    assert len(found) == 12
    assert all(name in found for name in first + second)
    assert not any(name in found for name in other)


def test_another_project_s_condemned_names_are_not_looked_at(plugin, space):
    name = _names(1)[0]
    condemned.write_page(space, "c1", [name])

    assert name not in condemned.load(Bank(plugin).get_sub_section("/chunks/p2"))


def test_a_damaged_page_condemns_everything(plugin, space):
    key = condemned.write_page(space, "c1", _names(1))
    plugin.objects["/chunks/p1/" + key]["names"] = []

    found = condemned.load(space)

    assert _names(1)[0] in found
    assert found


def test_a_page_in_another_page_s_place_condemns_everything(plugin, space):
    first = condemned.write_page(space, "c1", _names(1))
    second = condemned.write_page(space, "c1", _names(1))
    plugin.objects["/chunks/p1/" + first] = plugin.objects["/chunks/p1/" + second]

    assert _names(1)[0] in condemned.load(space)


def test_a_page_that_the_bank_does_not_give_lets_nothing_be_relied_on(
    plugin, space, monkeypatch
):
    condemned.write_page(space, "c1", _names(1))

    def fail(key, context=None):
        raise exception.BankGetObjectFailed(key=key, reason="the store is away")

    monkeypatch.setattr(plugin, "get_object", fail)

    with pytest.raises(exception.BankGetObjectFailed):
        condemned.load(space)


def test_a_page_that_is_deleted_meanwhile_is_passed_over(plugin, space, monkeypatch):
    key = condemned.write_page(space, "c1", _names(1))
    get = plugin.get_object

    def delete_first(asked, context=None):
        plugin.delete_object(f"/chunks/p1/{key}")
        return get(asked)

    monkeypatch.setattr(plugin, "get_object", delete_first)

    assert not condemned.load(space)


def test_a_page_is_read_once_for_as_long_as_it_is_there(plugin, space, monkeypatch):
    first, second = _names(2)
    key = condemned.write_page(space, "c1", [first])
    read = []
    get = plugin.get_object
    monkeypatch.setattr(
        plugin, "get_object", lambda key, context=None: read.append(key) or get(key)
    )
    known = condemned.CondemnedNames()

    assert first in known.load(space)
    assert first in known.load(space)
    assert read == [f"/chunks/p1/{key}"]

    other = condemned.write_page(space, "c1", [second])
    space.delete_object(key)
    found = known.load(space)

    assert first not in found
    assert second in found
    assert read[1:] == [f"/chunks/p1/{other}"]


def test_the_names_of_few_projects_are_kept(plugin, monkeypatch):
    monkeypatch.setattr(condemned, "_KEPT_PROJECTS", 2)
    known = condemned.CondemnedNames()
    for project in "abc":
        space = Bank(plugin).get_sub_section(f"/chunks/{project}")
        condemned.write_page(space, "c1", _names(1))
        known.load(space)

    assert list(known._known) == ["/chunks/b/", "/chunks/c/"]


def test_more_pages_than_one_listing_gives_are_all_found(space, monkeypatch):
    monkeypatch.setattr(condemned, "_LISTED", 2)
    wanted = _names(5)
    for name in wanted:
        condemned.write_page(space, "c1", [name])

    found = condemned.load(space)

    assert len(found) == 5
    assert all(name in found for name in wanted)
