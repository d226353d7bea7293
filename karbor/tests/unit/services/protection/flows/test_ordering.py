# SPDX-License-Identifier: Apache-2.0
"""The six rules hold exactly, whichever hooks there are, in linear size."""

import pytest
from hypothesis import given, settings

from karbor.services.protection.flows.ordering import order_hooks
from karbor.services.protection.protection_plugin import HOOKS
from karbor.tests.fakes.operations import graph_of
from karbor.tests.unit.services.protection.flows.strategies import (
    closure,
    expected_order,
    things_with_hooks,
)


def ordered(children, hooks):
    graph = graph_of(children)

    def number(index):
        return int(graph.resources[index].id[6:])

    order = order_hooks(
        graph, lambda index, hook: HOOKS[hook] in hooks.get(number(index), ())
    )
    names = [(HOOKS[hook], number(index)) for index, hook in order.nodes]
    return order, names


def count_of_rules(children):
    return sum(3 + 3 * len(needed) for needed in children.values())


@settings(deadline=None)
@given(things_with_hooks())
def test_exactly_the_order_of_the_rules_is_kept(example):
    children, hooks = example

    order, names = ordered(children, hooks)

    is_hook = dict(zip(names, order.is_hook, strict=True))
    found = {
        (first, last)
        for first, last in closure((names[a], names[b]) for a, b in order.edges)
        if is_hook[first] and is_hook[last]
    }
    assert found == expected_order(children, hooks)


@settings(deadline=None)
@given(things_with_hooks(most=12))
def test_no_more_edges_than_the_rules_name(example):
    children, hooks = example

    order, _ = ordered(children, hooks)

    assert len(order.edges) <= count_of_rules(children)


@settings(deadline=None)
@given(things_with_hooks())
def test_all_hooks_and_nothing_that_could_be_dissolved(example):
    children, hooks = example

    order, names = ordered(children, hooks)

    wanted = {(hook, number) for number, own in hooks.items() for hook in own}
    assert {n for n, real in zip(names, order.is_hook, strict=True) if real} == wanted
    for place, is_hook in enumerate(order.is_hook):
        assert is_hook or sum(second == place for _, second in order.edges) > 1


@pytest.mark.parametrize("size", [100, 10_000])
def test_a_star_whose_middle_has_no_hooks_needs_no_placeholder(size):
    children = {0: range(1, size), **dict.fromkeys(range(1, size), ())}

    order, _ = ordered(children, dict.fromkeys(range(1, size), HOOKS))

    assert all(order.is_hook)
    assert len(order.edges) == 3 * (size - 1)


def test_many_above_and_many_below_meet_in_one_placeholder():
    # 0…99 need 100, which needs 101…200; only 100 has no hooks.
    children = {n: [100] for n in range(100)}
    children[100] = list(range(101, 201))
    children.update({n: [] for n in range(101, 201)})

    order, names = ordered(children, {n: HOOKS for n in children if n != 100})

    bare = [n for n, real in zip(names, order.is_hook, strict=True) if not real]
    assert sorted(bare) == [
        ("on_complete", 100),
        ("on_prepare_begin", 100),
        ("on_prepare_finish", 100),
    ]
    assert len(order.edges) <= count_of_rules(children)


@pytest.mark.parametrize("present", [(), HOOKS[:1], HOOKS[2:3], HOOKS])
def test_a_chain_of_ten_thousand_is_ordered_in_linear_size(present):
    size = 10_000
    children = {n: range(n + 1, min(n + 2, size)) for n in range(size)}

    order, _ = ordered(children, dict.fromkeys(range(size), present))

    assert len(order.nodes) == size * len(present)
    assert len(order.edges) <= count_of_rules(children)
