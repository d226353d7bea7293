# SPDX-License-Identifier: Apache-2.0
"""What a server is made of and made from in Nova, for the plugin that restores it.

Fields are as the Compute API documents them; nothing here keeps anything.
"""

import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from karbor.context import RequestContext
from karbor.services.protection.clients.faults import ServiceFailed, calling
from karbor.services.protection.clients.listed_things import ListedThings
from karbor.services.protection.clients.missing import as_path, is_done_or_missing
from karbor.services.protection.clients.nova_servers import OWNER, UNKNOWN, Servers
from karbor.services.protection.waiting.until import Thing

#: Xena, the first that tells everybody the hostname of a server, and takes one.
#: https://docs.openstack.org/nova/latest/reference/api-microversion-history.html
VERSION = "2.90"

PAGE_SIZE = 1000


class Compute(Servers):
    """Servers with what they have attached, and what they can be made from.

    Every method makes one call, or one for each page, and raises
    :class:`~karbor.services.protection.clients.faults.ServiceFailed` with Nova's
    words.

    :param client: as ``ClientFactory.create_client('nova', …, version=VERSION)`` gives
    """

    @property
    def endpoint(self) -> str:
        """Where this Nova listens."""
        return str(self.client.client.endpoint_override)

    def attachments(self, server_id: str) -> list[dict[str, Any]]:
        """The volumes of a server: ``volumeId``, ``device``, ``tag`` and
        ``delete_on_termination`` of each."""
        answer = self._get(
            f"{_path(server_id)}/os-volume_attachments",
            f"list the volumes of server {server_id}",
        )
        return list(answer["volumeAttachments"])

    def create(
        self, fields: Mapping[str, Any], hints: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Begin to make a server; gives it with its ``id``.

        :param hints: for Nova's scheduler, such as ``{"group": id}``
        """
        body: dict[str, Any] = {"server": dict(fields)}
        if hints:
            body["os:scheduler_hints"] = dict(hints)
        with calling("Nova", f"create server '{fields['name']}'"):
            _response, answer = self.client.client.post("/servers", body=body)
        return dict(answer["server"])

    def delete(self, server_id: str) -> bool:
        """Begin to delete a server; False when there is none."""
        return is_done_or_missing(
            "Nova",
            f"delete server {server_id}",
            lambda: self.client.client.delete(_path(server_id)),
        )

    def act(self, server_id: str, action: str) -> None:
        """Begin an action without arguments: ``pause``, ``resume``, ``lock`` …"""
        with calling("Nova", f"{action} server {server_id}"):
            self.client.client.post(f"{_path(server_id)}/action", body={action: None})

    def set_metadata(self, server_id: str, key: str, value: str) -> None:
        """Put an entry into the metadata of a server, or change it."""
        path = f"{_path(server_id)}/metadata/{as_path(key)}"
        with calling("Nova", f"set the metadata '{key}' of server {server_id}"):
            self.client.client.put(path, body={"meta": {key: value}})

    def delete_metadata(self, server_id: str, key: str) -> bool:
        """Take an entry out of the metadata of a server; False when it has none."""
        path = f"{_path(server_id)}/metadata/{as_path(key)}"
        return is_done_or_missing(
            "Nova",
            f"delete the metadata '{key}' of server {server_id}",
            lambda: self.client.client.delete(path),
        )

    def delete_with_server(self, server_id: str, volume_id: str) -> None:
        """Let a volume be deleted when its server is."""
        path = f"{_path(server_id)}/os-volume_attachments/{volume_id}"
        change = {"volumeId": volume_id, "delete_on_termination": True}
        with calling("Nova", f"let volume {volume_id} end with server {server_id}"):
            self.client.client.put(path, body={"volumeAttachment": change})

    def flavors(self) -> list[dict[str, Any]]:
        """The flavors that the caller may use, without their extra specs."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": PAGE_SIZE}
        while True:
            path = "/flavors/detail?" + urllib.parse.urlencode(query)
            page = self._get(path, "list flavors")["flavors"]
            found.extend(page)
            if not page or len(page) < PAGE_SIZE:
                return found
            query["marker"] = page[-1]["id"]

    def has_keypair(self, name: str) -> bool:
        """Whether the caller has a keypair of this name."""
        return self._exists(f"/os-keypairs/{as_path(name)}", f"show keypair '{name}'")

    def has_server_group(self, group_id: str) -> bool:
        """Whether the project has this server group."""
        return self._exists(
            f"/os-server-groups/{as_path(group_id)}", f"show server group {group_id}"
        )

    def zones(self) -> list[str]:
        """The availability zones in which servers can be made."""
        answer = self._get("/os-availability-zone", "list availability zones")
        return [
            zone["zoneName"]
            for zone in answer["availabilityZoneInfo"]
            if zone["zoneState"]["available"]
        ]

    def _exists(self, path: str, action: str) -> bool:
        try:
            self._get(path, action)
        except ServiceFailed as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST):
                return False
            raise
        return True

    def _get(self, path: str, action: str) -> dict[str, Any]:
        with calling("Nova", action):
            _response, answer = self.client.client.get(path)
        return dict(answer)


class ServerThings(ListedThings):
    """Servers as something to wait for.

    :param compute: where they are
    :param context: whose servers these are
    """

    kind: ClassVar[str] = "server"
    owner_field: ClassVar[str] = OWNER

    def __init__(self, compute: Compute, context: RequestContext) -> None:
        super().__init__(compute.client, context)
        self._compute = compute

    @property
    def endpoint(self) -> str:
        return self._compute.endpoint

    def get(self, thing_id: str) -> dict[str, Any] | None:
        return self._compute.shown(thing_id)

    def all(self) -> list[dict[str, Any]]:
        project_id = str(self.context.token_project_id)
        return self._compute.listed(project_id, all_tenants=False)

    def of_project(self, project_id: str) -> list[dict[str, Any]]:
        return self._compute.listed(project_id, all_tenants=True)

    def is_told(self, thing: Thing) -> bool:
        return thing.get("status") != UNKNOWN

    def fault_of(self, thing: Thing) -> str | None:
        fault = (thing.get("fault") or {}).get("message")
        return str(fault) if fault else None


def _path(server_id: str) -> str:
    return f"/servers/{as_path(server_id)}"
