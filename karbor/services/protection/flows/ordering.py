# SPDX-License-Identifier: Apache-2.0
"""The order of the hooks of a graph of resources, whichever hooks there are."""

import dataclasses
from collections.abc import Callable

from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.protection_plugin import HOOKS

_BEGIN, _FINISH, _MAIN, _COMPLETE = range(len(HOOKS))


@dataclasses.dataclass(frozen=True)
class HookOrder:
    """Which hooks run, and which of them wait for which.

    :param nodes: pairs of an index into the graph's resources and one into
        :data:`~karbor.services.protection.protection_plugin.HOOKS`
    :param is_hook: for each node whether the plugin has that hook; if not, the node
        only passes the order on
    :param edges: pairs of indices into ``nodes``: the first before the second
    """

    nodes: tuple[tuple[int, int], ...]
    is_hook: tuple[bool, ...]
    edges: tuple[tuple[int, int], ...]


def order_hooks(
    graph: ResourceGraph, has_hook: Callable[[int, int], bool]
) -> HookOrder:
    """The six rules of :class:`~…protection_plugin.Operation` over the given hooks.

    A hook that is left out still passes the order on from what would run before it
    to what would run after it. Joining each before with each after may need as many
    edges as the product of their numbers; so a left out hook is dissolved only where
    it has one at most on either side, and stays as a bare node elsewhere. The result
    never has more edges than the rules name: three for each resource and three for
    each dependency.

    :param has_hook: whether the resource of an index has the hook of an index
    """
    hooks = len(HOOKS)
    count = len(graph.resources) * hooks
    present = [has_hook(*divmod(node, hooks)) for node in range(count)]
    before: list[set[int]] = [set() for _ in range(count)]
    after: list[set[int]] = [set() for _ in range(count)]

    def link(first: int, second: int) -> None:
        after[first].add(second)
        before[second].add(first)

    for resource, needed in enumerate(graph.dependencies):
        parent = resource * hooks
        for hook in range(hooks - 1):
            link(parent + hook, parent + hook + 1)
        for other in needed:
            child = other * hooks
            link(parent + _BEGIN, child + _BEGIN)
            link(child + _FINISH, parent + _FINISH)
            link(child + _COMPLETE, parent + _COMPLETE)

    def dissolve(node: int) -> None:
        for first in before[node]:
            after[first].discard(node)
        for second in after[node]:
            before[second].discard(node)
        for first in before[node]:
            for second in after[node]:
                link(first, second)
        before[node], after[node] = set(), set()

    left_out = [node for node in _in_order(graph) if not present[node]]
    dissolved = set()
    # Going forward, a node has the successors of the rules yet, and going backward
    # the predecessors that the first pass left: each edge is moved once in each.
    for node in left_out:
        if len(before[node]) <= 1:
            dissolve(node)
            dissolved.add(node)
    for node in reversed(left_out):
        if node not in dissolved and len(after[node]) <= 1:
            dissolve(node)
            dissolved.add(node)

    kept = [node for node in range(count) if node not in dissolved]
    place = {node: index for index, node in enumerate(kept)}
    return HookOrder(
        nodes=tuple(divmod(node, hooks) for node in kept),
        is_hook=tuple(present[node] for node in kept),
        edges=tuple(
            (place[first], place[second])
            for first in kept
            for second in sorted(after[first])
        ),
    )


def _in_order(graph: ResourceGraph) -> list[int]:
    """All hooks, present or not, each after those that the rules put before it."""
    index_of = {resource: index for index, resource in enumerate(graph.resources)}
    children_first = [index_of[resource] for resource in graph.children_first()]
    hooks = len(HOOKS)
    return [
        *(index * hooks + _BEGIN for index in reversed(children_first)),
        *(
            index * hooks + hook
            for hook in (_FINISH, _MAIN, _COMPLETE)
            for index in children_first
        ),
    ]
