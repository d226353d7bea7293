# SPDX-License-Identifier: Apache-2.0
"""The server side of the protection service's RPC interface, version 1.0.

One method for each message, and no logic: requests that begin an operation go to
:mod:`~karbor.services.protection.admission`, questions to
:mod:`~karbor.services.protection.queries`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import oslo_messaging as messaging
from oslo_log import log as logging

from karbor import exception, rpc
from karbor.common import constants
from karbor.context import RequestContext
from karbor.services.protection import messages
from karbor.services.protection.admission import Admission
from karbor.services.protection.queries import Queries

LOG = logging.getLogger(__name__)


def _answer(error: exception.KarborException) -> messaging.ExpectedException:
    """An error as the caller gets it: its class and its words.

    oslo.messaging sends a traceback along with the error when there is one, and its
    client makes that a part of the error's text.
    """
    error.__cause__ = error.__context__ = None
    expected = messaging.ExpectedException()
    expected.exc_info = (type(error), error, None)
    return expected


def _rpc_method(method: Callable[..., Any]) -> Callable[..., Any]:
    """Check a message's arguments, and let only declared errors out.

    An error that a caller can cause goes back as its :mod:`karbor.exception`
    class. Anything else is a defect: it is logged with its traceback here, and the
    caller learns under which request to look for it.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def wrapper(self: Any, context: RequestContext, **arguments: Any) -> Any:
        # Threads are used again: without this, log lines name an earlier request.
        context.update_store()
        try:
            values = rpc.plain(arguments)
            try:
                bound = signature.bind(self, context, **values)
            except TypeError as error:
                raise exception.InvalidInput(
                    reason=f"{method.__name__}: {error}"
                ) from error
            messages.check_arguments(method.__name__, values)
            return method(*bound.args, **bound.kwargs)
        except exception.KarborException as error:
            if error.code >= 500:
                LOG.warning("%s failed: %s", method.__name__, error)
            raise _answer(error) from None
        except Exception as error:
            LOG.exception("%s failed unexpectedly", method.__name__)
            defect = exception.FlowError(
                flow=method.__name__,
                error=f"unexpected {type(error).__name__}; the service's log tells "
                f"more under request {context.request_id}",
            )
            raise _answer(defect) from None

    return wrapper


class ProtectionManager:
    """The RPC endpoint; its methods are called from the server's threads."""

    target = messaging.Target(version=constants.RPC_VERSION)

    def __init__(self, admission: Admission, queries: Queries) -> None:
        self._admission = admission
        self._queries = queries

    @_rpc_method
    def protect(
        self,
        context: RequestContext,
        plan: Any = None,
        checkpoint_properties: dict[str, Any] | None = None,
    ) -> str:
        return self._admission.protect(
            context, messages.Plan.parse(plan), checkpoint_properties or {}
        )

    @_rpc_method
    def restore(
        self,
        context: RequestContext,
        restore: Any = None,
        restore_auth: dict[str, Any] | None = None,
    ) -> None:
        self._admission.restore(
            context, messages.RecordRequest.parse(restore, "restore"), restore_auth
        )

    @_rpc_method
    def verification(self, context: RequestContext, verification: Any = None) -> None:
        self._admission.verify(
            context, messages.RecordRequest.parse(verification, "verification")
        )

    @_rpc_method
    def copy(self, context: RequestContext, plan: Any = None) -> list[dict[str, str]]:
        return self._admission.copy(context, messages.Plan.parse(plan))

    @_rpc_method
    def delete(
        self, context: RequestContext, provider_id: str, checkpoint_id: str
    ) -> None:
        self._admission.delete(context, provider_id, checkpoint_id)

    @_rpc_method
    def reset_state(
        self, context: RequestContext, provider_id: str, checkpoint_id: str, state: str
    ) -> None:
        self._admission.reset_state(context, provider_id, checkpoint_id, state)

    @_rpc_method
    def show_checkpoint(
        self, context: RequestContext, provider_id: str, checkpoint_id: str
    ) -> dict[str, Any]:
        return self._queries.show_checkpoint(context, provider_id, checkpoint_id)

    @_rpc_method
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
        return self._queries.list_checkpoints(
            context,
            provider_id,
            marker=marker,
            limit=limit,
            sort_keys=sort_keys,
            sort_dirs=sort_dirs,
            filters=filters,
            all_tenants=all_tenants,
        )

    @_rpc_method
    def list_protectable_types(self, context: RequestContext) -> list[str]:
        return self._queries.list_protectable_types()

    @_rpc_method
    def show_protectable_type(
        self, context: RequestContext, protectable_type: str
    ) -> dict[str, Any]:
        return self._queries.show_protectable_type(protectable_type)

    @_rpc_method
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
        return self._queries.list_protectable_instances(
            context,
            protectable_type,
            marker=marker,
            limit=limit,
            sort_keys=sort_keys,
            sort_dirs=sort_dirs,
            filters=filters,
            parameters=parameters,
        )

    @_rpc_method
    def show_protectable_instance(
        self,
        context: RequestContext,
        protectable_type: str,
        protectable_id: str,
        parameters: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        return self._queries.show_protectable_instance(
            context, protectable_type, protectable_id, parameters
        )

    @_rpc_method
    def list_protectable_dependents(
        self,
        context: RequestContext,
        protectable_id: str,
        protectable_type: str,
        protectable_name: str | None = None,
    ) -> list[dict[str, Any]]:
        return self._queries.list_protectable_dependents(
            context, protectable_type, protectable_id, protectable_name
        )

    @_rpc_method
    def list_providers(
        self,
        context: RequestContext,
        marker: str | None = None,
        limit: int | None = None,
        sort_keys: list[str] | None = None,
        sort_dirs: list[str] | None = None,
        filters: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        return self._queries.list_providers(
            marker=marker,
            limit=limit,
            sort_keys=sort_keys,
            sort_dirs=sort_dirs,
            filters=filters,
        )

    @_rpc_method
    def show_provider(
        self, context: RequestContext, provider_id: str
    ) -> dict[str, Any]:
        return self._queries.show_provider(provider_id)


class UnknownMethods:
    """The last endpoint: refuses every method that the interface does not have.

    Without it oslo.messaging answers with an error of its own, and a traceback.
    """

    target = messaging.Target(version=constants.RPC_VERSION)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # oslo.messaging asks for attributes of its own, and warns where it finds them.
        if name.startswith(("_", "oslo_")):
            raise AttributeError(name)

        def refuse(context: RequestContext, **arguments: Any) -> None:
            raise _answer(
                exception.InvalidInput(reason=f"unknown method {ascii(name)[:80]}")
            )

        return refuse
