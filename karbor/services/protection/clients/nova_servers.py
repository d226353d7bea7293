# SPDX-License-Identifier: Apache-2.0
"""Servers of a Nova as plain dicts, for the plugins that deal with them.

Fields are as the Compute API v2.1 documents them.
"""

from collections.abc import Iterable
from typing import Any

from karbor.services.protection.clients.faults import ServiceFailed, calling
from karbor.services.protection.clients.missing import as_path, found_or_none

#: From this microversion on (Stein) a server whose cell does not answer is in the list
#: with the status ``UNKNOWN``; before, it is silently missing from it.
VERSION = "2.69"
UNKNOWN = "UNKNOWN"

#: Statuses, in lower case, in which a server rests and has what it had. In ERROR too:
#: what such a server has on its volumes is all the more wanted.
#: https://docs.openstack.org/api-guide/compute/server_concepts.html
RESTING = frozenset(
    {
        "active",
        "error",
        "paused",
        "rescue",
        "shelved",
        "shelved_offloaded",
        "shutoff",
        "suspended",
        "verify_resize",
    }
)
#: Statuses that pass by themselves.
PASSING = frozenset(
    {
        "build",
        "hard_reboot",
        "migrating",
        "password",
        "reboot",
        "rebuild",
        "resize",
        "revert_resize",
    }
)

#: What Nova calls a server's owner.
OWNER = "tenant_id"


class Servers:
    """The servers that a Nova client's user sees.

    :param client: as ``ClientFactory.create_client('nova', …, version=VERSION)`` gives
    """

    #: Up to so many are asked for one by one, rather than listing a project's.
    few = 3

    def __init__(self, client: Any) -> None:
        self.client = client

    def get(self, server_id: str) -> dict[str, Any] | None:
        """One server; None when it does not exist or is another's.

        :raises ServiceFailed: when Nova, or the server's cell, cannot be asked
        """
        found = self.shown(server_id)
        return None if found is None else _answered(found)

    def shown(self, server_id: str) -> dict[str, Any] | None:
        """As :meth:`get`, but with hardly a field where the server's cell is away.

        :raises ServiceFailed: when Nova cannot be asked
        """
        found: dict[str, Any] | None = found_or_none(
            "Nova",
            f"show server {server_id}",
            lambda: self.client.servers.get(as_path(server_id)).to_dict(),
        )
        return found

    def get_many(self, server_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Those of the servers that exist, by their ids; one call for each.

        :raises ServiceFailed: when Nova cannot be asked
        """
        found = {server_id: self.get(server_id) for server_id in server_ids}
        return {name: server for name, server in found.items() if server is not None}

    def of_project(self, project_id: str, *, all_tenants: bool) -> list[dict[str, Any]]:
        """The servers of a project, from all pages.

        :param all_tenants: whether the project is another than the token's
        :raises ServiceFailed: when Nova, or the cell of one of them, cannot be asked
        """
        return list(map(_answered, self.listed(project_id, all_tenants=all_tenants)))

    def listed(self, project_id: str, *, all_tenants: bool) -> list[dict[str, Any]]:
        """As :meth:`of_project`, but with hardly a field of those whose cell is away.

        :raises ServiceFailed: when Nova cannot be asked
        """
        options = {"all_tenants": 1, "project_id": project_id} if all_tenants else None
        with calling("Nova", f"list the servers of project {project_id}"):
            found = self.client.servers.list(
                detailed=True, search_opts=options, limit=-1
            )
        return [server.to_dict() for server in found]


def _answered(server: dict[str, Any]) -> dict[str, Any]:
    if server.get("status") == UNKNOWN:
        raise ServiceFailed(
            service="Nova",
            action=f"tell of server {server['id']}",
            reason="the cell that it is in does not answer; try again when it does",
            retryable=True,
        )
    return server


def image_id_of(server: dict[str, Any]) -> str | None:
    """The image that a server was booted from; None for one booted from a volume."""
    image = server.get("image")  # "" when there is none
    return image["id"] if image else None


def volume_ids_of(server: dict[str, Any]) -> list[str]:
    """The volumes that a server has attached, its root volume too."""
    attached = server.get("os-extended-volumes:volumes_attached") or ()
    return [volume["id"] for volume in attached]
