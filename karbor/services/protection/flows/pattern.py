# SPDX-License-Identifier: Apache-2.0
"""A taskflow flow whose tasks and edges are given all at once."""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from taskflow import exceptions, flow, task


class BulkFlow(flow.Flow):
    """Tasks and the order between them, built in time linear in both.

    taskflow's own graph flow copies and re-checks its whole graph for each edge
    that is linked. Here the graph is complete when it is made, and checked once.

    :param name: what logs call it
    :param tasks: distinct tasks with distinct names
    :param edges: pairs of indices into ``tasks``: the first runs before the second
    :raises taskflow.exceptions.DependencyFailure: when the edges form a cycle
    :raises IndexError: when an edge names no task
    """

    def __init__(
        self, name: str, tasks: Sequence[task.Task], edges: Iterable[tuple[int, int]]
    ) -> None:
        super().__init__(name)
        self.tasks = tuple(tasks)
        self.edges = tuple(edges)
        self._order = self._sorted()

    def _sorted(self) -> list[int]:
        after: list[list[int]] = [[] for _ in self.tasks]
        waits = [0] * len(self.tasks)
        for before, behind in self.edges:
            after[before].append(behind)
            waits[behind] += 1
        ready = collections.deque(i for i, count in enumerate(waits) if not count)
        order = []
        while ready:
            current = ready.popleft()
            order.append(current)
            for behind in after[current]:
                waits[behind] -= 1
                if not waits[behind]:
                    ready.append(behind)
        if len(order) != len(self.tasks):
            raise exceptions.DependencyFailure(
                f"Flow {self.name}: {len(self.tasks) - len(order)} tasks wait for "
                "each other in a circle"
            )
        return order

    def add(self, *items: Any) -> NoReturn:
        """Refused: all tasks are given when the flow is made."""
        raise TypeError(f"Flow {self.name} is complete; nothing can be added to it")

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[task.Task]:
        return (self.tasks[index] for index in self._order)

    def iter_nodes(self) -> Iterator[tuple[task.Task, dict[str, Any]]]:
        """The tasks, each after those it waits for."""
        return ((item, {}) for item in self)

    def iter_links(self) -> Iterator[tuple[task.Task, task.Task, dict[str, Any]]]:
        """The edges, as taskflow's compilers take them."""
        for before, behind in self.edges:
            yield self.tasks[before], self.tasks[behind], {flow.LINK_MANUAL: True}

    @property
    def requires(self) -> frozenset[str]:
        """What tasks need that none of the flow provides."""
        needed: set[str] = set()
        for item in self.tasks:
            needed.update(item.requires)
        return frozenset(needed - self.provides)
