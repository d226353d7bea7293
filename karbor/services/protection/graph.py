# SPDX-License-Identifier: Apache-2.0
"""Resources and what they depend on."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from oslo_serialization import jsonutils

from karbor import exception
from karbor.resource import Resource

#: Answers for a whole level of the graph what each of its resources depends on.
DependentsOf = Callable[[Sequence[Resource]], Mapping[Resource, Sequence[Resource]]]

#: How many resources of a cycle an error names at each end of it.
_NAMED_OF_CYCLE = 5


@dataclasses.dataclass(frozen=True, eq=False, repr=False, slots=True)
class GraphNode:
    """A resource as plugins of Karbor 1.x find it in ``checkpoint.resource_graph``.

    Two nodes are equal when they are one: to compare or show all that is below them
    would recurse.
    """

    value: Resource
    child_nodes: "tuple[GraphNode, ...]"


@dataclasses.dataclass(frozen=True)
class ResourceGraph:
    """Resources, each once, and their dependencies; it has no cycle.

    Nothing here recurses, so a chain may be as long as memory allows. Iterating gives
    a :class:`GraphNode` for each root, as the graph of Karbor 1.x was a list of them.

    :param resources: distinct resources. :meth:`build` and :meth:`from_json` put
        each after all that it depends on; the constructor takes any order.
    :param dependencies: for each resource, the indices of what it depends on
        directly, without repetition
    :raises InvalidResourceGraph: when the two do not fit together
    """

    resources: tuple[Resource, ...]
    dependencies: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        count = len(self.resources)
        if len(self.dependencies) != count:
            raise exception.InvalidResourceGraph(
                reason=f"{count} resources but {len(self.dependencies)} lists of "
                "dependencies"
            )
        for index, needed in enumerate(self.dependencies):
            if any(not 0 <= other < count for other in needed):
                raise exception.InvalidResourceGraph(
                    reason=f"{self.resources[index]} depends on a resource that is "
                    "not in the graph"
                )

    @classmethod
    def build(
        cls, roots: Iterable[Resource], dependents_of: DependentsOf
    ) -> "ResourceGraph":
        """Everything that the roots depend on, found level by level.

        :param roots: what a plan names; repetitions are passed over
        :param dependents_of: gets the resources of one level that were not asked
            for before, and gives what each depends on; a resource without an entry
            depends on nothing. It is asked once per resource. What it raises is
            raised.
        :raises InvalidResourceGraph: when resources depend on each other in a
            circle; the reason names them
        """
        found: list[Resource] = []
        index_of: dict[Resource, int] = {}
        needed: list[list[int]] = []

        def index(resource: Resource) -> int:
            known = index_of.get(resource)
            if known is None:
                known = index_of[resource] = len(found)
                found.append(resource)
                needed.append([])
            elif found[known].name is None and resource.name is not None:
                found[known] = resource
            return known

        starts = list(dict.fromkeys(index(root) for root in roots))
        level = starts
        while level:
            asked = [found[i] for i in level]
            answers = dependents_of(asked)
            known_before = len(found)
            for i, resource in zip(level, asked, strict=True):
                children = (index(child) for child in answers.get(resource, ()))
                needed[i] = list(dict.fromkeys(children))
            level = list(range(known_before, len(found)))
        return cls._sorted(found, needed, starts)

    @classmethod
    def _sorted(
        cls, found: list[Resource], needed: list[list[int]], starts: Iterable[int]
    ) -> "ResourceGraph":
        order = _children_first(found, needed, starts)
        place = {old: new for new, old in enumerate(order)}
        return cls(
            resources=tuple(found[old] for old in order),
            dependencies=tuple(
                tuple(place[child] for child in needed[old]) for old in order
            ),
        )

    def __len__(self) -> int:
        return len(self.resources)

    def __iter__(self) -> Iterator[GraphNode]:
        return iter(self._root_nodes)

    @functools.cached_property
    def _root_nodes(self) -> tuple[GraphNode, ...]:
        # Kept, as a plugin may look through them for each resource.
        nodes: dict[int, GraphNode] = {}
        order = _children_first(
            self.resources, self.dependencies, range(len(self.resources))
        )
        for index in order:
            children = tuple(nodes[child] for child in self.dependencies[index])
            nodes[index] = GraphNode(self.resources[index], children)
        inner = {child for needed in self.dependencies for child in needed}
        return tuple(node for index, node in nodes.items() if index not in inner)

    @property
    def roots(self) -> tuple[Resource, ...]:
        """The resources that no other depends on."""
        inner = {child for needed in self.dependencies for child in needed}
        return tuple(
            resource
            for index, resource in enumerate(self.resources)
            if index not in inner
        )

    @functools.cached_property
    def _places(self) -> dict[Resource, int]:
        return {resource: index for index, resource in enumerate(self.resources)}

    def directly_below(self, resource: Resource) -> tuple[Resource, ...]:
        """What a resource of the graph depends on itself."""
        needed = self.dependencies[self._places[resource]]
        return tuple(self.resources[index] for index in needed)

    def below(self, resource: Resource) -> set[Resource]:
        """Everything that a resource of the graph depends on, by whatever way."""
        found: set[Resource] = set()
        left = [resource]
        while left:
            new = set(self.directly_below(left.pop())) - found
            found |= new
            left.extend(new)
        return found

    def children_first(self) -> tuple[Resource, ...]:
        """The resources, each after all that it depends on.

        :raises InvalidResourceGraph: when there is a cycle
        """
        order = _children_first(
            self.resources, self.dependencies, range(len(self.resources))
        )
        return tuple(self.resources[index] for index in order)

    def to_json(self) -> str:
        """The graph as Karbor 1.x writes and shows it.

        ``[{"0x0": [type, id, name, extra_info], …}, [["0x1", ["0x0"]], …]]``: the
        resources by their number in hexadecimal, and for each that depends on
        others the numbers of those, a parent after its children.
        """
        graph = type(self)._sorted(
            list(self.resources),
            [list(needed) for needed in self.dependencies],
            range(len(self.resources)),
        )
        nodes = {
            hex(index): [r.type, r.id, r.name, r.extra_info]
            for index, r in enumerate(graph.resources)
        }
        adjacency = [
            [hex(index), [hex(child) for child in needed]]
            for index, needed in enumerate(graph.dependencies)
            if needed
        ]
        return jsonutils.dumps([nodes, adjacency])

    @classmethod
    def from_json(cls, text: str | bytes) -> "ResourceGraph":
        """The graph that :meth:`to_json`, or Karbor 1.x, wrote.

        :raises InvalidResourceGraph: when the text is not such a graph
        """
        try:
            nodes, adjacency = jsonutils.loads(text)
            place = {key: index for index, key in enumerate(nodes)}
            found = [_resource(fields) for fields in nodes.values()]
            needed: list[list[int]] = [[] for _ in found]
            for parent, children in adjacency:
                needed[place[parent]] = list(
                    dict.fromkeys(place[child] for child in children)
                )
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise exception.InvalidResourceGraph(
                reason=f"its JSON is not that of a graph ({error!r})"
            ) from error
        if len(set(found)) != len(found):
            raise exception.InvalidResourceGraph(
                reason="its JSON holds the same resource more than once"
            )
        return cls._sorted(found, needed, range(len(found)))


def _resource(fields: Any) -> Resource:
    resource_type, resource_id, *rest = fields
    name, extra_info = (*rest, None, None)[:2]
    if not isinstance(resource_type, str) or not isinstance(resource_id, str):
        raise TypeError("a resource's type and id must be strings")
    return Resource(resource_type, resource_id, name, extra_info)


def _children_first(
    resources: Sequence[Resource],
    needed: Sequence[Sequence[int]],
    starts: Iterable[int],
) -> list[int]:
    """Indices by depth first search, each after what it depends on."""
    order: list[int] = []
    finished: set[int] = set()
    open_at: dict[int, Iterator[int]] = {}
    for start in starts:
        path = [] if start in finished else [start]
        while path:
            current = path[-1]
            children = open_at.setdefault(current, iter(needed[current]))
            child = next((c for c in children if c not in finished), None)
            if child is None:
                path.pop()
                del open_at[current]
                finished.add(current)
                order.append(current)
            elif child in open_at:
                raise _cycle_error([resources[i] for i in path[path.index(child) :]])
            else:
                path.append(child)
    return order


def _cycle_error(cycle: list[Resource]) -> exception.InvalidResourceGraph:
    names = [str(resource) for resource in [*cycle, cycle[0]]]
    if len(names) > 2 * _NAMED_OF_CYCLE + 1:
        left_out = len(names) - 2 * _NAMED_OF_CYCLE
        names[_NAMED_OF_CYCLE:-_NAMED_OF_CYCLE] = [f"({left_out} more)"]
    return exception.InvalidResourceGraph(
        reason="resources depend on each other in a circle: "
        + " -> ".join(names)
        + ". The protectable plugins of these types report it; exclude one of the "
        "resources from the plan or mend the plugin"
    )
