# SPDX-License-Identifier: Apache-2.0
"""The client of Nova, API v2.1."""

from typing import TYPE_CHECKING, Any

from novaclient import client as nova

from karbor.services.protection.clients.endpoints import with_version
from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options(
    "nova", "compute", "nova", version="v2.1", appends_project=True
)

VERSION = "2.1"


def create(access: "ServiceAccess", **kwargs: Any) -> Any:
    """A Nova client (``novaclient.v2.client.Client``) for the session's user."""
    return nova.Client(
        kwargs.pop("version", VERSION),
        session=access.session,
        endpoint_override=with_version(access.endpoint, OPTIONS.version),
        global_request_id=access.request_id,
        **kwargs,
    )
