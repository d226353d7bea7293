# SPDX-License-Identifier: Apache-2.0
"""Who asks: the context that travels with every REST and RPC call."""

import datetime
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import plugin
from oslo_context import context
from oslo_utils import timeutils

#: What a persisted flow, a record or a log must never contain.
SECRET_KEYS = frozenset({"auth_token", "auth_token_info", "service_token"})


class RequestContext(context.RequestContext):
    """A request's identity, in the shape that the Karbor 1.x API sends.

    ``service_catalog`` and ``remote_address`` ride along for the clients that
    are made from it. What the attributes below say holds for this object only: it
    goes into no message and into nothing that is kept.
    """

    #: Gives tokens that are valid for as long as the work goes on; ``auth_token`` is
    #: then the last of them. None: there is only ``auth_token``.
    auth_plugin: plugin.BaseAuthPlugin | None = None
    #: Whether this is a user of another cloud than the configured one.
    is_foreign = False
    #: In which of its regions then; None: in the first that its catalogue names.
    region_name: str | None = None

    def __init__(
        self,
        user_id: str | None = None,
        project_id: str | None = None,
        *,
        remote_address: str | None = None,
        timestamp: datetime.datetime | str | None = None,
        service_catalog: list[dict[str, Any]] | None = None,
        auth_token_info: dict[str, Any] | None = None,
        is_admin: bool = False,
        token_project_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            user_id=user_id, project_id=project_id, is_admin=is_admin, **kwargs
        )
        #: The project that the token is for, and services take for the caller's. An
        #: admin may work on another, which is then :attr:`project_id`.
        self.token_project_id = token_project_id or project_id
        self.remote_address = remote_address
        if isinstance(timestamp, str):
            timestamp = timeutils.parse_isotime(timestamp)
        self.timestamp = timestamp or timeutils.utcnow()
        self.service_catalog = service_catalog or []
        self.auth_token_info = auth_token_info

    def to_dict(self) -> dict[str, Any]:
        """The context as the message that carries it: with its token."""
        values = super().to_dict()
        values.update(
            {
                "user_id": self.user_id,
                "project_id": self.project_id,
                "token_project_id": self.token_project_id,
                "is_admin": self.is_admin,
                "remote_address": self.remote_address,
                "timestamp": self.timestamp.isoformat(),
                "service_catalog": self.service_catalog,
                "auth_token_info": self.auth_token_info,
            }
        )
        return values

    def to_plain(self) -> dict[str, Any]:
        """The context without its secrets: what may be persisted or logged."""
        values = self.to_dict()
        return {
            key: value
            for key, value in values.items()
            if key not in SECRET_KEYS and key != "service_catalog"
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> "RequestContext":
        """The context of a message; keys that nobody knows are passed over.

        :param values: as :meth:`to_dict` gives, or as the 1.x API sends
        """
        known: dict[str, Any] = {
            "user_id": values.get("user_id") or values.get("user"),
            "project_id": values.get("project_id")
            or values.get("project")
            or values.get("tenant"),
        }
        for key in (
            "auth_token",
            "auth_token_info",
            "token_project_id",
            "user_name",
            "project_name",
            "domain_id",
            "user_domain_id",
            "project_domain_id",
            "is_admin",
            "is_admin_project",
            "read_only",
            "show_deleted",
            "request_id",
            "global_request_id",
            "resource_uuid",
            "roles",
            "remote_address",
            "timestamp",
            "service_catalog",
            "system_scope",
            "service_token",
        ):
            if values.get(key) is not None:
                known[key] = values[key]
        known.update(overrides)
        return cls(**known)

    def elevated(self) -> "RequestContext":
        """A copy of this context that may do what an admin may."""
        other = type(self).from_dict(self.to_dict(), is_admin=True)
        for name in ("auth_plugin", "is_foreign", "region_name"):
            setattr(other, name, getattr(self, name))
        return other


def get_admin_context() -> RequestContext:
    """The context of the service's own work, for no user and no project."""
    return RequestContext(is_admin=True, overwrite=False)
