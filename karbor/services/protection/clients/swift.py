# SPDX-License-Identifier: Apache-2.0
"""The client of Swift."""

from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from swiftclient import client as swift

from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options(
    "swift",
    "object-store",
    "swift",
    repeated=" Swift itself is asked again as swift_retry_attempts and "
    "swift_retry_backoff say instead.",
    extra=(
        cfg.IntOpt(
            "swift_retry_attempts",
            default=6,
            min=0,
            help="How often a failed call is repeated. With the default of "
            "swift_retry_backoff, what fails for two minutes is outlasted.",
        ),
        cfg.IntOpt(
            "swift_retry_backoff",
            default=2,
            min=0,
            help="Seconds before the first repetition; doubled for each further, up "
            "to a minute.",
        ),
    ),
)


def create(access: "ServiceAccess", **kwargs: Any) -> swift.Connection:
    """A Swift connection for the session's user."""
    return swift.Connection(
        session=access.session,
        os_options={"object_storage_url": access.endpoint},
        retries=access.options.swift_retry_attempts,
        starting_backoff=access.options.swift_retry_backoff,
        timeout=(access.options.connect_timeout, access.options.read_timeout),
        insecure=access.options.swift_auth_insecure,
        cacert=access.options.swift_ca_cert_file,
        **kwargs,
    )
