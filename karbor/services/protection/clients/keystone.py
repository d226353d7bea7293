# SPDX-License-Identifier: Apache-2.0
"""Keystone, API v3: a plain adapter, because little is asked of it."""

from typing import TYPE_CHECKING, Any

from keystoneauth1 import adapter

from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options("keystone", "identity", "keystone")


def create(access: "ServiceAccess", **kwargs: Any) -> adapter.Adapter:
    """An adapter whose paths begin behind ``/v3``: ``.get('/projects/<id>')``."""
    return adapter.Adapter(
        session=access.session,
        service_type="identity",
        endpoint_override=access.endpoint.rstrip("/").removesuffix("/v3") + "/v3",
        global_request_id=access.request_id,
        **kwargs,
    )
