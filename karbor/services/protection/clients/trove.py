# SPDX-License-Identifier: Apache-2.0
"""The client of Trove, API v1.0."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from karbor.services.protection.clients.endpoints import with_version
from karbor.services.protection.clients.options import service_options

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options(
    "trove", "database", "trove", version="v1.0", appends_project=True
)

_import_lock = threading.Lock()


@contextmanager
def _without_eventlet() -> Iterator[None]:
    """Hide an installed eventlet from a library that would take it for its sleep.

    troveclient.client imports eventlet where it finds one. Karbor has threads only,
    and the import warns the operator of a library that nothing uses.
    """
    with _import_lock:
        if "eventlet" in sys.modules:
            yield
            return
        sys.modules["eventlet"] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            del sys.modules["eventlet"]


with _without_eventlet():
    from troveclient.v1 import client as trove


def create(access: "ServiceAccess", **kwargs: Any) -> Any:
    """A Trove client (``troveclient.v1.client.Client``) for the session's user."""
    project_id = access.session.get_project_id()
    endpoint = with_version(access.endpoint, f"{OPTIONS.version}/{project_id}")
    return trove.Client(
        session=access.session,
        bypass_url=endpoint,
        endpoint_override=endpoint,
        **kwargs,
    )
