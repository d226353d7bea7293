# SPDX-License-Identifier: Apache-2.0
"""How operations end: the checkpoint, the records, and what is left behind."""

import functools
from collections.abc import Callable, Mapping

from oslo_log import log as logging
from taskflow.types.failure import Failure

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.flows.live import LiveOperation
from karbor.services.protection.flows.work import ResourceWork
from karbor.services.protection.graph import ResourceGraph

LOG = logging.getLogger(__name__)

#: What a resource is while an operation works on it, and when all went well.
_STATUSES = {
    constants.OPERATION_PROTECT: (
        constants.RESOURCE_STATUS_PROTECTING,
        constants.RESOURCE_STATUS_AVAILABLE,
    ),
    constants.OPERATION_RESTORE: (
        constants.RESOURCE_STATUS_RESTORING,
        constants.RESOURCE_STATUS_RESTORED,
    ),
    constants.OPERATION_VERIFY: (
        constants.RESOURCE_STATUS_VERIFYING,
        constants.RESOURCE_STATUS_AVAILABLE,
    ),
    constants.OPERATION_COPY: (
        constants.RESOURCE_STATUS_COPYING,
        constants.RESOURCE_STATUS_AVAILABLE,
    ),
    constants.OPERATION_DELETE: (
        constants.RESOURCE_STATUS_DELETING,
        constants.RESOURCE_STATUS_DELETED,
    ),
}

#: What these did to one resource stays done when another one fails.
_DONE_STAYS_DONE = frozenset({constants.OPERATION_VERIFY, constants.OPERATION_DELETE})

_NOT_BEGUN = "Not begun, because the operation failed elsewhere"

_BECAME = "It became %s before the restore failed elsewhere, and is kept."

#: What these made is of no use in an operation that failed.
_MAKE_A_CHECKPOINT = frozenset({constants.OPERATION_PROTECT, constants.OPERATION_COPY})


def begin_resources(live: LiveOperation) -> None:
    """Note in the record, if there is one, that all resources are worked on."""
    if live.record is None:
        return
    working, _ = _STATUSES[live.operation]
    for work in live.works:
        live.record.update_resource_status(
            work.resource.type, work.resource.id, working
        )


def end_records_well(live: LiveOperation) -> None:
    """The record says success, the operation log too.

    :raises Exception: when they cannot be written
    """
    live.is_ended = True
    if live.record is not None:
        working, done = _STATUSES[live.operation]
        for resource in (work.resource for work in live.works):
            noted = live.record.resource_status(resource.type, resource.id)
            if noted in (None, working):
                live.record.update_resource_status(resource.type, resource.id, done)
        live.record.change(status=constants.RESTORE_STATUS_SUCCESS)
    live.log.end(constants.OPERATION_EXE_STATE_SUCCESS)
    live.write_records()


def end_records_badly(live: LiveOperation, error: BaseException | None) -> None:
    """The record and the operation log say that and why the operation failed."""
    live.is_ended = True
    reason = live.reason(error)

    def end_record() -> None:
        if live.record is None:
            return
        working, _ = _STATUSES[live.operation]
        for work in live.works:
            resource = work.resource
            noted = live.record.resource_status(resource.type, resource.id)
            if work.reason is None and noted is not None and noted != working:
                # The plugin knows better what became of it, and has said so.
                _tell_what_stays(live, resource, noted)
                continue
            status, why = outcome(work)
            live.record.update_resource_status(resource.type, resource.id, status, why)
        live.record.change(status=constants.RESTORE_STATUS_FAILURE)
        live.record.flush()

    def end_log() -> None:
        live.log.end(constants.OPERATION_EXE_STATE_FAILED, reason)
        live.write_records()

    attempt(live, "ending the record", end_record)
    attempt(live, "ending the operation log", end_log)


def _tell_what_stays(live: LiveOperation, resource: Resource, status: str) -> None:
    """Say what a resource became in a restore that failed elsewhere."""
    new_id = live.new_resources.get(resource.id)
    if live.record is None or new_id in (None, resource.id):
        return
    said = live.record.resource_reason(resource.type, resource.id)
    if str(new_id) not in said:
        became = _BECAME % new_id
        live.record.update_resource_status(
            resource.type, resource.id, status, f"{said} {became}".strip()
        )


