# SPDX-License-Identifier: Apache-2.0
"""The client of Manila, API v2."""

from typing import TYPE_CHECKING, Any

from manilaclient import api_versions
from manilaclient.v2 import client as manila

from karbor.services.protection.clients.endpoints import with_version
from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options("manila", "sharev2", "manilav2")

#: Of the Stein release.
VERSION = "2.44"


def create(access: "ServiceAccess", **kwargs: Any) -> Any:
    """A Manila client (``manilaclient.v2.client.Client``) for the session's user."""
    return manila.Client(
        api_version=api_versions.APIVersion(kwargs.pop("version", VERSION)),
        session=access.session,
        service_catalog_url=with_version(access.endpoint, "v2"),
        **kwargs,
    )
