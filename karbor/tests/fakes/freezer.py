# SPDX-License-Identifier: Apache-2.0
"""A small Freezer over real HTTP, whose agent works on the small cloud beside it."""

import uuid
from typing import Any

from oslo_config import cfg

from karbor.services.protection.clients import freezer as freezer_client
from karbor.services.protection.clients import swift as swift_client
from karbor.tests.fakes.block_storage import BlockStorageServer
from karbor.tests.fakes.compute import ComputeServer
from karbor.tests.fakes.image_store import ImageServer
from karbor.tests.fakes.json_service import JsonService, NotFound, Refused

#: When each backup was made.
TIMESTAMP = 1796069978


class RenamingComputeServer(ComputeServer):
    """A Nova whose servers can be renamed."""

    def put_servers(
        self, rest: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if "server" not in body:
            return super().put_servers(rest, query, body)
        self.servers[rest[0]].update(body["server"])
        return 200, {"server": self.servers[rest[0]]}


class ObjectStoreServer(JsonService):
    """A Swift that lists and deletes objects; others put them in.

    :ivar objects: sizes by container and name
    """

    root = "/v1/account"

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, int]] = {}

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Swift's endpoint."""
        swift_client.OPTIONS.register(conf)
        conf.set_override("swift_endpoint", self.url, "swift_client")
        conf.set_override("swift_retry_attempts", 0, "swift_client")

    def __getattr__(self, name: str) -> Any:
        method, _underscore, container = name.partition("_")
        if method not in ("get", "delete"):
            raise AttributeError(name)
        return lambda path, query, body: getattr(self, f"on_{method}")(
            container.replace("_", "-"), "/".join(path), query
        )

    def on_get(self, container: str, path: str, query: dict[str, str]) -> Any:
        """A page of two."""
        if container not in self.objects:
            raise NotFound(container)
        found = [
            {"name": name, "bytes": size}
            for name, size in sorted(self.objects[container].items())
            if name.startswith(query.get("prefix", ""))
            and name > query.get("marker", "")
        ]
        return 200, found[:2]

    def on_delete(self, container: str, path: str, query: dict[str, str]) -> Any:
        if self.objects.get(container, {}).pop(path, None) is None:
            raise NotFound(path)
        return 204, None


