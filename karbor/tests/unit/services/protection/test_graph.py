# SPDX-License-Identifier: Apache-2.0
"""Graphs of resources: found level by level, sorted, written and read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection.graph import ResourceGraph


def resource(number, name=None):
    return Resource("OS::Test::Thing", f"id-{number}", name)


@st.composite
def random_dags(draw):
    """Numbers, and for each the smaller numbers that it depends on."""
    count = draw(st.integers(1, 25))
    return {
        number: draw(
            st.lists(st.integers(0, number - 1), unique=True, max_size=6)
            if number
            else st.just([])
        )
        for number in range(count)
    }


def built(children, roots=None):
    def dependents_of(level):
        return {r: [resource(c) for c in children[int(r.id[3:])]] for r in level}

    return ResourceGraph.build(
        [resource(n) for n in (children if roots is None else roots)], dependents_of
    )


def edges(graph):
    return {
        (graph.resources[i].id, graph.resources[child].id)
        for i, needed in enumerate(graph.dependencies)
        for child in needed
    }


@given(random_dags())
def test_every_resource_comes_after_what_it_depends_on(children):
    graph = built(children)

    assert all(c < i for i, needed in enumerate(graph.dependencies) for c in needed)
    assert edges(graph) == {
        (f"id-{n}", f"id-{c}") for n, needed in children.items() for c in needed
    }
    assert graph.children_first() == graph.resources


@given(random_dags())
def test_a_graph_written_as_json_reads_back_the_same(children):
    graph = built(children)

    assert ResourceGraph.from_json(graph.to_json()) == graph


@given(random_dags(), st.randoms())
def test_the_constructor_takes_any_order(children, random):
    graph = built(children)
    shuffled = list(range(len(graph)))
    random.shuffle(shuffled)
    place = {old: new for new, old in enumerate(shuffled)}
    other = ResourceGraph(
        tuple(graph.resources[old] for old in shuffled),
        tuple(tuple(place[c] for c in graph.dependencies[old]) for old in shuffled),
    )

    seen = set()
    for index, found in enumerate(other.children_first()):
        assert index == len(seen)
        needed = other.dependencies[other.resources.index(found)]
        assert {other.resources[c] for c in needed} <= seen
        seen.add(found)
    assert edges(ResourceGraph.from_json(other.to_json())) == edges(graph)


@given(random_dags())
def test_each_resource_is_asked_for_its_dependents_once(children):
    asked = []

    def dependents_of(level):
        asked.extend(level)
        return {r: [resource(c) for c in children[int(r.id[3:])]] for r in level}

    top = max(children)
    ResourceGraph.build([resource(top), resource(top)], dependents_of)

    assert len(asked) == len(set(asked))


def test_the_json_is_that_of_karbor_1():
    graph = built({0: [], 1: [0], 2: [0, 1]})

    nodes, adjacency = json.loads(graph.to_json())

    assert nodes == {
        "0x0": ["OS::Test::Thing", "id-0", None, None],
        "0x1": ["OS::Test::Thing", "id-1", None, None],
        "0x2": ["OS::Test::Thing", "id-2", None, None],
    }
    assert adjacency == [["0x1", ["0x0"]], ["0x2", ["0x0", "0x1"]]]


def test_extra_info_that_is_a_json_string_stays_one():
    text = '[{"0x0": ["OS::Glance::Image", "a", "img1", "{\\"k\\": \\"v\\"}"]}, []]'

    graph = ResourceGraph.from_json(text)

    assert graph.resources[0].extra_info == '{"k": "v"}'
    assert graph.to_json() == text


def test_a_level_is_asked_at_once():
    levels = []

    def dependents_of(level):
        levels.append(len(level))
        return {} if len(levels) > 1 else {level[0]: [resource(n) for n in range(99)]}

    ResourceGraph.build([resource("top")], dependents_of)

    assert levels == [1, 99]


def test_a_resource_found_under_a_name_keeps_it():
    graph = ResourceGraph.build(
        [resource(1), resource(2)],
        lambda level: (
            {resource(2): [resource(1, "disk")]} if resource(2) in level else {}
        ),
    )

    assert {r.name for r in graph.resources} == {None, "disk"}


@pytest.mark.parametrize("shape", ["chain", "star"])
def test_ten_thousand_resources_need_no_recursion(shape):
    count = 10_000
    children = {
        n: ([n + 1] if shape == "chain" and n + 1 < count else []) for n in range(count)
    }
    if shape == "star":
        children[0] = list(range(1, count))

    graph = built(children, roots=[0])

    assert len(graph) == count
    assert graph.resources[-1] == resource(0)
    assert graph.roots == (resource(0),)
    assert ResourceGraph.from_json(graph.to_json()) == graph


def test_a_cycle_is_an_error_that_names_the_resources_in_it():
    with pytest.raises(exception.InvalidResourceGraph) as caught:
        built({0: [1], 1: [2], 2: [3], 3: [1]}, roots=[0])

    text = str(caught.value)
    assert "id-1 -> OS::Test::Thing id-2 -> OS::Test::Thing id-3" in text
    assert "id-0" not in text


def test_a_resource_that_depends_on_itself_is_a_cycle():
    with pytest.raises(exception.InvalidResourceGraph, match=r"id-0 -> .*id-0"):
        built({0: [0]})


def test_the_error_of_a_long_cycle_is_short():
    count = 10_000
    with pytest.raises(exception.InvalidResourceGraph) as caught:
        built({n: [(n + 1) % count] for n in range(count)}, roots=[0])

    assert len(str(caught.value)) < 1000
    assert "9991 more" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[{}]",
        '[{"0x0": []}, []]',
        '[{"0x0": [1, 2, 3, 4]}, []]',
        '[{"0x0": ["t", "i", null, null]}, [["0x0", ["0x9"]]]]',
        '[{"0x0": ["t", "i", null, null]}, [["0x0", ["0x0"]]]]',
        '[{"0x0": ["t", "i", null, null], "0x1": ["t", "i", "n", null]}, []]',
    ],
)
def test_json_of_something_else_is_refused(text):
    with pytest.raises(exception.InvalidResourceGraph):
        ResourceGraph.from_json(text)


def test_dependencies_outside_of_the_graph_are_refused():
    with pytest.raises(exception.InvalidResourceGraph, match="not in the graph"):
        ResourceGraph((resource(0),), ((1,),))
    with pytest.raises(exception.InvalidResourceGraph, match="1 resources but 0"):
        ResourceGraph((resource(0),), ())


def test_plugins_of_karbor_1_find_the_nodes_below_the_roots():
    graph = built({0: [1, 2], 1: [2], 2: [], 3: []}, roots=[0, 3])

    nodes = {node.value.id: node for node in graph}
    assert nodes.keys() == {"id-0", "id-3"}
    one, two = nodes["id-0"].child_nodes
    assert [one.value.id, two.value.id] == ["id-1", "id-2"]
    assert one.child_nodes == (two,)
    assert nodes["id-3"].child_nodes == two.child_nodes == ()


def test_the_nodes_of_a_long_chain_need_no_recursion():
    (root,) = built({n: [n + 1] if n < 20_000 else [] for n in range(20_001)}, [0])

    depth = 0
    while root.child_nodes:
        (root,) = root.child_nodes
        depth += 1
    assert depth == 20_000


def test_what_is_below_a_resource_is_found_once():
    graph = built({0: [1, 2], 1: [2], 2: [4], 3: [1], 4: []}, roots=[0, 3])

    assert {one.id for one in graph.directly_below(resource(0))} == {"id-1", "id-2"}
    assert graph.below(resource(3)) == {resource(1), resource(2), resource(4)}
    assert graph.below(resource(4)) == set()
