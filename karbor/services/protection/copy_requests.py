# SPDX-License-Identifier: Apache-2.0
"""The door for copies: which checkpoints of a plan are copied, and where to."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.services.protection.checkpoint import Checkpoint
from karbor.services.protection.messages import Plan
from karbor.services.protection.provider import Provider, ProviderRegistry
from karbor.services.protection.starting import OperationStarter

LOG = logging.getLogger(__name__)

#: The parameter that names the provider whose bank the copies go to.
TARGET_PROVIDER = "target_provider_id"

_PAGE = 200
_STRIPES = 16

_UNDER_WAY = (
    constants.CHECKPOINT_STATUS_COPYING,
    constants.CHECKPOINT_STATUS_WAIT_COPYING,
)


class CopyRequests:
    """Admits copies; every method is thread-safe."""

    def __init__(self, providers: ProviderRegistry, starter: OperationStarter) -> None:
        self._providers = providers
        self._starter = starter
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    def admit(
        self, context: RequestContext, provider: Provider, project_id: str, plan: Plan
    ) -> list[dict[str, str]]:
        """Begin to copy each of the plan's checkpoints that has no copy yet.

        The plan's parameters are those for the plugins and, to copy into another
        provider's bank, :data:`TARGET_PROVIDER`.

        :param provider: whose bank has the checkpoints
        :param project_id: whose checkpoints they are
        :returns: ``checkpoint_protect_id`` and ``checkpoint_copy_id`` of each pair;
            empty when every available checkpoint already has its copy
        :raises InvalidInput: for parameters that mean nothing, or when the other
            provider has no plugin for a resource
        :raises ProviderNotFound: when there is no such other provider
        """
        given = dict(plan.parameters)
        target = self._target(provider, given.pop(TARGET_PROVIDER, None))
        parameters = provider.validate_parameters(constants.OPERATION_COPY, given)
        # Two requests at once must not both find that there is no copy.
        with self._locks[hash(plan.id) % _STRIPES]:
            sources = _to_copy(provider, target, project_id, plan.id)
            if target is not provider:
                _check_types(target, sources)
            return [
                self._start(context, provider, target, source, parameters)
                for source in sources
            ]

    def _target(self, provider: Provider, target_id: Any) -> Provider:
        if target_id is None:
            return provider
        if not isinstance(target_id, str):
            raise _invalid(f"it is a {type(target_id).__name__}, not a provider's id")
        if target_id == provider.id:
            raise _invalid(
                f"{target_id} is the plan's own provider; leave it out to copy within "
                "that provider's bank"
            )
        return self._providers.get(target_id)

    def _start(
        self,
        context: RequestContext,
        provider: Provider,
        target: Provider,
        source: Checkpoint,
        parameters: dict[str, Any],
    ) -> dict[str, str]:
        copy = target.checkpoints.create(
            # Whoever restores it asks the provider that its plan names.
            {**source.protection_plan, "provider_id": target.id},
            provider_id=target.id,
            project_id=source.project_id,
            extra_info=source.extra_info,
            status=constants.CHECKPOINT_STATUS_WAIT_COPYING,
            copied_from=source.id,
            copied_from_provider=provider.id,
        )
        self._starter.start(
            context,
            provider,
            operation=constants.OPERATION_COPY,
            checkpoint=source,
            parameters=parameters,
            copy=copy,
            target_provider=None if target is provider else target,
        )
        return {"checkpoint_protect_id": source.id, "checkpoint_copy_id": copy.id}


def _to_copy(
    provider: Provider, target: Provider, project_id: str, plan_id: str
) -> list[Checkpoint]:
    """The available checkpoints of a plan that have no copy in the target's bank."""
    checkpoints = list(_all_of_plan(provider, project_id, plan_id))
    in_target = (
        checkpoints
        if target is provider
        else list(_all_of_plan(target, project_id, plan_id))
    )
    copied = {
        checkpoint.copied_from
        for checkpoint in in_target
        if checkpoint.copied_from_provider == provider.id
        and _counts(target, checkpoint)
    }
    available = {
        checkpoint.id: checkpoint
        for checkpoint in checkpoints
        if checkpoint.status == constants.CHECKPOINT_STATUS_AVAILABLE
    }
    return [
        checkpoint
        for checkpoint in available.values()
        if checkpoint.id not in copied
        and not _is_elsewhere(checkpoint, provider, target, available, in_target)
    ]


def _counts(provider: Provider, copy: Checkpoint) -> bool:
    """Whether a copy is there, or somebody makes it: no second one is needed."""
    if copy.status == constants.CHECKPOINT_STATUS_AVAILABLE:
        return True
    return copy.status in _UNDER_WAY and provider.is_alive(copy.owner_id)


def _is_elsewhere(
    checkpoint: Checkpoint,
    provider: Provider,
    target: Provider,
    available: Mapping[str, Checkpoint],
    in_target: list[Checkpoint],
) -> bool:
    """Whether a checkpoint is a copy whose original serves in its place."""
    if checkpoint.copied_from_provider is None:
        return False
    if checkpoint.copied_from_provider == provider.id:
        # A copy is not copied again beside itself, nor beside its original.
        return target is provider or checkpoint.copied_from in available
    return checkpoint.copied_from_provider == target.id and any(
        original.id == checkpoint.copied_from
        and original.status == constants.CHECKPOINT_STATUS_AVAILABLE
        for original in in_target
    )


def _check_types(target: Provider, sources: list[Checkpoint]) -> None:
    """Refuse what the target's provider could not restore.

    :raises InvalidInput: naming checkpoint and types
    """
    protected = set(target.resource_types)
    for source in sources:
        try:
            graph = source.resource_graph
        except exception.CheckpointUnreadable as error:
            # Its copy fails, and says why; the others are copied.
            LOG.warning("To be copied, but damaged: %s", error)
            continue
        missing = sorted(
            {resource.type for resource in (graph.resources if graph else ())}
            - protected
        )
        if missing:
            raise _invalid(
                f"provider {target.id} ({target.name}) has no plugin for "
                f"{', '.join(missing)}, which checkpoint {source.id} has. Give it one, "
                "or name another provider"
            )


def _invalid(reason: str) -> exception.InvalidInput:
    return exception.InvalidInput(reason=f"parameters, {TARGET_PROVIDER}: {reason}")


def _all_of_plan(
    provider: Provider, project_id: str, plan_id: str
) -> Iterator[Checkpoint]:
    marker = None
    while True:
        page = provider.checkpoints.list(
            project_id,
            provider_id=provider.id,
            plan_id=plan_id,
            limit=_PAGE,
            marker=marker,
        )
        yield from page
        if len(page) < _PAGE:
            return
        marker = page[-1].id
