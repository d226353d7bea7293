# SPDX-License-Identifier: Apache-2.0
"""A small Nova over real HTTP: servers with volumes, which it builds and pauses."""

import copy
import uuid
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from karbor.services.protection.clients import nova as nova_client
from karbor.tests.fakes.json_service import JsonService, NotFound, Refused

if TYPE_CHECKING:
    from karbor.tests.fakes.neutron_ports import PortsServer

FLAVOR = {
    "id": "flavor-1",
    "name": "m1.tiny",
    "vcpus": 1,
    "ram": 64,
    "disk": 1,
    "OS-FLV-EXT-DATA:ephemeral": 0,
    "swap": "",
}
_TASK = "OS-EXT-STS:task_state"

#: For an action the status that allows it, what goes on, and the status after it.
_ACTIONS = {
    "pause": ("ACTIVE", "pausing", "PAUSED"),
    "unpause": ("PAUSED", "unpausing", "ACTIVE"),
    "suspend": ("ACTIVE", "suspending", "SUSPENDED"),
    "resume": ("SUSPENDED", "resuming", "ACTIVE"),
}


class ComputeServer(JsonService):
    """What goes on with a server is over when it has been shown ``delay`` times.

    :ivar acted: the actions, in order
    :ivar breaks: actions after which the server is as before; ``build``: in ERROR
    :ivar keeps_deleted: whether a deleted server is there until it is forced away
    :ivar unlisted: servers of another project, which an administrator may see
    :ivar names_devices: as libvirt does, whatever was asked for
    """

    def __init__(self, neutron: "PortsServer") -> None:
        super().__init__()
        self.root = f"/v2.1/{neutron.project_id}"
        self._neutron = neutron
        self.servers: dict[str, dict[str, Any]] = {}
        self.attached: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[dict[str, Any]] = []
        self.acted: list[str] = []
        self.flavors = [dict(FLAVOR)]
        self.keypairs = {"key"}
        self.groups = {"group-1"}
        self.zones = ["nova", "east"]
        self.breaks: set[str] = set()
        self.keeps_deleted = False
        self.unlisted: set[str] = set()
        self.names_devices = False
        self.delay = 1
        self._goes_on: dict[str, tuple[int, str]] = {}

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Nova's endpoint."""
        nova_client.OPTIONS.register(conf)
        conf.set_override("nova_endpoint", self._web.url + "/v2.1", "nova_client")

    def add(self, **fields: Any) -> str:
        """A server that runs; gives its id."""
        server_id = str(uuid.uuid4())
        self.servers[server_id] = {
            "id": server_id,
            "name": "web",
            "status": "ACTIVE",
            "tenant_id": "project",
            _TASK: None,
            "image": "",
            "flavor": {
                "original_name": "m1.tiny",
                "vcpus": 1,
                "ram": 64,
                "disk": 1,
                "ephemeral": 0,
                "swap": 0,
                "extra_specs": {"hw:cpu_policy": "shared"},
            },
            "metadata": {},
            "tags": [],
            "description": None,
            "addresses": {},
            "locked": False,
            "config_drive": "",
            "key_name": None,
            "server_groups": [],
            "OS-EXT-AZ:availability_zone": "nova",
            "OS-EXT-SRV-ATTR:hostname": "web",
            **fields,
        }
        self.attached[server_id] = []
        return server_id

    def attach(self, server_id: str, volume_id: str, device: str, ends: bool) -> None:
        """Attach a volume.

        :param ends: whether it is deleted with the server
        """
        self.attached[server_id].append(
            {
                "volumeId": volume_id,
                "serverId": server_id,
                "device": device,
                "tag": None,
                "delete_on_termination": ends,
            }
        )

    def begin(self, server_id: str, task: str, status: str) -> None:
        """Let something go on with a server."""
        self.servers[server_id][_TASK] = task
        self._goes_on[server_id] = (self.delay, status)

    def get_servers(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if rest == ["detail"]:
            project_id = query.get("project_id")
            listed = [
                name
                for name, server in self.servers.items()
                if (
                    server["tenant_id"] == project_id
                    if project_id
                    else name not in self.unlisted
                )
            ]
            ids = [] if "marker" in query else listed
            return 200, {"servers": [self._show(server_id) for server_id in ids]}
        server_id, *more = rest
        if server_id not in self.servers:
            raise NotFound(f"Instance {server_id}")
        if more:
            return 200, {"volumeAttachments": self.attached[server_id]}
        return 200, {"server": self._show(server_id)}

    def post_servers(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if rest:
            return self._act(rest[0], next(iter(body)))
        asked = body["server"]
        self.asked.append(copy.deepcopy(body))
        server_id = self.add(
            name=asked["name"],
            metadata=asked.get("metadata", {}),
            tags=asked.get("tags", []),
            key_name=asked.get("key_name"),
            description=asked.get("description"),
            image={"id": asked["imageRef"]} if asked.get("imageRef") else "",
            server_groups=list(body.get("os:scheduler_hints", {}).values()),
        )
        for index, disk in enumerate(asked["block_device_mapping_v2"]):
            if disk["source_type"] == "volume":
                device = "" if self.names_devices else disk.get("device_name", "")
                device = device or f"/dev/vd{'abcdef'[index]}"
                self.attach(server_id, disk["uuid"], device, False)
        for one in asked["networks"] if asked["networks"] != "none" else ():
            self._neutron.bind(one["port"], server_id)
        self.servers[server_id]["status"] = "BUILD"
        broken = "build" in self.breaks
        if broken:
            fault = {"code": 500, "message": "No valid host was found."}
            self.servers[server_id]["fault"] = fault
        self.begin(server_id, "spawning", "ERROR" if broken else "ACTIVE")
        return 202, {"server": {"id": server_id}}

    def put_servers(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        server_id, what, volume_id = rest
        if what == "metadata":
            self._check_lock(server_id)
            self.servers[server_id]["metadata"].update(body["meta"])
            return 200, body
        for one in self.attached[server_id]:
            if one["volumeId"] == volume_id:
                one.update(body["volumeAttachment"])
        return 202, None

    def delete_servers(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if rest[0] not in self.servers:
            raise NotFound(f"Instance {rest[0]}")
        if rest[1:2] == ["metadata"]:
            self._check_lock(rest[0])
            if self.servers[rest[0]]["metadata"].pop(rest[2], None) is None:
                raise NotFound(f"Metadata item {rest[2]}")
            return 204, None
        if "delete" in self.breaks:
            raise Refused(409, "it is locked")
        kept = "SOFT_DELETED" if self.keeps_deleted else "DELETED"
        self.begin(rest[0], "deleting", kept)
        return 204, None

    def get_flavors(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        return 200, {"flavors": self.flavors if "marker" not in query else []}

    def get_os_keypairs(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        return self._known(rest[0], self.keypairs)

    def get_os_server_groups(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        return self._known(rest[0], self.groups)

    def get_os_availability_zone(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        zones = [
            {"zoneName": name, "zoneState": {"available": True}} for name in self.zones
        ]
        return 200, {"availabilityZoneInfo": zones}

    def _known(self, name: str, names: set[str]) -> tuple[int, Any]:
        if name not in names:
            raise NotFound(name)
        return 200, {"id": name}

    def _act(self, server_id: str, action: str) -> tuple[int, Any]:
        server = self.servers[server_id]
        if action == "lock":
            server["locked"] = True
            return 202, None
        if action == "forceDelete":
            self.acted.append(action)
            self.begin(server_id, "deleting", "DELETED")
            return 202, None
        self._check_lock(server_id)
        needed, task, status = _ACTIONS[action]
        if server["status"] != needed or server[_TASK]:
            raise Refused(
                409, f"Cannot '{action}' while it is {server['status']}/{server[_TASK]}"
            )
        self.acted.append(action)
        self.begin(
            server_id, task, server["status"] if action in self.breaks else status
        )
        return 202, None

    def _check_lock(self, server_id: str) -> None:
        if self.servers[server_id]["locked"]:
            raise Refused(409, f"Instance {server_id} is locked")

    def _show(self, server_id: str) -> dict[str, Any]:
        shown = copy.deepcopy(self.servers[server_id])
        if server_id in self._goes_on:
            left, status = self._goes_on[server_id]
            if left:
                self._goes_on[server_id] = (left - 1, status)
            else:
                del self._goes_on[server_id]
                self.servers[server_id].update({"status": status, _TASK: None})
                if status == "DELETED":
                    del self.servers[server_id]
                    self._neutron.unbind(server_id)
        return shown
