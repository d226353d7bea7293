# SPDX-License-Identifier: Apache-2.0
"""Verify: read back what a checkpoint keeps.

The verification record: ``in_progress`` → ``success`` or ``fail``, with a status and
a reason for each resource. The checkpoint stays as it is.
"""

from typing import Any

from karbor import exception
from karbor.common import constants
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
    and no object because nobody knows of it any more."""

    def execute(self) -> None:
        live = self._live
        live.check()
        missing: dict[str, list[str]] = {}
        for resource_id, key in completeness.lost(live.checkpoint):
            missing.setdefault(resource_id, []).append(key)
        reasons = []
        for work in live.works:
            keys = missing.get(work.resource.id)
            if not keys:
                continue
            reason = f"the bank has lost {', '.join(keys)} of checkpoint "
            reason += f"{live.checkpoint.id}"
            reasons.append(f"{work.resource}: {reason}")
            if live.record is not None:
                live.record.update_resource_status(
                    work.resource.type,
                    work.resource.id,
                    constants.RESOURCE_STATUS_ERROR,
                    reason,
                )
        if reasons:
            raise exception.BankDataCorrupted(reason="; ".join(reasons))
