# SPDX-License-Identifier: Apache-2.0
"""The client of Freezer, API v2."""

from typing import TYPE_CHECKING, Any

import requests
from freezerclient.v2 import client as freezer
from freezerclient.v2.managers import actions, backups, clients, jobs, sessions

from karbor.services.protection.clients.options import service_options
from karbor.services.protection.clients.sessions import CloudSession

if TYPE_CHECKING:
    from karbor.services.protection.client_factory import ServiceAccess

OPTIONS = service_options("freezer", "backup", "freezer")

_MANAGERS = {
    "actions": actions,
    "backups": backups,
    "clients": clients,
    "jobs": jobs,
    "sessions": sessions,
}


class _Requests:
    """Stands for ``requests`` in the modules of the library's managers.

    These call ``requests.get(url, …, verify=manager.verify)`` and so on, without a
    timeout and without repetition. A manager whose ``verify`` is a session has its
    calls sent by that session; others are as they were.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        return self._send("GET", url, **kwargs)

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        return self._send("POST", url, **kwargs)

    def put(self, url: str, **kwargs: Any) -> requests.Response:
        return self._send("PUT", url, **kwargs)

    def patch(self, url: str, **kwargs: Any) -> requests.Response:
        return self._send("PATCH", url, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> requests.Response:
        return self._send("DELETE", url, **kwargs)

    @staticmethod
    def _send(
        method: str, url: str, *, verify: Any = None, **kwargs: Any
    ) -> requests.Response:
        if isinstance(verify, CloudSession):
            # The library looks at the status itself.
            return verify.request(url, method, raise_exc=False, **kwargs)
        return requests.request(method, url, verify=verify, **kwargs)


for _module in _MANAGERS.values():
    _module.requests = _Requests()


def create(access: "ServiceAccess", **kwargs: Any) -> freezer.Client:
    """A Freezer client that acts for the session's user, and sends by the session."""
    client = freezer.Client(
        session=access.session,
        endpoint=access.endpoint.rstrip("/").removesuffix("/v2"),
        **kwargs,
    )
    for name in _MANAGERS:
        getattr(client, name).verify = access.session
    return client
