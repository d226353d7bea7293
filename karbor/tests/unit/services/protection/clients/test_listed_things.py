# SPDX-License-Identifier: Apache-2.0
"""Things of services that list a project's and show each by its id."""

from karbor.context import RequestContext
from karbor.services.protection.clients.listed_things import ListedThings

CONTEXT = RequestContext("user", "project", overwrite=False)


def _owner(name):
    """The first letter of others' names."""
    return f"project {name[0]}"


class Widgets(ListedThings):
    kind = "widget"
    endpoint = "http://widgets"
    owner_field = "owner"

    def __init__(self, own, others=(), context=CONTEXT):
        super().__init__(None, context)
        self.own, self.others = list(own), list(others)
        self.asked = []

    def get(self, thing_id):
        self.asked.append(thing_id)
        if thing_id in self.own:
            return {"id": thing_id}
        if thing_id in self.others:
            return {"id": thing_id, "owner": _owner(thing_id)}
        return None

    def of_project(self, project_id):
        self.asked.append(project_id)
        return [{"id": one} for one in self.others if _owner(one) == project_id]

    def all(self):
        self.asked.append("all")
        return [{"id": name} for name in self.own]


def test_a_few_are_asked_for_one_by_one():
    widgets = Widgets("abc")
    assert widgets.find(["a", "x"]) == {"a": {"id": "a"}}
    assert sorted(widgets.asked) == ["a", "x"]


def test_many_are_one_listing():
    widgets = Widgets("abcdefgh")
    assert widgets.find(list("abcde")).keys() == set("abcde")
    assert widgets.asked == ["all"]


def test_those_that_no_listing_has_are_asked_for():
    widgets = Widgets("abc", others="z")
    assert widgets.find(list("abcz")).keys() == set("abcz")
    assert widgets.asked == ["all", "z"]


def test_many_of_other_projects_are_a_listing_of_each_for_an_admin():
    """One is asked for to learn whose it is."""
    admin = RequestContext("root", "project", is_admin=True, overwrite=False)
    others = [f"{project}{n}" for project in "pq" for n in range(100)]
    widgets = Widgets("abc", others, admin)

    found = widgets.find(["a", *others, "gone"])

    assert found.keys() == {"a", *others}
    assert len(widgets.asked) <= 1 + 2 * 2 + 1
    assert {"all", "project p", "project q"} <= set(widgets.asked)


def test_nobody_else_lists_other_projects():
    others = [f"p{n}" for n in range(6)]
    widgets = Widgets("abc", others)
    assert widgets.find(others).keys() == set(others)
    assert "project p" not in widgets.asked


def test_those_of_one_caller_are_looked_at_together():
    another = RequestContext("another", "project", overwrite=False)
    assert Widgets("a").key == Widgets("b").key
    assert Widgets("a").key != Widgets("a", context=another).key


def test_those_of_an_admin_are_those_of_the_tokens_project():
    """Whatever project the admin works on, what a listing gives is the token's."""
    visiting = RequestContext(
        "user", "elsewhere", token_project_id="project", overwrite=False
    )
    assert Widgets("a").key == Widgets("a", context=visiting).key
