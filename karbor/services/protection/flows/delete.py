# SPDX-License-Identifier: Apache-2.0
"""Delete: clear what a checkpoint keeps, outside of the bank and in it.

``deleting`` → gone, or ``error-deleting`` with a reason for each resource; that can
be deleted again.
"""

from typing import Any

from karbor.common import constants
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
    """The flow of a deletion, over the graph that the checkpoint keeps, if any.

    :raises FlowError: when a resource has no plugin
    """
    live = live or LiveOperation(inputs, house)
    return operation_flow(
        live,
        live.checkpoint.resource_graph or ResourceGraph((), ()),
        begin=BeginDeleting(live, "begin"),
        end=PurgeCheckpoint(live, "end"),
    )


def succeed(live: LiveOperation) -> None:
    """End the records of a deletion whose flow has succeeded."""
    ending.end_records_well(live)


def fail(live: LiveOperation, error: BaseException | None = None) -> None:
    """End the checkpoint and the records of a deletion that failed."""
    ending.end_checkpoint_badly(live, constants.CHECKPOINT_STATUS_ERROR_DELETING, error)
    ending.end_records_badly(live, error)


class BeginDeleting(Step):
    """Comes before all hooks, so it is taken back after all of them."""

    def execute(self) -> None:
        checkpoint = self._live.checkpoint
        if checkpoint.status != constants.CHECKPOINT_STATUS_DELETING:
            checkpoint.transition(constants.CHECKPOINT_STATUS_DELETING)

    def revert(self, result: Any, flow_failures: Any) -> None:
        fail(self._live, ending.first_error(flow_failures))


class PurgeCheckpoint(Step):
    """Removes everything of the checkpoint from the bank."""

    def execute(self) -> None:
        self._live.check()
        checkpoint = self._live.checkpoint
        checkpoint.purge()
        self._live.house.note_deleted(checkpoint.provider_id, checkpoint.project_id)
