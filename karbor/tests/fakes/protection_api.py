# SPDX-License-Identifier: Apache-2.0
"""A protection service in memory, with the methods and errors of the real one.

It protects nothing: a checkpoint becomes available at once.
"""

import threading
import uuid
from typing import Any

from karbor import exception
from karbor.context import RequestContext

PROVIDER_ID = "cf56bd3e-97a7-4078-b6d5-f36246333fd9"
OTHER_PROVIDER_ID = "e4008868-be97-492c-be41-44e50ef2e16f"
IMAGE = "OS::Glance::Image"
SERVER = "OS::Nova::Server"
IMAGE_ID = "a0000000-0000-4000-8000-000000000001"
SERVER_ID = "b0000000-0000-4000-8000-000000000001"

_OPTIONS = {
    IMAGE: {"type": "object", "properties": {"backup_name": {"type": "string"}}},
    SERVER: {},
}


class FakeProtectionAPI:
    """Set ``error`` to have the next call raise it; ``calls`` notes every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, RequestContext, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.checkpoints: dict[str, dict[str, Any]] = {}
        self.instances: dict[str, list[dict[str, Any]]] = {
            IMAGE: [{"id": IMAGE_ID, "name": "cirros", "extra_info": None}],
            SERVER: [{"id": SERVER_ID, "name": "web", "extra_info": None}],
        }
        self.dependents = {SERVER: [IMAGE], IMAGE: []}
        self._lock = threading.Lock()

    def _called(self, name: str, context: RequestContext, **arguments: Any) -> None:
        with self._lock:
            self.calls.append((name, context, arguments))
            error, self.error = self.error, None
        if error is not None:
            raise error

    def protect(self, context, plan, checkpoint_properties=None):
        self._called(
            "protect", context, plan=plan, checkpoint_properties=checkpoint_properties
        )
        self._provider(plan["provider_id"])
        checkpoint_id = str(uuid.uuid4())
        self.checkpoints[checkpoint_id] = {
            "id": checkpoint_id,
            "provider_id": plan["provider_id"],
            "project_id": plan["project_id"],
            "status": "available",
            "protection_plan": checkpoint_properties["protection_plan"],
            "resource_graph": "[{}, []]",
            "extra_info": checkpoint_properties["extra_info"],
            "created_at": "2026-11-20",
        }
        return checkpoint_id

    def restore(self, context, restore, restore_auth=None):
        self._called("restore", context, restore=restore, restore_auth=restore_auth)
        checkpoint = self._checkpoint(context, restore)
        if checkpoint["status"] != "available":
            raise exception.CheckpointNotAvailable(checkpoint_id=checkpoint["id"])

    def verification(self, context, verification):
        self._called("verification", context, verification=verification)
        self._checkpoint(context, verification)

    def copy(self, context, plan):
        self._called("copy", context, plan=plan)
        return [
            {
                "checkpoint_protect_id": checkpoint_id,
                "checkpoint_copy_id": str(uuid.uuid4()),
            }
            for checkpoint_id, checkpoint in self.checkpoints.items()
            if checkpoint["protection_plan"]["id"] == plan["id"]
        ]

    def delete(self, context, provider_id, checkpoint_id):
        self._called("delete", context, provider_id=provider_id)
        checkpoint = self._find(provider_id, checkpoint_id)
        if not self._may(context, checkpoint):
            raise exception.DeleteCheckpointNotAllowed(checkpoint_id=checkpoint_id)
        if checkpoint["status"] not in ("available", "error"):
            raise exception.CheckpointNotBeDeleted(checkpoint_id=checkpoint_id)
        del self.checkpoints[checkpoint_id]

    def reset_state(self, context, provider_id, checkpoint_id, state):
        self._called("reset_state", context, provider_id=provider_id)
        checkpoint = self.show_checkpoint(context, provider_id, checkpoint_id)
        self.checkpoints[checkpoint["id"]]["status"] = state

    def show_checkpoint(self, context, provider_id, checkpoint_id):
        self._called("show_checkpoint", context, provider_id=provider_id)
        checkpoint = self._find(provider_id, checkpoint_id)
        if not self._may(context, checkpoint):
            raise exception.AccessCheckpointNotAllowed(checkpoint_id=checkpoint_id)
        return checkpoint

    def list_checkpoints(
        self,
        context,
        provider_id,
        marker=None,
        limit=None,
        sort_keys=None,
        sort_dirs=None,
        filters=None,
        all_tenants=False,
    ):
        arguments = {key: value for key, value in locals().items() if key != "self"}
        self._called("list_checkpoints", **arguments)
        self._provider(provider_id)
        filters = dict(filters or {})
        plan_id = filters.pop("plan_id", None)
        project_id = filters.pop("project_id", None)
        if not all_tenants:
            project_id = project_id or context.project_id
        found = [
            checkpoint
            for checkpoint in self.checkpoints.values()
            if checkpoint["provider_id"] == provider_id
            and (plan_id in (None, checkpoint["protection_plan"]["id"]))
            and (project_id in (None, checkpoint["project_id"]))
            and ("status" not in filters or checkpoint["status"] == filters["status"])
        ]
        return _page(found, marker, limit)

    def list_protectable_types(self, context):
        self._called("list_protectable_types", context)
        return list(self.instances)

    def show_protectable_type(self, context, protectable_type):
        self._called("show_protectable_type", context)
        self._type(protectable_type)
        return {
            "name": protectable_type,
            "dependent_types": self.dependents[protectable_type],
        }

    def list_protectable_instances(
        self,
        context,
        protectable_type,
        marker=None,
        limit=None,
        sort_keys=None,
        sort_dirs=None,
        filters=None,
        parameters=None,
    ):
        self._called("list_protectable_instances", context, parameters=parameters)
        self._type(protectable_type)
        found = [
            instance
            for instance in self.instances[protectable_type]
            if all(instance[name] == value for name, value in (filters or {}).items())
        ]
        return _page(found, marker, limit)

    def show_protectable_instance(
        self, context, protectable_type, protectable_id, parameters=None
    ):
        self._called("show_protectable_instance", context, parameters=parameters)
        self._type(protectable_type)
        for instance in self.instances[protectable_type]:
            if instance["id"] == protectable_id:
                return {**instance, "type": protectable_type}
        raise exception.ProtectableResourceNotFound(
            id=protectable_id, type=protectable_type, reason="there is none"
        )

    def list_protectable_dependents(
        self, context, protectable_id, protectable_type, protectable_name=None
    ):
        self._called("list_protectable_dependents", context)
        return [
            {**instance, "type": below}
            for below in self.dependents[protectable_type]
            for instance in self.instances[below]
        ]

    def list_providers(
        self,
        context,
        marker=None,
        limit=None,
        sort_keys=None,
        sort_dirs=None,
        filters=None,
    ):
        self._called("list_providers", context, filters=filters)
        found = [
            provider
            for provider in _PROVIDERS.values()
            if all(provider[name] == value for name, value in (filters or {}).items())
        ]
        return _page(found, marker, limit)

    def show_provider(self, context, provider_id):
        self._called("show_provider", context)
        return self._provider(provider_id)

    def _provider(self, provider_id):
        if provider_id not in _PROVIDERS:
            raise exception.ProviderNotFound(provider_id=provider_id)
        return _PROVIDERS[provider_id]

    def _type(self, protectable_type):
        if protectable_type not in self.instances:
            raise exception.ProtectableTypeNotFound(protectable_type=protectable_type)

    def _find(self, provider_id, checkpoint_id):
        self._provider(provider_id)
        checkpoint = self.checkpoints.get(checkpoint_id)
        if checkpoint is None or checkpoint["provider_id"] != provider_id:
            raise exception.CheckpointNotFound(checkpoint_id=checkpoint_id)
        return checkpoint

    def _may(self, context, checkpoint):
        return context.is_admin or context.project_id == checkpoint["project_id"]

    def _checkpoint(self, context, record):
        checkpoint = self._find(record["provider_id"], record["checkpoint_id"])
        if not self._may(context, checkpoint):
            raise exception.AccessCheckpointNotAllowed(checkpoint_id=checkpoint["id"])
        return checkpoint


_PROVIDERS = {
    provider_id: {
        "id": provider_id,
        "name": name,
        "description": f"{name} of the tests",
        "extended_info_schema": {
            "options_schema": _OPTIONS,
            "restore_schema": {},
            "saved_info_schema": {},
            "verify_schema": {},
        },
    }
    for provider_id, name in (
        (PROVIDER_ID, "first provider"),
        (OTHER_PROVIDER_ID, "second provider"),
    )
}


def _page(found, marker, limit):
    if marker is not None:
        ids = [item["id"] for item in found]
        if marker not in ids:
            raise exception.InvalidInput(reason=f"marker {marker} is unknown")
        found = found[ids.index(marker) + 1 :]
    return found if limit is None else found[:limit]
