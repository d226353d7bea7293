# SPDX-License-Identifier: Apache-2.0
"""The client of Neutron, API v2.0."""

from typing import TYPE_CHECKING, Any

from neutronclient.v2_0 import client as neutron

from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options("neutron", "network", "neutron")


def create(access: "ServiceAccess", **kwargs: Any) -> neutron.Client:
    """A Neutron client that acts for the session's user; it repeats nothing itself."""
    return neutron.Client(
        session=access.session,
        endpoint_override=access.endpoint.rstrip("/").removesuffix("/v2.0"),
        global_request_id=access.request_id,
        retries=0,
        **kwargs,
    )
