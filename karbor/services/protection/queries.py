# SPDX-License-Identifier: Apache-2.0
"""Answers about checkpoints, providers and protectable resources."""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.access import check_access
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.services.protection.provider import ProviderRegistry

#: What a page of protectable instances can be sorted and filtered by. Plugins give
#: no creation date, so ``created_at``, the API's default, keeps their own order.
_INSTANCE_KEYS = ("id", "name", "type")

_CHECKPOINT_FILTERS = ("plan_id", "start_date", "end_date", "project_id", "status")


class Queries:
    """Reads, and changes nothing; every method is thread-safe."""

    def __init__(
        self, providers: ProviderRegistry, protectables: ProtectableRegistry
    ) -> None:
        self._providers = providers
        self._protectables = protectables

    def show_checkpoint(
        self, context: RequestContext, provider_id: str, checkpoint_id: str
    ) -> dict[str, Any]:
        """One checkpoint, with its graph.

        :raises ProviderNotFound, CheckpointNotFound: when there is none
        :raises AccessCheckpointNotAllowed: when it is another project's
        """
        provider = self._providers.get(provider_id)
        checkpoint = provider.checkpoints.get(checkpoint_id)
        check_access(context, checkpoint, exception.AccessCheckpointNotAllowed)
        return checkpoint.to_dict()

    def list_checkpoints(
        self,
        context: RequestContext,
        provider_id: str,
        *,
        marker: str | None,
        limit: int | None,
        sort_keys: Sequence[str] | None,
        sort_dirs: Sequence[str] | None,
        filters: dict[str, Any] | None,
        all_tenants: bool,
    ) -> list[dict[str, Any]]:
        """A page of a provider's checkpoints, without their graphs.

        :param filters: ``plan_id``, ``status``, ``start_date`` and ``end_date``
            (YYYY-MM-DD, both included), and ``project_id`` for admins
        :raises InvalidInput: naming the filter, key or marker that is wrong
        :raises AdminRequired: for ``all_tenants`` or another project's
        """
        provider = self._providers.get(provider_id)
        filters = {k: v for k, v in (filters or {}).items() if v not in (None, "")}
        unknown = sorted(set(filters) - set(_CHECKPOINT_FILTERS))
        if unknown:
            raise exception.InvalidInput(
                reason=f"checkpoints cannot be filtered by {', '.join(unknown)}; "
                f"filters are {', '.join(_CHECKPOINT_FILTERS)}"
            )
        project_id = filters.pop("project_id", None) or context.project_id
        foreign = project_id != context.project_id
        if (all_tenants or foreign) and not context.is_admin:
            raise exception.AdminRequired()
        for name in ("start_date", "end_date"):
            if name in filters:
                filters[name] = _date(name, filters[name])
        found = provider.checkpoints.list(
            project_id,
            provider_id=provider_id,
            limit=limit,
            marker=marker,
            sort_keys=sort_keys,
            sort_dirs=sort_dirs,
            all_tenants=all_tenants and not foreign,
            **filters,
        )
        return [checkpoint.to_dict(graph=False) for checkpoint in found]

    def list_protectable_types(self) -> list[str]:
        """The types that installed plugins find."""
        return list(self._protectables.resource_types())

    def show_protectable_type(self, protectable_type: str) -> dict[str, Any]:
        """One type and the types that may be below it.

        :raises ProtectableTypeNotFound: when no plugin finds it
        """
        return {
            "name": protectable_type,
            "dependent_types": list(
                self._protectables.dependent_types(protectable_type)
            ),
        }

    def list_protectable_instances(
        self,
        context: RequestContext,
        protectable_type: str,
        *,
        marker: str | None,
        limit: int | None,
        sort_keys: Sequence[str] | None,
        sort_dirs: Sequence[str] | None,
        filters: dict[str, Any] | None,
        parameters: dict[str, Any] | None,
    ) -> list[dict[str, Any]]:
        """A page of the resources of one type.

        :raises ProtectableTypeNotFound: when no plugin finds the type
        :raises ListProtectableResourceFailed: when the service cannot be asked
        :raises InvalidInput: naming the filter, key or marker that is wrong
        """
        found = self._protectables.list_resources(context, protectable_type, parameters)
        for name, value in (filters or {}).items():
            if name not in _INSTANCE_KEYS:
                raise exception.InvalidInput(
                    reason=f"instances cannot be filtered by {name}; filters are "
                    f"{', '.join(_INSTANCE_KEYS)}"
                )
            found = [item for item in found if getattr(item, name) == value]
        return [
            {"id": item.id, "name": item.name, "extra_info": item.extra_info}
            for item in _page(
                _sorted(found, sort_keys or (), sort_dirs or ()), marker, limit
            )
        ]

    def show_protectable_instance(
        self,
        context: RequestContext,
        protectable_type: str,
        protectable_id: str,
        parameters: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """One resource.

        :raises ProtectableResourceNotFound: when there is none
        :raises ProtectableTypeNotFound: when no plugin finds the type
        """
        found = self._protectables.show_resource(
            context, protectable_type, protectable_id, parameters
        )
        if found is None:
            raise exception.ProtectableResourceNotFound(
                id=protectable_id,
                type=protectable_type,
                reason="the project has none with this id",
            )
        return found.to_dict()

    def list_protectable_dependents(
        self,
        context: RequestContext,
        protectable_type: str,
        protectable_id: str,
        protectable_name: str | None,
    ) -> list[dict[str, Any]]:
        """What one resource depends on, one level deep."""
        parent = Resource(
            type=protectable_type, id=protectable_id, name=protectable_name
        )
        return [
            resource.to_dict()
            for resource in self._protectables.dependents(context, parent)
        ]

    def list_providers(
        self,
        *,
        marker: str | None,
        limit: int | None,
        sort_keys: Sequence[str] | None,
        sort_dirs: Sequence[str] | None,
        filters: dict[str, Any] | None,
    ) -> list[dict[str, Any]]:
        """A page of the providers that loaded."""
        return [
            provider.to_dict()
            for provider in self._providers.list(
                marker=marker,
                limit=limit,
                sort_keys=sort_keys,
                sort_dirs=sort_dirs,
                filters=filters,
            )
        ]

    def show_provider(self, provider_id: str) -> dict[str, Any]:
        """One provider with its schemas.

        :raises ProviderNotFound: when none of that id has loaded
        """
        return self._providers.get(provider_id).to_dict()


def _date(name: str, value: Any) -> str:
    try:
        return datetime.date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise exception.InvalidInput(
            reason=f"{name} '{value}' is not a date like 2026-11-20"
        ) from error


def _sorted(
    found: list[Resource], keys: Sequence[str], directions: Sequence[str]
) -> list[Resource]:
    ordered = list(found)
    pairs = [
        (key, directions[position] if position < len(directions) else "asc")
        for position, key in enumerate(keys)
        if key != "created_at"
    ]
    for key, direction in reversed(pairs):
        if key not in _INSTANCE_KEYS:
            raise exception.InvalidInput(
                reason=f"instances cannot be sorted by {key}; sort keys are "
                f"{', '.join(_INSTANCE_KEYS)}"
            )
        ordered.sort(key=_text_of(key), reverse=direction == "desc")
    return ordered


def _text_of(name: str) -> Callable[[Resource], str]:
    return lambda item: getattr(item, name) or ""


def _page(
    found: list[Resource], marker: str | None, limit: int | None
) -> list[Resource]:
    if marker is not None:
        ids = [item.id for item in found]
        if marker not in ids:
            raise exception.InvalidInput(
                reason=f"marker {marker} is not among the instances"
            )
        found = found[ids.index(marker) + 1 :]
    return found if limit is None else found[:limit]