class FreezerServer(JsonService):
    """Its scheduler takes a job when it is shown once, and ends it at the next time.

    :ivar done: every action that the agent has done
    :ivar schedulers: the client ids that are registered
    :ivar is_idle: whether no scheduler runs
    :ivar breaks: actions that fail, having left what they make on the way
    :ivar loses: whether its data goes where nobody sees it
    """

    def __init__(self) -> None:
        super().__init__()
        self.images = ImageServer()
        self.cinder = BlockStorageServer(self.images)
        self.swift = ObjectStoreServer()
        self.nova: RenamingComputeServer
        self.jobs: dict[str, dict[str, Any]] = {}
        self.actions: set[str] = set()
        self.done: list[dict[str, Any]] = []
        self.schedulers = ["scheduler-1", "scheduler-2"]
        self.is_idle = False
        self.breaks: set[str] = set()
        self.loses = False
        self._backups: dict[tuple[str, str], bytes] = {}

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Freezer's endpoint, and the others'."""
        freezer_client.OPTIONS.register(conf)
        conf.set_override("freezer_endpoint", self.url, "freezer_client")
        for service in (self.images, self.cinder, self.swift, self.nova):
            service.configure(conf)

    def _parts(self, path: str) -> list[str]:
        # Below the version and the project.
        return super()._parts(path)[2:]

    # Requests.

    def get_clients(self, path: list[str], query: dict, body: Any) -> Any:
        found = [{"client": {"client_id": name}} for name in self.schedulers]
        return 200, {"clients": found}

    def get_jobs(self, path: list[str], query: dict, body: Any) -> Any:
        if path and path[0]:
            return 200, self._look(path[0])
        start = int(query["offset"])
        ids = sorted(self.jobs)[start : start + int(query["limit"])]
        return 200, {"jobs": [self._look(job_id) for job_id in ids]}

    def post_jobs(self, path: list[str], query: dict, body: Any) -> Any:
        if path[1:] == ["event"]:
            schedule = self._find(path[0])["job_schedule"]
            schedule["event"] = next(iter(body))
            if "start" in body:
                schedule.update(status="", result="")
            return 202, {"result": "success"}
        if body["client_id"] not in self.schedulers:
            raise Refused(400, f"no client {body['client_id']}")
        job_id = uuid.uuid4().hex
        for action in body["job_actions"]:
            action["action_id"] = uuid.uuid4().hex
            self.actions.add(action["action_id"])
        self.jobs[job_id] = {**body, "job_id": job_id, "job_schedule": {}}
        return 201, {"job_id": job_id}

    def delete_jobs(self, path: list[str], query: dict, body: Any) -> Any:
        self._find(path[0])
        del self.jobs[path[0]]
        return 204, None

    def delete_actions(self, path: list[str], query: dict, body: Any) -> Any:
        if path[0] not in self.actions:
            raise NotFound(path[0])
        self.actions.remove(path[0])
        return 204, None

    # The scheduler and its agent.

    def _find(self, job_id: str) -> dict[str, Any]:
        if job_id not in self.jobs:
            raise NotFound(job_id)
        return self.jobs[job_id]

    def _look(self, job_id: str) -> dict[str, Any]:
        """Show a job, and go on with it afterwards."""
        job = self._find(job_id)
        shown = {**job, "job_schedule": dict(job["job_schedule"])}
        schedule = job["job_schedule"]
        if schedule.get("status") == "running":
            results = [self._act(one["freezer_action"]) for one in job["job_actions"]]
            schedule.update(
                status="completed", result="success" if all(results) else "fail"
            )
        elif schedule.get("event") == "start" and not self.is_idle:
            schedule.update(status="running", event="")
        return shown

    def _act(self, action: dict[str, Any]) -> bool:
        self.done.append(action)
        mode = "volume" if action["mode"] == "cinder" else "server"
        act = getattr(self, f"_{action['action']}_{mode}", self._admin)
        act(action, action["action"] in self.breaks)
        return action["action"] not in self.breaks

    def _backup_volume(self, action: dict[str, Any], is_broken: bool) -> None:
        volume_id = action["cinder_vol_id"]
        name = f"{action['temp_resource_prefix']}backup_{volume_id}"
        if is_broken:
            self.cinder.add_volume(b"", name=name)
            self.images.make(name=name, owner="project")
            self.cinder.add_snapshot(volume_id, name=f"snapshot for {name}")
        self._put(action, f"{volume_id}/data", self.cinder.data[volume_id])

    def _restore_volume(self, action: dict[str, Any], is_broken: bool) -> None:
        data = self._get(action, f"{action['cinder_vol_id']}/data")
        name = f"{action['backup_name']}~{TIMESTAMP}"
        self.cinder.add_volume(data, name=name, metadata={}, bootable="true")

    def _backup_server(self, action: dict[str, Any], is_broken: bool) -> None:
        server = self.nova.servers[action["nova_inst_id"]]
        self._put(action, self._folder(action), server["name"].encode())

    def _restore_server(self, action: dict[str, Any], is_broken: bool) -> None:
        name = self._get(action, self._folder(action)).decode()
        image = self.images.make(
            name=f"{action['temp_resource_prefix']}restore_{name}", owner="project"
        )
        server_id = self.nova.add(
            name=f"{name}~{TIMESTAMP}", image={"id": image["id"]}, status="BUILD"
        )
        self.nova.begin(server_id, "spawning", "ACTIVE")

    def _admin(self, action: dict[str, Any], is_broken: bool) -> None:
        container, _slash, folder = action["container"].partition("/")
        objects = self.swift.objects.setdefault(container, {})
        for name in [one for one in objects if one.startswith(folder)]:
            del objects[name]

    @staticmethod
    def _folder(action: dict[str, Any]) -> str:
        return f"{action['hostname']}_{action['backup_name']}/{action['nova_inst_id']}"

    def _put(self, action: dict[str, Any], name: str, data: bytes) -> None:
        container, _slash, folder = action["container"].partition("/")
        objects = self.swift.objects.setdefault(container, {})
        for part in range(0 if self.loses else 3):
            objects[f"{folder}/{name}/{part}"] = len(data)
        self._backups[action["container"], name] = data

    def _get(self, action: dict[str, Any], name: str) -> bytes:
        return self._backups[action["container"], name]
