# SPDX-License-Identifier: Apache-2.0
"""The door: what a caller asks for is checked, prepared, and handed to a flow.

Everything that a caller can get wrong is refused here, before anything is made.
What passes gets its checkpoint, its record and its operation log, and waits its
turn in the runner; the caller has its answer by then.
"""

from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext, get_admin_context
from karbor.db.database import Database
from karbor.services.protection.access import check_access
from karbor.services.protection.checkpoint import Checkpoint
from karbor.services.protection.copy_requests import CopyRequests
from karbor.services.protection.flows.runner import OperationRunner
from karbor.services.protection.messages import Plan, RecordRequest
from karbor.services.protection.provider import Provider, ProviderRegistry
from karbor.services.protection.starting import COPIED_FROM, OperationStarter

_DELETABLE = (
    constants.CHECKPOINT_STATUS_AVAILABLE,
    constants.CHECKPOINT_STATUS_ERROR,
    constants.CHECKPOINT_STATUS_ERROR_DELETING,
)


class Admission:
    """Checks requests and starts operations; every method is thread-safe."""

    def __init__(
        self,
        providers: ProviderRegistry,
        database: Database,
        runner: OperationRunner,
    ) -> None:
        self._providers = providers
        self._database = database
        self._starter = OperationStarter(database, runner)
        self._copies = CopyRequests(providers, self._starter)

    def protect(
        self, context: RequestContext, plan: Plan, properties: dict[str, Any]
    ) -> str:
        """Make a checkpoint of the plan and begin to fill it.

        :param properties: ``extra_info`` goes into the checkpoint; its ``lock_days``
            or ``lock_until`` lock the checkpoint once it is available
        :returns: the checkpoint's id
        :raises InvalidPlan: when the plan is another project's or names nothing
        :raises ProviderNotFound, InvalidInput: see :meth:`Provider.validate_parameters`
        """
        provider = self._providers.get(plan.provider_id)
        project_id = _project_of(context, plan)
        if not plan.resources:
            raise exception.InvalidPlan(
                reason=f"plan {plan.id} names no resources; add at least one"
            )
        _check_distinct(plan)
        parameters = provider.validate_parameters(
            constants.OPERATION_PROTECT, plan.parameters, plan.resources
        )
        extra_info = properties.get("extra_info")
        checkpoint = provider.checkpoints.create(
            plan.to_dict(),
            provider_id=provider.id,
            project_id=project_id,
            extra_info=extra_info,
            locked_until=provider.checkpoints.asked_lock(extra_info),
        )
        self._starter.start(
            context,
            provider,
            operation=constants.OPERATION_PROTECT,
            checkpoint=checkpoint,
            parameters=parameters,
            plan=plan.to_dict(),
        )
        return checkpoint.id

    def restore(
        self,
        context: RequestContext,
        request: RecordRequest,
        restore_auth: dict[str, Any] | None,
    ) -> None:
        """Begin to restore a checkpoint; its record tells how it goes.

        :raises CheckpointNotAvailable: when the checkpoint is not ``available``
        :raises InvalidInput: when the parameters do not fit the schemas, or a
            target is named without what is needed to enter it
        """
        provider, checkpoint, parameters = self._examine(
            context, request, constants.OPERATION_RESTORE
        )
        if request.restore_target and not restore_auth:
            raise exception.InvalidInput(
                reason="restore: restore_target needs restore_auth with a username "
                "and a password for it"
            )
        self._record(context, self._database.restores, request, provider, checkpoint)
        self._starter.start(
            context,
            provider,
            operation=constants.OPERATION_RESTORE,
            checkpoint=checkpoint,
            parameters=parameters,
            record_id=request.id,
            restore_target=request.restore_target,
            restore_auth=restore_auth,
        )

    def verify(self, context: RequestContext, request: RecordRequest) -> None:
        """Begin to verify a checkpoint; its record tells how it goes.

        :raises CheckpointNotAvailable: when the checkpoint is not ``available``
        """
        provider, checkpoint, parameters = self._examine(
            context, request, constants.OPERATION_VERIFY
        )
        self._record(
            context, self._database.verifications, request, provider, checkpoint
        )
        self._starter.start(
            context,
            provider,
            operation=constants.OPERATION_VERIFY,
            checkpoint=checkpoint,
            parameters=parameters,
            record_id=request.id,
        )

    def copy(self, context: RequestContext, plan: Plan) -> list[dict[str, str]]:
        """Begin to copy each of the plan's checkpoints that has no copy yet.

        See :meth:`CopyRequests.admit`.

        :raises InvalidPlan: when the plan is another project's
        """
        provider = self._providers.get(plan.provider_id)
        project_id = _project_of(context, plan)
        return self._copies.admit(context, provider, project_id, plan)

    def delete(
        self, context: RequestContext, provider_id: str, checkpoint_id: str
    ) -> None:
        """Begin to delete a checkpoint.

        :raises DeleteCheckpointNotAllowed: when it is another project's
        :raises CheckpointNotBeDeleted: when an operation works on it or reads it
        :raises CheckpointLocked: when its date has not come
        """
        provider = self._providers.get(provider_id)
        checkpoint = provider.checkpoints.get(checkpoint_id)
        check_access(context, checkpoint, exception.DeleteCheckpointNotAllowed)
        if checkpoint.status not in _DELETABLE:
            raise exception.CheckpointNotBeDeleted(
                f"The checkpoint {checkpoint_id} can not be deleted: it is "
                f"'{checkpoint.status}'. Wait until it is one of: "
                f"{', '.join(_DELETABLE)}."
            )
        self._check_not_read(provider, checkpoint)
        try:
            checkpoint.transition(constants.CHECKPOINT_STATUS_DELETING)
        except exception.CheckpointTransitionRefused as error:
            raise exception.CheckpointNotBeDeleted(str(error)) from error
        self._starter.start(
            context,
            provider,
            operation=constants.OPERATION_DELETE,
            checkpoint=checkpoint,
            parameters={},
        )

    def reset_state(
        self, context: RequestContext, provider_id: str, checkpoint_id: str, state: str
    ) -> None:
        """Set the state of a checkpoint that nothing works on.

        :raises InvalidInput: when the state is none to reset to
        :raises CheckpointNotBeReset: when a living service works on it
        """
        provider = self._providers.get(provider_id)
        checkpoint = provider.checkpoints.get(checkpoint_id)
        check_access(context, checkpoint, exception.AccessCheckpointNotAllowed)
        checkpoint.reset(state)

    def _check_not_read(self, provider: Provider, checkpoint: Checkpoint) -> None:
        """Refuse to take away what an operation reads just now."""
        for what, repository in (
            ("restore", self._database.restores),
            ("verification", self._database.verifications),
        ):
            records = repository.list(
                get_admin_context(),
                all_tenants=True,
                filters={
                    "checkpoint_id": checkpoint.id,
                    "status": constants.RESTORE_STATUS_IN_PROGRESS,
                },
            )
            # One without an owner is not admitted yet, and will not be.
            for record in records:
                if record["owner_id"] is not None:
                    raise _is_read(checkpoint, f"{what} {record['id']}")
        # From the logs: to look at all that is in work in the bank could take long.
        for log in self._database.operation_logs.list(
            get_admin_context(),
            all_tenants=True,
            filters={
                "operation_type": constants.OPERATION_COPY,
                "provider_id": provider.id,
                "plan_id": checkpoint.protection_plan.get("id"),
                "status": constants.OPERATION_EXE_STATE_IN_PROGRESS,
            },
        ):
            if (log["extra_info"] or {}).get(COPIED_FROM) == checkpoint.id:
                raise _is_read(checkpoint, f"copy {log['checkpoint_id']}")

    def _examine(
        self, context: RequestContext, request: RecordRequest, operation: str
    ) -> tuple[Provider, Checkpoint, dict[str, Any]]:
        provider = self._providers.get(request.provider_id)
        checkpoint = provider.checkpoints.get(request.checkpoint_id)
        check_access(context, checkpoint, exception.AccessCheckpointNotAllowed)
        if checkpoint.status != constants.CHECKPOINT_STATUS_AVAILABLE:
            raise exception.CheckpointNotAvailable(
                f"The checkpoint {checkpoint.id} is not available: it is "
                f"'{checkpoint.status}'."
            )
        graph = checkpoint.resource_graph
        parameters = provider.validate_parameters(
            operation, request.parameters, graph.resources if graph else ()
        )
        return provider, checkpoint, parameters

    def _record(
        self,
        context: RequestContext,
        repository: Any,
        request: RecordRequest,
        provider: Provider,
        checkpoint: Checkpoint,
    ) -> None:
        """Make the record, or take over the one that the API has made."""
        values = {
            "status": constants.RESTORE_STATUS_IN_PROGRESS,
            "owner_id": provider.owner_id,
        }
        try:
            known = repository.get(context, request.id)
        except exception.NotFound:
            fields: dict[str, Any] = {
                "id": request.id,
                "project_id": request.project_id
                if context.is_admin and request.project_id
                else context.project_id or checkpoint.project_id,
                "provider_id": provider.id,
                "checkpoint_id": checkpoint.id,
                "parameters": request.parameters,
                **values,
            }
            if repository is self._database.restores:
                fields["restore_target"] = request.restore_target
            repository.create(context, fields)
            return
        if known["checkpoint_id"] != checkpoint.id:
            raise exception.InvalidInput(
                reason=f"record {request.id} is for checkpoint "
                f"{known['checkpoint_id']}, not for {checkpoint.id}"
            )
        if known["owner_id"] is not None:
            raise exception.InvalidInput(
                reason=f"record {request.id} was begun already and is "
                f"'{known['status']}'; make a new one"
            )
        repository.update(context, request.id, values)


def _project_of(context: RequestContext, plan: Plan) -> str:
    project_id = plan.project_id or context.project_id
    if not project_id:
        raise exception.InvalidPlan(
            reason=f"plan {plan.id} belongs to no project; give it a project_id"
        )
    if project_id != context.project_id and not context.is_admin:
        raise exception.InvalidPlan(
            reason=f"plan {plan.id} belongs to project {project_id}, the caller to "
            f"{context.project_id}"
        )
    return project_id


def _is_read(checkpoint: Checkpoint, what: str) -> exception.CheckpointNotBeDeleted:
    return exception.CheckpointNotBeDeleted(
        f"The checkpoint {checkpoint.id} can not be deleted: {what} reads it. Wait "
        "until that has ended."
    )


def _check_distinct(plan: Plan) -> None:
    """A resource's bank section has its id for a name, so ids must differ."""
    types: dict[str, str] = {}
    for resource in plan.resources:
        other = types.setdefault(resource.id, resource.type)
        if other != resource.type:
            raise exception.InvalidPlan(
                reason=f"resources of two types, {other} and {resource.type}, have "
                f"the id {resource.id}; protect them in two plans"
            )
