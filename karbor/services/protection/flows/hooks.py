# SPDX-License-Identifier: Apache-2.0
"""A graph and an operation as tasks: one for each hook that a plugin has."""

import collections
from typing import Any, Self

from taskflow import task
from taskflow.types.failure import Failure

from karbor import exception
from karbor.common import constants
from karbor.services.protection.flows.live import LiveOperation, OperationStopped
from karbor.services.protection.flows.ordering import order_hooks
from karbor.services.protection.flows.pattern import BulkFlow
from karbor.services.protection.flows.work import ResourceWork, implements
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.protection_plugin import HOOKS, Operation
from karbor.services.protection.waiting.course import Suspended


class Step(task.Task):
    """A task of an operation.

    It takes no arguments, gives none, and announces no progress of its own, which
    makes it cheap and keeps what lives out of the engine's storage.
    """

    TASK_EVENTS = ()

    def __init__(self, live: LiveOperation, name: str) -> None:
        super().__init__(f"{live.operation}/{name}", auto_extract=False)
        self._live = live

    def execute(self) -> Any:
        """Nothing, for a step that only takes back."""

    def revert(self, result: Any, flow_failures: Any) -> Any:
        """Nothing, for a step that leaves nothing behind."""

    def renamed(self, name: str) -> Self:
        """Another task of this kind, without examining the class again."""
        other: Self = self.copy(retain_listeners=False)
        other.name = f"{self._live.operation}/{name}"
        return other


class _PassOn(Step):
    """Stands where a plugin has no hook and the order still has to pass."""


class _CallHook(Step):
    """Calls one hook of one resource; its result says whether it was called."""

    _work: ResourceWork
    _hook: str

    def of(self, work: ResourceWork, hook: str) -> Self:
        """The task for a hook of a resource."""
        other = self.renamed(_name(work, hook))
        other._work, other._hook = work, hook
        return other

    def execute(self) -> bool | Suspended:
        return self._work.perform(self._hook)

    def revert(self, result: Any, flow_failures: Any) -> Suspended | None:
        if result is True or (
            isinstance(result, Failure) and not result.check(OperationStopped)
        ):
            return self._work.take_back()
        return None


def operation_flow(
    live: LiveOperation, graph: ResourceGraph, *, begin: Step, end: Step
) -> BulkFlow:
    """Begin the operation, run the hooks of every resource, end it.

    Names of tasks depend on the graph and the plugins only:
    ``<operation>/<hook>/<type>/<id>``.

    :raises FlowError: when the provider has no plugin for a type, or a plugin does
        not support the operation
    """
    live.works = _works(live, graph)
    order = order_hooks(
        graph, lambda index, hook: implements(live.works[index].operation, HOOKS[hook])
    )
    live.progress.add(hooks_total=sum(order.is_hook))
    call_hook, pass_on = _CallHook(live, "hook"), _PassOn(live, "order")
    tasks: list[Step] = [begin]
    for (index, hook), is_hook in zip(order.nodes, order.is_hook, strict=True):
        work = live.works[index]
        if is_hook:
            tasks.append(call_hook.of(work, HOOKS[hook]))
        else:
            tasks.append(pass_on.renamed(f"order/{_name(work, HOOKS[hook])}"))
    tasks.append(end)
    last = len(tasks) - 1
    edges = [(first + 1, second + 1) for first, second in order.edges]
    followed = {first for first, _ in edges}
    preceded = {second for _, second in edges}
    edges.extend((0, inner) for inner in range(1, last) if inner not in preceded)
    edges.extend((inner, last) for inner in range(1, last) if inner not in followed)
    edges.append((0, last))
    return BulkFlow(str(live.inputs), tasks, edges)


def _name(work: ResourceWork, hook: str) -> str:
    return f"{hook}/{work.resource.type}/{work.resource.id}"


def _works(live: LiveOperation, graph: ResourceGraph) -> list[ResourceWork]:
    plugins = _plugins(live, graph)
    getter = f"get_{live.operation}_operation"
    works = []
    for resource in graph.resources:
        plugin = plugins[resource.type]
        if plugin is None:
            works.append(ResourceWork(live, resource, Operation()))
            continue
        try:
            operation = getattr(plugin, getter)(resource)
        except NotImplementedError as error:
            raise exception.FlowError(
                flow=str(live.inputs),
                error=f"{resource}: {type(plugin).__name__} does not support "
                f"{live.operation}",
            ) from error
        works.append(ResourceWork(live, resource, operation))
    return works


def _plugins(live: LiveOperation, graph: ResourceGraph) -> dict[str, Any]:
    counts = collections.Counter(resource.type for resource in graph.resources)
    plugins: dict[str, Any] = {}
    missing = []
    for resource_type in sorted(counts):
        try:
            plugins[resource_type] = live.provider.plugin_for(resource_type)
        except exception.ProtectionPluginNotFound:
            if resource_type in constants.GROUPING_RESOURCE_TYPES:
                plugins[resource_type] = None
                continue
            missing.append(f"{resource_type} ({counts[resource_type]} resources)")
    if missing:
        provider = live.provider
        raise exception.FlowError(
            flow=str(live.inputs),
            error=f"provider {provider.name} ({provider.id}) has no protection plugin "
            f"for {', '.join(missing)}; add one to its file in providers.d, or leave "
            "these resources out of the plan",
        )
    return plugins
