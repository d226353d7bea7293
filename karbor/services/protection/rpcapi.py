# SPDX-License-Identifier: Apache-2.0
"""The client side of the protection service's RPC interface, version 1.0."""

from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg

from karbor import rpc
from karbor.common import config, constants
from karbor.context import RequestContext


class ProtectionAPI:
    """Calls the protection service; each method is one message and its answer.

    Thread-safe. Every method raises the :mod:`karbor.exception` class that the
    service raised, or ``oslo_messaging.MessagingTimeout`` when no service answers
    within ``rpc_response_timeout`` seconds.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, transport: messaging.Transport | None = None
    ) -> None:
        config.register_opts(conf)
        target = messaging.Target(
            topic=conf.protection_topic, version=constants.RPC_VERSION
        )
        self._client = rpc.get_client(transport or rpc.get_transport(conf), target)

    def protect(
        self,
        context: RequestContext,
        plan: dict[str, Any],
        checkpoint_properties: dict[str, Any] | None = None,
    ) -> str:
        """Begin to protect a plan; returns the checkpoint's id before the work."""
        return self._client.call(
            context,
            "protect",
            plan=plan,
            checkpoint_properties=checkpoint_properties,
        )

    def restore(
        self,
        context: RequestContext,
        restore: dict[str, Any],
        restore_auth: dict[str, Any] | None = None,
    ) -> None:
        """Begin to restore a checkpoint; the restore record tells how it goes."""
        return self._client.call(
            context, "restore", restore=restore, restore_auth=restore_auth
        )

    def verification(
        self, context: RequestContext, verification: dict[str, Any]
    ) -> None:
        """Begin to verify a checkpoint; the verification record tells."""
        return self._client.call(context, "verification", verification=verification)

    def copy(
        self, context: RequestContext, plan: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Begin to copy the plan's checkpoints; returns pairs of source and copy."""
        return self._client.call(context, "copy", plan=plan)

    def delete(
        self, context: RequestContext, provider_id: str, checkpoint_id: str
    ) -> None:
        """Begin to delete a checkpoint."""
        return self._client.call(
            context, "delete", provider_id=provider_id, checkpoint_id=checkpoint_id
        )

    def reset_state(
        self, context: RequestContext, provider_id: str, checkpoint_id: str, state: str
    ) -> None:
        """Set the state of a checkpoint that nothing works on."""
        return self._client.call(
            context,
            "reset_state",
            provider_id=provider_id,
            checkpoint_id=checkpoint_id,
            state=state,
        )

    def show_checkpoint(
        self, context: RequestContext, provider_id: str, checkpoint_id: str
    ) -> dict[str, Any]:
        """One checkpoint, with its resource graph."""
        return self._client.call(
            context,
            "show_checkpoint",
            provider_id=provider_id,
            checkpoint_id=checkpoint_id,
        )

    def list_checkpoints(
        self,
        context: RequestContext,
        provider_id: str,
        marker: str | None = None,
        limit: int | None = None,
        sort_keys: list[str] | None = None,
        sort_dirs: list[str] | None = None,
        filters: dict[str, Any] | None = None,
        all_tenants: bool = False,
    ) -> list[dict[str, Any]]:
        """A page of a provider's checkpoints."""
        return self._client.call(
            context,
            "list_checkpoints",
            provider_id=provider_id,
            marker=marker,
            limit=limit,
            sort_keys=sort_keys,
            sort_dirs=sort_dirs,
            filters=filters,
            all_tenants=all_tenants,
        )

    def list_protectable_types(self, context: RequestContext) -> list[str]:
        """The resource types that installed plugins find."""
        return self._client.call(context, "list_protectable_types")

    def show_protectable_type(
        self, context: RequestContext, protectable_type: str
    ) -> dict[str, Any]:
        """One type and the types that it may depend on."""
        return self._client.call(
            context, "show_protectable_type", protectable_type=protectable_type
        )

    def list_protectable_instances(
        self,
        context: RequestContext,
        protectable_type: str,
        marker: str | None = None,
        limit: int | None = None,
        sort_keys: list[str] | None = None,
        sort_dirs: list[str] | None = None,
        filters: dict[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """A page of the resources of one type."""
        return self._client.call(
            context,
            "list_protectable_instances",
            protectable_type=protectable_type,
            marker=marker,
            limit=limit,
            sort_keys=sort_keys,
            sort_dirs=sort_dirs,
            filters=filters,
            parameters=parameters,
        )

    def show_protectable_instance(
        self,
        context: RequestContext,
        protectable_type: str,
        protectable_id: str,
        parameters: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One resource."""
        return self._client.call(
            context,
            "show_protectable_instance",
            protectable_type=protectable_type,
            protectable_id=protectable_id,
            parameters=parameters,
        )

    def list_protectable_dependents(
        self,
        context: RequestContext,
        protectable_id: str,
        protectable_type: str,
        protectable_name: str | None = None,
    ) -> list[dict[str, Any]]:
        """The resources that one resource depends on, one level deep."""
        return self._client.call(
            context,
            "list_protectable_dependents",
            protectable_id=protectable_id,
            protectable_type=protectable_type,
            protectable_name=protectable_name,
        )

    def list_providers(
        self,
        context: RequestContext,
        marker: str | None = None,
        limit: int | None = None,
        sort_keys: list[str] | None = None,
        sort_dirs: list[str] | None = None,
        filters: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """A page of the providers that loaded."""
        return self._client.call(
            context,
            "list_providers",
            marker=marker,
            limit=limit,
            sort_keys=sort_keys,
            sort_dirs=sort_dirs,
            filters=filters,
        )

    def show_provider(
        self, context: RequestContext, provider_id: str
    ) -> dict[str, Any]:
        """One provider with its schemas."""
        return self._client.call(context, "show_provider", provider_id=provider_id)
