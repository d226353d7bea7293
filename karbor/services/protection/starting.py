# SPDX-License-Identifier: Apache-2.0
"""Handing an admitted operation to the runner, with its operation log."""

import functools
from collections.abc import Callable
from typing import Any

from oslo_log import log as logging
from oslo_utils import timeutils

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext, get_admin_context
from karbor.db.database import Database
from karbor.services.protection.checkpoint import Checkpoint
from karbor.services.protection.flows.inputs import OperationInputs, OperationSecrets
from karbor.services.protection.flows.runner import OperationRunner
from karbor.services.protection.provider import Provider

LOG = logging.getLogger(__name__)

#: In the log of a copy, the checkpoint that is copied, and whose bank has the copy.
COPIED_FROM = "copied_from"
COPIED_TO_PROVIDER = "copied_to_provider"

#: In what the checkpoint that an operation changes ends, when that cannot begin.
_FAILED = {
    constants.OPERATION_PROTECT: constants.CHECKPOINT_STATUS_ERROR,
    constants.OPERATION_COPY: constants.CHECKPOINT_STATUS_ERROR,
    constants.OPERATION_DELETE: constants.CHECKPOINT_STATUS_ERROR_DELETING,
}


class OperationStarter:
    """Begins operations; every method is thread-safe."""

    def __init__(self, database: Database, runner: OperationRunner) -> None:
        self._database = database
        self._runner = runner

    def start(
        self,
        context: RequestContext,
        provider: Provider,
        *,
        operation: str,
        checkpoint: Checkpoint,
        parameters: dict[str, Any],
        plan: dict[str, Any] | None = None,
        record_id: str | None = None,
        copy: Checkpoint | None = None,
        target_provider: Provider | None = None,
        restore_target: str | None = None,
        restore_auth: dict[str, Any] | None = None,
    ) -> None:
        """Log the operation and queue it.

        When that fails, what was made for it ends as failed: nobody else would end
        it for as long as this service lives.

        :param checkpoint: what it is about; of a copy, the source
        :param record_id: of the restore or verification
        :param copy: the checkpoint that a copy fills
        :param target_provider: of that one, when it is another
        :raises FlowError: when the service is stopping
        """
        target = copy or checkpoint
        extra_info: dict[str, Any] = {}
        if copy is not None:
            extra_info[COPIED_FROM] = checkpoint.id
        if target_provider is not None:
            extra_info[COPIED_TO_PROVIDER] = target_provider.id
        log_id: str | None = None
        try:
            log = self._database.operation_logs.create(
                context,
                {
                    "project_id": checkpoint.project_id,
                    "operation_type": operation,
                    "checkpoint_id": target.id,
                    "plan_id": checkpoint.protection_plan.get("id"),
                    "provider_id": provider.id,
                    "restore_id": record_id
                    if operation == constants.OPERATION_RESTORE
                    else None,
                    "status": constants.OPERATION_EXE_STATE_IN_PROGRESS,
                    "started_at": timeutils.utcnow(with_timezone=True),
                    "owner_id": provider.owner_id,
                    "extra_info": extra_info,
                },
            )
            log_id = log["id"]
            self._runner.submit(
                OperationInputs(
                    operation=operation,
                    provider_id=provider.id,
                    checkpoint_id=checkpoint.id,
                    context=context.to_plain(),
                    parameters=parameters,
                    plan=plan,
                    record_id=record_id,
                    operation_log_id=log_id,
                    copy_checkpoint_id=copy.id if copy else None,
                    target_provider_id=target_provider.id if target_provider else None,
                    restore_target=restore_target,
                ),
                OperationSecrets(context=context, restore_auth=restore_auth),
            )
        except Exception as error:
            self._give_up(operation, target, record_id, log_id, _reason(context, error))
            raise

    def _give_up(
        self,
        operation: str,
        target: Checkpoint,
        record_id: str | None,
        log_id: str | None,
        reason: str,
    ) -> None:
        context = get_admin_context()
        what = f"{operation} of checkpoint {target.id} could not begin"
        LOG.error("%s: %s", what, reason)
        if operation in _FAILED:
            failed = functools.partial(target.transition, _FAILED[operation], reason)
            _attempt(f"{what}: ending the checkpoint", failed)
        if record_id is not None:
            repository = (
                self._database.restores
                if operation == constants.OPERATION_RESTORE
                else self._database.verifications
            )
            values = {"status": constants.RESTORE_STATUS_FAILURE}
            _attempt(
                f"{what}: ending its record",
                functools.partial(repository.update, context, record_id, values),
            )
        if log_id is not None:
            ended = {
                "status": constants.OPERATION_EXE_STATE_FAILED,
                "error_info": reason,
                "ended_at": timeutils.utcnow(with_timezone=True),
            }
            _attempt(
                f"{what}: ending its operation log",
                functools.partial(
                    self._database.operation_logs.update, context, log_id, ended
                ),
            )


def _reason(context: RequestContext, error: Exception) -> str:
    """For people; the words of an unexpected error may hold what nobody should read."""
    if isinstance(error, exception.KarborException):
        return f"The operation could not begin: {error}"
    return (
        f"The operation could not begin: {type(error).__name__}; the service's log "
        f"tells more under request {context.request_id}"
    )


def _attempt(what: str, step: Callable[[], Any]) -> None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 - the other steps must be tried
        LOG.error("%s failed, and is left to a later sweep: %s", what, error)
