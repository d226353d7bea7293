# SPDX-License-Identifier: Apache-2.0
"""The client of Freezer, API v2."""

from typing import TYPE_CHECKING, Any

from freezerclient.v2 import client as freezer

from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options("freezer", "backup", "freezer")


def create(access: "ServiceAccess", **kwargs: Any) -> freezer.Client:
    """A Freezer client that acts for the session's user.

    It sends its calls by itself: of the session it takes the token, and neither
    timeouts nor repetition.
    """
    return freezer.Client(
        session=access.session,
        endpoint=access.endpoint.rstrip("/").removesuffix("/v2"),
        cacert=access.options.freezer_ca_cert_file,
        insecure=access.options.freezer_auth_insecure,
        **kwargs,
    )
