# SPDX-License-Identifier: Apache-2.0
"""The client of Cinder, API v3."""

from typing import TYPE_CHECKING, Any

from cinderclient import client as cinder

from karbor.services.protection.clients.endpoints import with_version
from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options(
    "cinder", "volumev3", "cinderv3", version="v3", appends_project=True
)

#: The microversion that Karbor 1.x speaks: groups, and list filters.
VERSION = "3.43"


def create(access: "ServiceAccess", **kwargs: Any) -> Any:
    """A Cinder client (``cinderclient.v3.client.Client``) for the session's user."""
    return cinder.Client(
        kwargs.pop("version", VERSION),
        session=access.session,
        endpoint_override=with_version(access.endpoint, OPTIONS.version),
        global_request_id=access.request_id,
        **kwargs,
    )
