# SPDX-License-Identifier: Apache-2.0
"""Things of services that list a project's and show each by its id."""

from karbor.context import RequestContext
from karbor.services.protection.clients.listed_things import ListedThings

CONTEXT = RequestContext("user", "project", overwrite=False)


class Widgets(ListedThings):
    kind = "widget"
    endpoint = "http://widgets"

    def __init__(self, own, others=(), context=CONTEXT):
        super().__init__(None, context)
        self.own, self.others = list(own), list(others)
        self.asked = []

    def get(self, thing_id):
        self.asked.append(thing_id)
        known = thing_id in self.own or thing_id in self.others
        return {"id": thing_id} if known else None

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
