# SPDX-License-Identifier: Apache-2.0
"""Protectable plugins: which load, and what is asked of them."""

import pytest
from oslo_config import cfg
from stevedore import extension

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.tests.fakes import distribution, protectables

NAMESPACE = "karbor.test.protectables"
PROJECT = Resource("Project", "p1", None)
OTHER = Resource("Other", "o", None)


@pytest.fixture
def context():
    return RequestContext(user_id="u", project_id="p1", overwrite=False)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Make a registry of these of the fake plugins."""

    def registry(**points):
        targets = {
            name: target if ":" in target else f"{protectables.__name__}:{target}"
            for name, target in points.items()
        }
        folder = distribution.install(tmp_path / "dist", {NAMESPACE: targets})
        monkeypatch.syspath_prepend(str(folder))
        # stevedore remembers for as long as the process lives.
        monkeypatch.setattr(extension.ExtensionManager, "ENTRY_POINT_CACHE", {})
        return ProtectableRegistry(cfg.ConfigOpts(), NAMESPACE)

    protectables.reset()
    yield registry
    protectables.reset()


@pytest.fixture
def cloud(registry):
    return registry(project="Projects", server="Servers", volume="Volumes")


def test_types_are_known_with_what_they_depend_on(cloud):
    assert cloud.failures == []
    assert cloud.resource_types() == ["Project", "Server", "Volume"]
    assert cloud.dependent_types("Project") == ["Server", "Volume"]
    assert cloud.dependent_types("Volume") == []
    assert cloud.parent_types("Volume") == ["Project", "Server"]


def test_an_unknown_type_is_not_found(cloud, context):
    for ask in (
        lambda: cloud.dependent_types("Unknown"),
        lambda: cloud.parent_types("Unknown"),
        lambda: cloud.list_resources(context, "Unknown"),
        lambda: cloud.show_resource(context, "Unknown", "1"),
    ):
        with pytest.raises(exception.ProtectableTypeNotFound, match="Unknown"):
            ask()


def test_resources_are_listed_and_shown_with_the_callers_parameters(cloud, context):
    parameters = {"region": "one"}
    [found] = cloud.list_resources(context, "Server", parameters)
    assert (found.id, found.name) == ("Server-1", str(parameters))
    shown = cloud.show_resource(context, "Server", "s9", parameters)
    assert (shown.id, shown.name) == ("s9", str(parameters))
    assert cloud.show_resource(context, "Server", "none") is None


def test_what_cannot_load_is_told_and_takes_no_other_with_it(registry, caplog):
    found = registry(
        project="Projects",
        server="Servers",
        second="Servers",
        broken="Broken",
        nameless="Nameless",
        missing="NoSuchClass",
        unimportable="karbor.tests.no_such_module:X",
    )
    assert found.resource_types() == ["Project", "Server"]
    reasons = {failure.name: failure.reason for failure in found.failures}
    assert sorted(reasons) == [
        "broken",
        "missing",
        "nameless",
        "server",
        "unimportable",
    ]
    assert "'second' already finds Server" in reasons["server"]
    assert "it is broken" in reasons["broken"]
    assert "no_such_module" in reasons["unimportable"]
    for failure in found.failures:
        assert str(failure) in caplog.text


def test_the_graph_has_all_that_the_roots_depend_on(cloud, context):
    protectables.children.update(
        {"p1": ["s1", "s2", "v1"], "s1": ["v1", "v2"], "s2": ["v2"]}
    )
    graph = cloud.build_graph(context, [PROJECT])
    names = {resource.id: number for number, resource in enumerate(graph.resources)}
    depends = {
        resource.id: sorted(graph.resources[i].id for i in graph.dependencies[number])
        for resource, number in zip(
            graph.resources, range(len(graph.resources)), strict=True
        )
    }
    assert len(names) == 5
    assert depends == {
        "p1": ["s1", "s2", "v1"],
        "s1": ["v1", "v2"],
        "s2": ["v2"],
        "v1": [],
        "v2": [],
    }


def test_a_plugin_that_answers_for_many_is_asked_once_for_each_level(cloud, context):
    roots = [Resource("Project", f"p{number}", None) for number in range(50)]
    for number in range(50):
        protectables.children[f"p{number}"] = [f"s{number}"]
    cloud.build_graph(context, roots)
    many = [item for item in protectables.asked if item[1] == "many"]
    assert many == [("Servers", "many", tuple(root.id for root in roots))]
    one = [item[2][0] for item in protectables.asked if item[1] == "one"]
    assert len(one) == len(set(one)) == 100


def test_what_a_plan_names_and_nobody_has_is_reported_by_name(cloud, context):
    roots = [PROJECT, Resource("Server", "none", "web"), Resource("Server", "s1", None)]
    with pytest.raises(
        exception.ProtectableResourceNotFound, match=r"Server none \(web\)"
    ):
        cloud.build_graph(context, roots)
    assert [item for item in protectables.asked if item[1] != "show"] == []


def test_many_that_are_missing_are_named_up_to_a_number(registry, context):
    found = registry(strange="Strange")
    protectables.answer["value"] = None
    roots = [Resource("Strange", str(number), None) for number in range(12)]
    with pytest.raises(
        exception.ProtectableResourceNotFound, match="Strange 9 and 2 more"
    ):
        found.build_graph(context, roots)


def test_a_type_that_no_plugin_finds_is_reported_with_its_resource(cloud, context):
    with pytest.raises(
        exception.ProtectableTypeNotFound, match=r"Elsewhere x \(it\).*Project, Server"
    ):
        cloud.build_graph(context, [PROJECT, Resource("Elsewhere", "x", "it")])


def test_a_root_that_cannot_be_protected_now_is_refused(registry, context):
    found = registry(declared="Declared")
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match="killed"):
        found.build_graph(context, [Resource("Declared", "1", None)])


@pytest.mark.parametrize("wrong", [5, OTHER, RuntimeError("gone")], ids=repr)
def test_what_a_plugin_shows_is_checked(registry, context, wrong):
    found = registry(strange="Strange")
    protectables.answer["value"] = wrong
    with pytest.raises(exception.ListProtectableResourceFailed, match="Strange"):
        found.build_graph(context, [Resource("Strange", "1", None)])


def test_the_roots_of_a_type_are_shown_at_once(cloud, context):
    roots = [Resource("Server", f"s{number}", None) for number in range(50)]
    cloud.build_graph(context, roots)
    shown = [item for item in protectables.asked if item[1] == "show"]
    assert shown == [("Servers", "show", tuple(root.id for root in roots))]


def test_a_root_gets_the_name_that_the_plan_leaves_out(cloud, context):
    named = Resource("Server", "s1", "mine", {"a": 1})
    graph = cloud.build_graph(context, [named, Resource("Server", "s2", None)])
    assert [(item.name, item.extra_info) for item in graph.resources] == [
        ("mine", {"a": 1}),
        ("None", None),
    ]


def test_the_plugins_of_one_graph_share_what_they_find_out(cloud, context):
    protectables.children.update({"p1": ["s1"], "s1": ["v1"]})
    for _graph in range(2):
        cloud.build_graph(context, [PROJECT])
    first, *of_the_first = protectables.scratchpads[:3]
    second, *of_the_second = protectables.scratchpads[3:]
    assert all(other is first for other in of_the_first)
    assert all(other is second for other in of_the_second)
    assert first is not second


def test_dependents_are_one_level_deep_and_each_is_named_once(cloud, context):
    protectables.children.update({"p1": ["s1", "v1", "v1"], "s1": ["v2"]})
    found = cloud.dependents(context, PROJECT)
    assert [resource.id for resource in found] == ["s1", "v1"]
    assert cloud.dependents(context, Resource("Elsewhere", "x", None)) == []


def test_a_plugin_that_only_looks_like_one_works(registry, context):
    found = registry(server="Servers", old="OldVolumes")
    protectables.children["s1"] = ["v1"]
    graph = found.build_graph(context, [Resource("Server", "s1", None)])
    assert [resource.id for resource in graph.resources] == ["v1", "s1"]


def test_a_cycle_names_its_resources(registry, context):
    found = registry(server="Servers", project="Projects")
    protectables.children["p1"] = ["s1"]
    # A server that has its own project below it.
    found._parents["Project"] = ("Server",)
    protectables.children["s1"] = ["p1"]
    with pytest.raises(exception.InvalidResourceGraph, match="p1"):
        found.build_graph(context, [PROJECT])


WRONG_LISTS = [
    None,
    5,
    "text",
    {"a": 1},
    [None],
    [{"type": "Strange", "id": "1"}],
    [OTHER],
    [Resource("Strange", "", None)],
    [Resource("Strange", 5, None)],
    RuntimeError("the cloud is gone"),
]


@pytest.mark.parametrize("wrong", WRONG_LISTS, ids=repr)
def test_an_answer_that_is_no_list_of_the_type_fails_the_operation(
    registry, context, wrong
):
    found = registry(strange="Strange", many="StrangeMany", project="Projects")
    assert found.resource_types() == ["Project", "Strange"]
    protectables.answer["value"] = wrong
    for ask in (
        lambda: found.list_resources(context, "Strange"),
        lambda: found.dependents(context, PROJECT),
        lambda: found.build_graph(context, [PROJECT]),
    ):
        with pytest.raises(exception.ListProtectableResourceFailed, match="Strange"):
            ask()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda parents: None,
        lambda parents: [],
        lambda parents: {},
        lambda parents: dict.fromkeys(parents[1:], ()),
        lambda parents: dict.fromkeys(parents),
        lambda parents: {parent: [OTHER] for parent in parents},
        lambda parents: {**dict.fromkeys(parents, ()), OTHER: []},
        RuntimeError("the cloud is gone"),
    ],
)
def test_an_answer_for_only_some_fails_the_operation(registry, context, wrong):
    found = registry(strange="StrangeMany", project="Projects")
    protectables.answer["value"] = wrong
    with pytest.raises(exception.ListProtectableResourceFailed, match="Strange"):
        found.build_graph(context, [PROJECT, Resource("Project", "p2", None)])


def test_an_answer_of_nothing_for_each_is_an_answer(registry, context):
    found = registry(strange="StrangeMany", project="Projects")
    protectables.answer["value"] = lambda parents: dict.fromkeys(parents, ())
    assert found.build_graph(context, [PROJECT]).resources == (PROJECT,)


def test_the_reason_of_a_plugin_is_told(registry, context):
    found = registry(strange="Strange", declared="Declared")
    protectables.answer["value"] = ConnectionError("glance does not answer")
    with pytest.raises(
        exception.ListProtectableResourceFailed, match="glance does not answer"
    ):
        found.list_resources(context, "Strange")
    with pytest.raises(exception.ProtectableResourceInvalidStatus, match="killed"):
        found.show_resource(context, "Declared", "1")


def test_the_installed_plugins_load():
    registry = ProtectableRegistry(cfg.ConfigOpts())
    assert registry.failures == []
    assert "OS::Glance::Image" in registry.dependent_types("OS::Keystone::Project")
