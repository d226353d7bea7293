# SPDX-License-Identifier: Apache-2.0
"""Protect: find what the plan's resources depend on, and keep all of it.

``protecting`` → ``available``, or ``error`` with a reason for each resource.
"""

from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.flows import ending
from karbor.services.protection.flows.environment import Environment
from karbor.services.protection.flows.hooks import Step, operation_flow
from karbor.services.protection.flows.inputs import OperationInputs
from karbor.services.protection.flows.live import LiveOperation
from karbor.services.protection.flows.pattern import BulkFlow
from karbor.services.protection.graph import ResourceGraph


def build(
    inputs: OperationInputs, house: Environment, live: LiveOperation | None = None
) -> BulkFlow:
    """The flow of a protection; finds and saves the graph if that is yet to do.

    :raises ListProtectableResourceFailed: when a service cannot say what depends on
        what
    :raises FlowError: when a resource has no plugin
    """
    live = live or LiveOperation(inputs, house)
    graph = live.checkpoint.resource_graph or _discover(live)
    return operation_flow(
        live,
        graph,
        begin=BeginProtecting(live, "begin"),
        end=CommitCheckpoint(live, "end"),
    )


def succeed(live: LiveOperation) -> None:
    """End the records of a protection whose flow has succeeded."""
    ending.end_records_well(live)


def fail(live: LiveOperation, error: BaseException | None = None) -> None:
    """End the checkpoint and the records of a protection that failed."""
    ending.discard_data(live)
    ending.end_checkpoint_badly(live, constants.CHECKPOINT_STATUS_ERROR, error)
    ending.end_records_badly(live, error)


class BeginProtecting(Step):
    """Comes before all hooks, so it is taken back after all of them."""

    def revert(self, result: Any, flow_failures: Any) -> None:
        fail(self._live, ending.first_error(flow_failures))


class CommitCheckpoint(Step):
    """Makes the checkpoint what readers believe."""

    def execute(self) -> None:
        self._live.check()
        self._live.checkpoint.transition(constants.CHECKPOINT_STATUS_AVAILABLE)


def _discover(live: LiveOperation) -> ResourceGraph:
    plan = live.inputs.plan or live.checkpoint.protection_plan
    roots = [
        Resource(
            type=item["type"],
            id=item["id"],
            name=item.get("name"),
            extra_info=item.get("extra_info"),
        )
        for item in plan["resources"]
    ]
    graph = live.house.protectables.build_graph(live.context, roots)
    _check_distinct(live, graph)
    live.check()
    live.checkpoint.save_graph(graph)
    return graph


def _check_distinct(live: LiveOperation, graph: ResourceGraph) -> None:
    """A resource's bank section has its id for a name, so ids must differ."""
    known: dict[str, Resource] = {}
    for resource in graph.resources:
        other = known.setdefault(resource.id, resource)
        if other is not resource:
            raise exception.FlowError(
                flow=str(live.inputs),
                error=f"{resource} and {other} have the same id; protect them in two "
                "plans",
            )
