# SPDX-License-Identifier: Apache-2.0
"""Copy: fill a new checkpoint with what another one keeps.

The new checkpoint, in the bank of the same provider or of another one:
``wait_copying`` → ``copying`` → ``available``, or ``error`` with a reason for each
resource. The source stays as it is. The lease that counts is that on the bank of the
new one: nothing is written to the source's.
"""

from typing import Any

from karbor import exception
from karbor.common import constants
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
    """The flow of a copy, over the graph that the source keeps.

    :raises FlowError: when a resource has no plugin, or the source no graph
    """
    live = live or LiveOperation(inputs, house)
    return operation_flow(
        live,
        ending.saved_graph(live),
        begin=BeginCopying(live, "begin"),
        end=CommitCopy(live, "end"),
    )


def succeed(live: LiveOperation) -> None:
    """End the records of a copy whose flow has succeeded."""
    ending.end_records_well(live)


def fail(live: LiveOperation, error: BaseException | None = None) -> None:
    """End the new checkpoint and the records of a copy that failed."""
    ending.discard_data(live)
    ending.end_checkpoint_badly(live, constants.CHECKPOINT_STATUS_ERROR, error)
    ending.end_records_badly(live, error)


class BeginCopying(Step):
    """Comes before all hooks, so it is taken back after all of them."""

    def execute(self) -> None:
        target = self._live.target
        if target.status == constants.CHECKPOINT_STATUS_WAIT_COPYING:
            target.transition(constants.CHECKPOINT_STATUS_COPYING)
        if target.resource_graph is None:
            target.save_graph(ending.saved_graph(self._live))

    def revert(self, result: Any, flow_failures: Any) -> None:
        fail(self._live, ending.first_error(flow_failures))


class CommitCopy(Step):
    """Makes the new checkpoint what readers believe."""

    def execute(self) -> None:
        self._live.check()
        source = self._live.checkpoint
        # What the source had lost by now, or a deletion has begun to take, may not
        # have been there to be copied.
        objects = Depth(Level.OBJECTS)
        for lost in completeness.findings(source, lambda resource_id: objects):
            raise exception.BankDataCorrupted(
                reason=f"checkpoint {source.id} has lost {lost.key} of resource "
                f"{lost.resource_id}, so that its copy is not whole"
            )
        source.reload()
        ending.saved_graph(self._live)
        self._live.target.transition(constants.CHECKPOINT_STATUS_AVAILABLE)
