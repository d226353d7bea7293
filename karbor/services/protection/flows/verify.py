# SPDX-License-Identifier: Apache-2.0
"""Verify: read back what a checkpoint keeps.

The verification record: ``in_progress`` → ``success`` or ``fail``, with a status and
a reason for each resource. The checkpoint stays as it is.
"""

from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.flows import completeness, ending
from karbor.services.protection.flows.environment import Environment
from karbor.services.protection.flows.hooks import Step, operation_flow
from karbor.services.protection.flows.inputs import OperationInputs
from karbor.services.protection.flows.live import LiveOperation
from karbor.services.protection.flows.pattern import BulkFlow


def build(
    inputs: OperationInputs, house: Environment, live: LiveOperation | None = None
) -> BulkFlow:
    """The flow of a verification, over the graph that the checkpoint keeps.

    :raises FlowError: when a resource has no plugin, or the checkpoint no graph
    """
    live = live or LiveOperation(inputs, house)
    return operation_flow(
        live,
        ending.saved_graph(live),
        begin=BeginVerifying(live, "begin"),
        end=FinishVerifying(live, "end"),
    )


def succeed(live: LiveOperation) -> None:
    """End the records of a verification whose flow has succeeded."""
    ending.end_records_well(live)


def fail(live: LiveOperation, error: BaseException | None = None) -> None:
    """End the records of a verification that failed."""
    ending.end_records_badly(live, error)


class BeginVerifying(Step):
    """Comes before all hooks, so it is taken back after all of them."""

    def execute(self) -> None:
        ending.begin_resources(self._live)

    def revert(self, result: Any, flow_failures: Any) -> None:
        fail(self._live, ending.first_error(flow_failures))


class FinishVerifying(Step):
    """Makes sure that nothing was left out: no hook because the operation was stopped,
    and no object because no hook asks for it."""

    def execute(self) -> None:
        live = self._live
        live.check()
        depths = {
            work.resource.id: _depth_of(live, work.resource) for work in live.works
        }
        everything = Depth(Level.FULL)
        found: dict[str, list[str]] = {}
        for finding in completeness.findings(
            live.checkpoint, lambda resource_id: depths.get(resource_id, everything)
        ):
            found.setdefault(finding.resource_id, []).append(str(finding))
        if not found:
            return
        for work in live.works:
            reasons = found.get(work.resource.id)
            if reasons and live.record is not None:
                live.record.update_resource_status(
                    work.resource.type,
                    work.resource.id,
                    constants.RESOURCE_STATUS_ERROR,
                    "; ".join(reasons),
                )
        told = "; ".join(
            f"resource {resource_id}: {'; '.join(reasons)}"
            for resource_id, reasons in found.items()
        )
        raise exception.BankDataCorrupted(
            reason=f"checkpoint {live.checkpoint.id}: {told}"
        )


def _depth_of(live: LiveOperation, resource: Resource) -> Depth:
    """How deep a verification of one resource goes, as far as its plugin says it."""
    try:
        return Depth.from_parameters(live.parameters_of(resource))
    except exception.InvalidInput:
        # The plugin has another meaning for these words.
        return Depth(Level.FULL)
