# SPDX-License-Identifier: Apache-2.0
"""A small Trove over real HTTP: instances with data, and their backups."""

import uuid
from typing import Any

from oslo_config import cfg

from karbor.services.protection.clients import trove as trove_client
from karbor.tests.fakes.json_service import JsonService, NotFound, Refused

_INSTANCE: dict[str, Any] = {
    "status": "ACTIVE",
    "flavor": {"id": "flavor-id", "links": []},
    "datastore": {"type": "mysql", "version": "8.0", "version_number": "8.0"},
    "volume": {"size": 2, "used": 0.1},
    "access": {"is_public": False},
    "addresses": [],
}


class TroveServer(JsonService):
    """Makes a thing ready when it has been shown once.

    :ivar data: of each instance and backup, by id
    :ivar breaks: ``instances`` or ``backups`` whose making fails
    :ivar fault: why an instance failed
    :ivar created: what each new instance was asked to be
    """

    root = "/v1.0/project"

    def __init__(self) -> None:
        super().__init__()
        self.instances: dict[str, dict[str, Any]] = {}
        self.backups: dict[str, dict[str, Any]] = {}
        self.groups: set[str] = set()
        self.data: dict[str, str] = {}
        self.breaks: set[str] = set()
        self.fault = ""
        self.created: list[dict[str, Any]] = []
        self._going: set[str] = set()

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Trove's endpoint."""
        trove_client.OPTIONS.register(conf)
        url = self.url.removesuffix("/project")
        conf.set_override("trove_endpoint", url, "trove_client")

    def _parts(self, path: str) -> list[str]:
        # The project of the path is whoever asks.
        _version, _project, below = path.removeprefix("/").split("/", 2)
        return super()._parts(f"{self.root}/{below}")

    def add_instance(self, data: str = "data", **fields: Any) -> str:
        """An instance; gives its id."""
        instance_id = str(uuid.uuid4())
        self.instances[instance_id] = {
            **_INSTANCE,
            "id": instance_id,
            "name": "database",
            **fields,
        }
        self.data[instance_id] = data
        return instance_id

    # Requests.

    def get_instances(self, path: list[str], query: dict, body: Any) -> Any:
        if path:
            return 200, {"instance": self._look(self.instances, path[0])}
        found = [self._look(self.instances, name) for name in sorted(self.instances)]
        return 200, _page("instances", found, query)

    def post_instances(self, path: list[str], query: dict, body: Any) -> Any:
        asked = body["instance"]
        self.created.append(asked)
        backup = self._find(self.backups, asked["restorePoint"]["backupRef"])
        instance_id = self.add_instance(
            self.data[backup["id"]],
            name=asked["name"],
            status="BUILD",
            volume=asked.get("volume", {}),
        )
        return 200, {"instance": self.instances[instance_id]}

    def put_instances(self, path: list[str], query: dict, body: Any) -> Any:
        self._find(self.instances, path[0])["name"] = body["instance"]["name"]
        return 202, None

    def delete_instances(self, path: list[str], query: dict, body: Any) -> Any:
        if self._find(self.instances, path[0])["status"] == "BUILD":
            raise Refused(422, "the instance is not ready")
        self._going.add(path[0])
        return 202, None

    def get_configurations(self, path: list[str], query: dict, body: Any) -> Any:
        if path[0] not in self.groups:
            raise NotFound(path[0])
        return 200, {"configuration": {"id": path[0]}}

    def get_backups(self, path: list[str], query: dict, body: Any) -> Any:
        if path:
            return 200, {"backup": self._look(self.backups, path[0])}
        found = [self._look(self.backups, name) for name in sorted(self.backups)]
        if "instance_id" in query:
            wanted = query["instance_id"]
            found = [one for one in found if one["instance_id"] == wanted]
        return 200, _page("backups", found, query)

    def post_backups(self, path: list[str], query: dict, body: Any) -> Any:
        asked = body["backup"]
        instance = self._find(self.instances, asked["instance"])
        if instance["status"] != "ACTIVE":
            raise Refused(422, "the instance is not active")
        backup_id = str(uuid.uuid4())
        parent = asked.get("parent_id")
        if parent is None and asked.get("incremental"):
            parent = next(iter(self.backups), None)
        self.backups[backup_id] = {
            "id": backup_id,
            "name": asked["name"],
            "description": asked.get("description"),
            "instance_id": instance["id"],
            "status": "NEW",
            "size": 0.14,
            "parent_id": parent,
        }
        self.data[backup_id] = self.data[instance["id"]]
        return 202, {"backup": self.backups[backup_id]}

    def delete_backups(self, path: list[str], query: dict, body: Any) -> Any:
        if self._find(self.backups, path[0])["status"] == "NEW":
            raise Refused(422, "the backup is running")
        self._going.add(path[0])
        return 202, None

    @staticmethod
    def _find(things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in things:
            raise NotFound(name)
        return things[name]

    def _look(self, things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        """Show a thing, and let it be ready or gone afterwards."""
        thing = dict(self._find(things, name))
        if name in self._going:
            del things[name]
        elif thing["status"] == "NEW":
            broken = "backups" in self.breaks
            things[name]["status"] = "FAILED" if broken else "COMPLETED"
        elif thing["status"] == "BUILD":
            broken = "instances" in self.breaks
            things[name]["status"] = "ERROR" if broken else "ACTIVE"
        elif thing["status"] == "ERROR":
            thing["fault"] = {"message": self.fault}
        elif thing["status"] == "BACKUP":
            things[name]["status"] = "ACTIVE"
        return thing


def _page(
    name: str, found: list[dict[str, Any]], query: dict[str, str]
) -> dict[str, Any]:
    later = [one for one in found if one["id"] > query.get("marker", "")]
    limit = int(query.get("limit", 20))
    answer: dict[str, Any] = {name: later[:limit]}
    if len(later) > limit:
        url = f"http://next/?marker={later[limit - 1]['id']}&limit={limit}"
        answer["links"] = [{"rel": "next", "href": url}]
    return answer
