# SPDX-License-Identifier: Apache-2.0
"""Messages between Karbor's services: transport, context, and wire shapes."""

from collections.abc import Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging.server import MessageHandlingServer
from oslo_serialization import jsonutils

from karbor import exception
from karbor.context import RequestContext

#: Modules whose errors a client rebuilds as classes; all else is a RemoteError.
ALLOWED_EXMODS = [exception.__name__]

#: The key under which the Karbor 1.x API sends a versioned object's fields.
_OBJECT_DATA = "karbor_object.data"


class ContextSerializer(messaging.NoOpSerializer):
    """Carries the request's context and turns values into what JSON can say."""

    def serialize_entity(self, context: Any, entity: Any) -> Any:
        return jsonutils.to_primitive(entity, convert_instances=True)

    def serialize_context(self, context: RequestContext) -> dict[str, Any]:
        return context.to_dict()

    def deserialize_context(self, context: Mapping[str, Any]) -> RequestContext:
        return RequestContext.from_dict(context, overwrite=False)


def plain(value: Any) -> Any:
    """An argument of a message with every versioned object as a plain dict.

    The Karbor 1.x API sends plans, restores and verifications either as dicts or
    as ``{"karbor_object.name": …, "karbor_object.data": {…}}``, nested at will.

    :raises InvalidInput: when a versioned object has no fields
    """
    if isinstance(value, Mapping):
        if any(str(key).startswith("karbor_object.") for key in value):
            data = value.get(_OBJECT_DATA)
            if not isinstance(data, Mapping):
                raise exception.InvalidInput(
                    reason=f"the versioned object has no fields under '{_OBJECT_DATA}'"
                )
            return plain(data)
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def get_transport(conf: cfg.ConfigOpts, url: str | None = None) -> messaging.Transport:
    """The transport of ``url``, else of the option ``transport_url``.

    :param url: ``fake://`` stays in this process
    """
    return messaging.get_rpc_transport(
        conf, url=url, allowed_remote_exmods=ALLOWED_EXMODS
    )


def get_client(
    transport: messaging.Transport, target: messaging.Target
) -> messaging.RPCClient:
    """A client that carries contexts; use it from any thread."""
    return messaging.get_rpc_client(transport, target, serializer=ContextSerializer())


def get_server(
    transport: messaging.Transport, target: messaging.Target, endpoints: list[Any]
) -> MessageHandlingServer:
    """A server that answers each call in a thread of its own pool."""
    return messaging.get_rpc_server(
        transport,
        target,
        endpoints,
        executor="threading",
        serializer=ContextSerializer(),
        access_policy=messaging.DefaultRPCAccessPolicy,
    )


def close_server(server: Any) -> None:
    """Answer what the server has taken, and leave new messages to other servers.

    oslo.messaging (18.3) also takes the messages that its broker hands over while it
    closes the connection, acknowledges them, and forgets them: their callers would
    wait in vain. So these are answered too.
    """
    server.stop()
    server.wait()
    listener = getattr(server.listener, "_poll_style_listener", None)
    for message in getattr(listener, "incoming", ()):
        server._process_incoming([message])