def end_checkpoint_badly(
    live: LiveOperation, status: str, error: BaseException | None
) -> None:
    """The checkpoint says that and why it failed, and how each resource fared.

    Nothing is written once the lease is lost: whoever took over has the word.

    :param status: ``error`` or ``error-deleting``
    """

    def end() -> None:
        reason = live.reason(error)
        statuses = {
            f"{work.resource.type}#{work.resource.id}": outcome(work)
            for work in live.works
        } or _outcomes_without_graph(live, reason)
        if statuses:
            live.target.save_resources_status(
                {
                    name: {"status": found, "reason": why}
                    for name, (found, why) in statuses.items()
                }
            )
        live.target.transition(status, reason)

    attempt(live, f"setting the checkpoint to '{status}'", end)


def _outcomes_without_graph(
    live: LiveOperation, reason: str
) -> dict[str, tuple[str, str]]:
    """What became of a plan's resources when their graph could not be built.

    Those that the reason names have failed themselves.
    """
    if live.operation != constants.OPERATION_PROTECT:
        return {}
    plan = live.inputs.plan or live.target.protection_plan
    return {
        f"{one['type']}#{one['id']}": (
            constants.RESOURCE_STATUS_ERROR,
            reason if one["id"] in reason else _NOT_BEGUN,
        )
        for one in plan["resources"]
    }


def discard_data(live: LiveOperation) -> None:
    """Delete from the bank what a failed operation kept of each resource.

    The data of a plugin without ``on_revert`` stays: only the plugin's delete
    operation knows what else, outside of the bank, it leads to. Deleting the
    checkpoint runs that.
    """

    def discard(work: ResourceWork) -> None:
        section = live.target.get_resource_bank_section(work.resource.id)
        section.delete_all()

    if not live.has_lease():
        return
    for work in live.begun():
        if work.is_taken_back:
            attempt(
                live,
                f"deleting what the bank keeps of {work.resource}",
                functools.partial(discard, work),
            )


def outcome(work: ResourceWork) -> tuple[str, str]:
    """What became of a resource in an operation that failed: status and reason."""
    failed = constants.RESOURCE_STATUS_ERROR
    operation = work.live.operation
    _, done = _STATUSES[operation]
    if work.reason is not None:
        if work.revert_reason is None:
            return failed, work.reason
        return failed, f"{work.reason}; taking it back failed: {work.revert_reason}"
    if work.is_done and operation in _DONE_STAYS_DONE:
        return done, ""
    if not work.is_begun:
        return failed, _NOT_BEGUN
    if work.revert_reason is not None:
        return failed, f"Taking it back failed: {work.revert_reason}"
    if work.is_taken_back:
        return failed, "Taken back, because the operation failed elsewhere"
    if not work.is_done:
        return failed, "Left incomplete, because the operation failed elsewhere"
    if operation in _MAKE_A_CHECKPOINT:
        return failed, "Complete, but the checkpoint as a whole is not"
    return done, "Kept: its plugin does not take it back"


def attempt(live: LiveOperation, what: str, action: Callable[[], object]) -> None:
    """One step of ending an operation; its failure is logged and ends no other."""
    try:
        action()
    except exception.LeaseLost as error:
        LOG.warning("%s: %s is left to others: %s", live.inputs, what, error)
    except Exception as error:  # noqa: BLE001 - the other steps must be tried
        LOG.error(
            "%s: %s failed\n%s",
            live.inputs,
            what,
            live.secrets.scrub_traceback(error),
        )


def first_error(flow_failures: Mapping[str, Failure]) -> BaseException | None:
    """What ended a flow, when no hook did."""
    for failure in flow_failures.values():
        if failure.exception is not None:
            return failure.exception
        return exception.FlowError(flow="", error=failure.exception_str)
    return None


def saved_graph(live: LiveOperation) -> ResourceGraph:
    """The graph of the checkpoint that the operation reads.

    :raises CheckpointNotAvailable: when it is no longer what it was when the
        operation was asked for, such as being deleted
    :raises FlowError: when it keeps none
    """
    if live.checkpoint.status != constants.CHECKPOINT_STATUS_AVAILABLE:
        raise exception.CheckpointNotAvailable(
            f"The checkpoint {live.checkpoint.id} is not available any more: it is "
            f"'{live.checkpoint.status}'."
        )
    graph = live.checkpoint.resource_graph
    if graph is None:
        raise exception.FlowError(
            flow=str(live.inputs),
            error=f"checkpoint {live.checkpoint.id} keeps no resource graph, so there "
            f"is nothing to {live.operation}; delete it and protect the plan again",
        )
    return graph
