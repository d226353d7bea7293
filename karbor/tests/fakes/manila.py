# SPDX-License-Identifier: Apache-2.0
"""A small Manila over real HTTP: shares with data, snapshots, access rules."""

import json
import uuid
from typing import Any

from oslo_config import cfg

from karbor.services.protection.clients import manila as manila_client
from karbor.tests.fakes.json_service import JsonService, NotFound, Refused

_SHARE = {
    "size": 1,
    "share_proto": "NFS",
    "share_type": "type-id",
    "share_type_name": "default",
    "share_network_id": None,
    "description": None,
    "metadata": {},
    "is_public": False,
    "snapshot_support": True,
    "create_share_from_snapshot_support": True,
    "access_rules_status": "active",
    "status": "available",
}


class ManilaServer(JsonService):
    """Makes a thing ready when it has been shown ``delay`` times.

    :ivar data: of each share and snapshot, by id
    :ivar breaks: ``shares`` or ``snapshots`` whose making ends in ``error``
    :ivar messages: of the service to its user, by the id of the thing
    :ivar refused: whom it lets mount nothing
    """

    root = "/v2"

    def __init__(self) -> None:
        super().__init__()
        self.shares: dict[str, dict[str, Any]] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.rules: dict[str, list[dict[str, Any]]] = {}
        self.data: dict[str, str] = {}
        self.messages: dict[str, str] = {}
        self.breaks: set[str] = set()
        self.refused: set[str] = set()
        self.delay = 1
        self._shown: dict[str, int] = {}

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Manila's endpoint."""
        manila_client.OPTIONS.register(conf)
        conf.set_override("manila_endpoint", self.url, "manila_client")

    def add_share(self, data: str = "data", **fields: Any) -> str:
        """A share; gives its id."""
        share_id = str(uuid.uuid4())
        self.shares[share_id] = {**_SHARE, "id": share_id, "name": "share", **fields}
        self.data[share_id] = data
        self.rules[share_id] = []
        return share_id

    def allow(self, share_id: str, who: str, level: str = "rw") -> None:
        """Let an address mount a share."""
        state = "error" if who in self.refused else "active"
        if state == "error":
            self.shares[share_id]["access_rules_status"] = "error"
        self.rules[share_id].append(
            {
                "id": str(uuid.uuid4()),
                "access_type": "ip",
                "access_to": who,
                "access_level": level,
                "state": state,
            }
        )

    # Requests.

    def get_shares(self, path: list[str], query: dict, body: Any) -> Any:
        if path != ["detail"]:
            return 200, {"share": self._look(self.shares, path[0])}
        found = [self._look(self.shares, name) for name in sorted(self.shares)]
        if "metadata" in query:
            # As manilaclient sends a dict.
            wanted = json.loads(query["metadata"].replace("'", '"')).items()
            found = [one for one in found if wanted <= one["metadata"].items()]
        return 200, {"shares": _page(found, query)}

    def post_shares(self, path: list[str], query: dict, body: Any) -> Any:
        if path and path[1:] == ["action"]:
            return self._act(path[0], body)
        asked = body["share"]
        source = self._find(self.snapshots, asked["snapshot_id"])
        share_id = self.add_share(
            self.data[source["id"]],
            **{key: asked[key] for key in asked.keys() & {*_SHARE, "name"}},
        )
        self.shares[share_id]["status"] = "creating"
        return 200, {"share": self.shares[share_id]}

    def put_shares(self, path: list[str], query: dict, body: Any) -> Any:
        raise Refused(403, "Policy doesn't allow share:set_public_share")

    def delete_shares(self, path: list[str], query: dict, body: Any) -> Any:
        share = self._find(self.shares, path[0])
        if path[1:2] == ["metadata"]:
            del share["metadata"][path[2]]
            return 200, None
        if share["status"] not in ("available", "error", "inactive"):
            raise Refused(403, f"the share is {share['status']}")
        share["status"] = "deleting"
        return 202, None

    def get_snapshots(self, path: list[str], query: dict, body: Any) -> Any:
        if path != ["detail"]:
            return 200, {"snapshot": self._look(self.snapshots, path[0])}
        found = [self._look(self.snapshots, name) for name in sorted(self.snapshots)]
        if "share_id" in query:
            found = [one for one in found if one["share_id"] == query["share_id"]]
        return 200, {"snapshots": _page(found, query)}

    def post_snapshots(self, path: list[str], query: dict, body: Any) -> Any:
        asked = body["snapshot"]
        share = self._find(self.shares, asked["share_id"])
        if share["status"] != "available" and not asked["force"]:
            raise Refused(403, "the share is not available")
        snapshot_id = str(uuid.uuid4())
        self.snapshots[snapshot_id] = {
            "id": snapshot_id,
            "share_id": share["id"],
            "name": asked["name"],
            "description": asked["description"],
            "size": share["size"],
            "status": "creating",
        }
        self.data[snapshot_id] = self.data[share["id"]]
        return 202, {"snapshot": self.snapshots[snapshot_id]}

    def delete_snapshots(self, path: list[str], query: dict, body: Any) -> Any:
        snapshot = self._find(self.snapshots, path[0])
        if snapshot["status"] not in ("available", "error"):
            raise Refused(403, "the snapshot is neither available nor in error")
        snapshot["status"] = "deleting"
        return 202, None

    def get_messages(self, path: list[str], query: dict, body: Any) -> Any:
        text = self.messages.get(query["resource_id"])
        found = {"id": "m", "created_at": "2026-01-01", "user_message": text}
        return 200, {"messages": [found] if text else []}

    def _act(self, share_id: str, body: Any) -> Any:
        self._find(self.shares, share_id)
        if "access_list" in body:
            return 200, {"access_list": self.rules[share_id]}
        asked = body["allow_access"]
        if asked["access_to"].startswith("0."):
            raise Refused(400, "no such address")
        self.allow(share_id, asked["access_to"], asked["access_level"])
        return 200, {"access": self.rules[share_id][-1]}

    @staticmethod
    def _find(things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in things:
            raise NotFound(name)
        return things[name]

    def _look(self, things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        """Show a thing, and let it be ready when it was shown often enough."""
        thing = dict(self._find(things, name))
        self._shown[name] = self._shown.get(name, 0) + 1
        if self._shown[name] >= self.delay:
            self._shown[name] = 0
            kind = "shares" if things is self.shares else "snapshots"
            if thing["status"] == "creating":
                status = "error" if kind in self.breaks else "available"
                things[name]["status"] = status
            elif thing["status"] == "deleting":
                del things[name]
        return thing


def _page(found: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    start = int(query.get("offset", 0))
    return found[start : start + int(query.get("limit", len(found)))]
