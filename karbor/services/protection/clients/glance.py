# SPDX-License-Identifier: Apache-2.0
"""The client of Glance, API v2."""

from typing import TYPE_CHECKING, Any

from glanceclient.v2 import client as glance

from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options("glance", "image", "glance")


def create(access: "ServiceAccess", **kwargs: Any) -> glance.Client:
    """A Glance client that acts for the session's user."""
    return glance.Client(
        session=access.session,
        endpoint=access.endpoint,
        endpoint_override=access.endpoint.removesuffix("/v2"),
        global_request_id=access.request_id,
        **kwargs,
    )
