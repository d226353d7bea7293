# SPDX-License-Identifier: Apache-2.0
"""A small Cinder over real HTTP: volumes with data, snapshots, backups."""

import itertools
import urllib.parse
import uuid
from typing import Any

from oslo_config import cfg

from karbor.services.protection.clients import cinder as cinder_client
from karbor.tests.fakes.image_store import ImageServer
from karbor.tests.fakes.json_service import JsonService, NotFound, Refused

_VOLUME = {
    "size": 1,
    "status": "available",
    "description": None,
    "volume_type": "fast",
    "availability_zone": "nova",
    "bootable": "false",
    "encrypted": False,
    "multiattach": False,
    "metadata": {},
}

Fields = dict[str, Any]


class BlockStorageServer(JsonService):
    """Goes on with a thing each time that it is shown, and is ready at the second.

    :ivar things: by kind (``volumes``, ``snapshots``, ``backups``) and id
    :ivar data: of each thing, by its id
    :ivar images: the Glance that it uploads to
    :ivar breaks: kinds whose making ends in ``error``; ``uploads`` and ``deletions``
    :ivar stuck: kinds whose making never ends
    :ivar is_cloning: whether a snapshot cannot go before a volume made from it
    :ivar messages: of the service to its user, by the id of the thing
    """

    root = "/v3"

    def __init__(self, images: ImageServer) -> None:
        super().__init__()
        self.things: dict[str, dict[str, Fields]] = {
            "volumes": {},
            "snapshots": {},
            "backups": {},
        }
        self.data: dict[str, bytes] = {}
        self.images = images
        self.breaks: set[str] = set()
        self.stuck: set[str] = set()
        self.is_cloning = False
        self.messages: dict[str, str] = {}
        self.types = ["fast", "slow"]
        self.zones = ["nova"]
        self._clock = itertools.count(1)

    def configure(self, conf: cfg.ConfigOpts) -> None:
        """Make a configuration name this Cinder's endpoint."""
        cinder_client.OPTIONS.register(conf)
        conf.set_override("cinder_endpoint", self.url, "cinder_client")
        conf.set_override("retries", 0, "cinder_client")

    def add_volume(self, data: bytes, **fields: Any) -> str:
        """A volume; gives its id."""
        return str(self._make("volumes", data, **{**_VOLUME, **fields})["id"])

    def add_snapshot(self, volume_id: str, **fields: Any) -> str:
        """A snapshot; gives its id."""
        fields = {"status": "available", "size": 1, "volume_id": volume_id, **fields}
        return str(self._make("snapshots", self.data[volume_id], **fields)["id"])

    def listing(self) -> set[tuple[str, str, str | None]]:
        """Everything there is, in Glance too."""
        return {
            (kind, thing["id"], thing["name"])
            for kind, things in {**self.things, "images": self.images.images}.items()
            for thing in things.values()
        }

    def drop_volume(self, volume_id: str) -> None:
        """As an administrator may, whatever is made of it."""
        del self.things["volumes"][volume_id], self.data[volume_id]

    # Requests.

    def get_volumes(self, path: list[str], query: Fields, body: Any) -> Any:
        return self._get("volumes", "volume", path, query)

    def get_snapshots(self, path: list[str], query: Fields, body: Any) -> Any:
        return self._get("snapshots", "snapshot", path, query)

    def get_backups(self, path: list[str], query: Fields, body: Any) -> Any:
        return self._get("backups", "backup", path, query)

    def get_types(self, path: list[str], query: Fields, body: Any) -> Any:
        return 200, {"volume_types": [{"id": n, "name": n} for n in self.types]}

    def get_os_availability_zone(
        self, path: list[str], query: Fields, body: Any
    ) -> Any:
        zones = [{"zoneName": n, "zoneState": {"available": True}} for n in self.zones]
        return 200, {"availabilityZoneInfo": zones}

    def get_messages(self, path: list[str], query: Fields, body: Any) -> Any:
        text = self.messages.get(query["resource_uuid"])
        found = {"id": "m", "created_at": "2026-01-01", "user_message": text}
        return 200, {"messages": [found] if text else []}

    def post_volumes(self, path: list[str], query: Fields, body: Any) -> Any:
        if path[1:] == ["action"]:
            ((action, said),) = body.items()
            name = action.removeprefix("os-").replace("-", "_")
            return getattr(self, f"_{name}")(self._find("volumes", path[0]), said)
        asked = {key: value for key, value in body["volume"].items() if value}
        fields = {**_VOLUME, **asked, "status": "creating"}
        if fields["volume_type"] not in self.types:
            raise Refused(404, f"Volume type {fields['volume_type']} not found.")
        made = self._make("volumes", self._source(fields), **fields)
        return 202, {"volume": made}

    def put_volumes(self, path: list[str], query: Fields, body: Any) -> Any:
        volume = self._find("volumes", path[0])
        if path[1:] == ["metadata"]:
            volume["metadata"] = body["metadata"]
            return 200, body
        volume.update(body["volume"])
        return 200, {"volume": volume}

    def post_snapshots(self, path: list[str], query: Fields, body: Any) -> Any:
        asked = body["snapshot"]
        volume = self._find("volumes", asked["volume_id"])
        allowed = ("available", "in-use") if asked["force"] else ("available",)
        if volume["status"] not in allowed:
            raise Refused(400, f"the volume is {volume['status']}")
        made = self._make(
            "snapshots",
            self.data[volume["id"]],
            **{**asked, "size": volume["size"], "status": "creating"},
        )
        return 202, {"snapshot": made}

    def post_backups(self, path: list[str], query: Fields, body: Any) -> Any:
        if path[1:] == ["restore"]:
            return self._restore(path[0], body["restore"])
        asked = body["backup"]
        volume = self._find("volumes", asked["volume_id"])
        data, timestamp = self.data[volume["id"]], self._now()
        if asked.get("snapshot_id"):
            snapshot = self._find("snapshots", asked["snapshot_id"])
            data, timestamp = self.data[snapshot["id"]], snapshot["created_at"]
        elif volume["status"] == "in-use" and not asked["force"]:
            raise Refused(400, "Backing up an in-use volume must use the force flag.")
        base = self._base(volume, timestamp) if asked["incremental"] else None
        is_larger = base is not None and volume["size"] > base["size"]
        if base is not None and not is_larger:
            base["has_dependent_backups"] = True
        made = self._make(
            "backups",
            data,
            **{
                "metadata": {},
                "availability_zone": None,
                **asked,
                "container": asked.get("container") or "volumebackups",
                "is_incremental": asked["incremental"],
                "has_dependent_backups": False,
                "of_volume": dict(volume["metadata"]),
                "data_timestamp": timestamp,
                "size": volume["size"],
                "status": "error" if is_larger else "creating",
                "fail_reason": "Volume size increased. Do a full backup."
                if is_larger
                else None,
                "base": base and base["id"],
            },
        )
        return 202, {"backup": {"id": made["id"], "name": made["name"]}}

    def delete_volumes(self, path: list[str], query: Fields, body: Any) -> Any:
        snapshots = self.things["snapshots"].values()
        if any(one["volume_id"] == path[0] for one in snapshots):
            raise Refused(400, "Volume still has dependent snapshots.")
        return self._delete("volumes", path[0])

    def delete_snapshots(self, path: list[str], query: Fields, body: Any) -> Any:
        volumes = self.things["volumes"].values()
        if self.is_cloning and any(
            one.get("snapshot_id") == path[0] for one in volumes
        ):
            self.messages[path[0]] = "Snapshot is busy."
            return 202, None
        return self._delete("snapshots", path[0])

    def delete_backups(self, path: list[str], query: Fields, body: Any) -> Any:
        backup = self._find("backups", path[0])
        if backup["has_dependent_backups"]:
            raise Refused(400, "Incremental backups exist for this backup.")
        if backup["base"] in self.things["backups"]:
            self.things["backups"][backup["base"]]["has_dependent_backups"] = False
        return self._delete("backups", path[0])

    # Actions on volumes.

    def _volume_upload_image(self, volume: Fields, said: Fields) -> Any:
        image = self.images.make(
            name=said["image_name"],
            disk_format=said["disk_format"],
            container_format=said["container_format"],
            visibility=said["visibility"],
        )
        volume["status"] = "uploading"
        volume["upload"] = image["id"]
        return 202, {"os-volume_upload_image": {"image_id": image["id"]}}

    def _set_image_metadata(self, volume: Fields, said: Fields) -> Any:
        volume.setdefault("volume_image_metadata", {}).update(said["metadata"])
        return 200, {"metadata": volume["volume_image_metadata"]}

    def _unset_image_metadata(self, volume: Fields, said: Fields) -> Any:
        del volume["volume_image_metadata"][said["key"]]
        return 200, None

    def _set_bootable(self, volume: Fields, said: Fields) -> Any:
        volume["bootable"] = str(said["bootable"]).lower()
        return 200, None

    def _update_readonly_flag(self, volume: Fields, said: Fields) -> Any:
        volume["metadata"] = {**volume["metadata"], "readonly": str(said["readonly"])}
        return 202, None

    # What happens behind the API.

    def _restore(self, backup_id: str, said: Fields) -> Any:
        volume = self._find("volumes", said["volume_id"])
        backup = self._find("backups", backup_id)
        volume.update(status="restoring-backup", metadata=backup["of_volume"])
        self.data[volume["id"]] = self.data[backup["id"]]
        return 202, {"restore": {"backup_id": backup_id, "volume_id": volume["id"]}}

    def _base(self, volume: Fields, timestamp: str) -> Fields:
        """What an incremental backup of data of a moment builds on."""
        found = [
            one
            for one in self.things["backups"].values()
            if one["volume_id"] == volume["id"] and one["data_timestamp"] < timestamp
        ]
        if not found:
            raise Refused(400, "No backups available to do an incremental backup.")
        return max(found, key=lambda one: one["data_timestamp"])

    def _source(self, fields: Fields) -> bytes:
        if "imageRef" in fields:
            image = self.images.images[fields["imageRef"]]
            fields["bootable"] = "true"
            fields["volume_image_metadata"] = {"image_id": image["id"]}
            return self.images.data[image["id"]]
        kind = "snapshots" if "snapshot_id" in fields else "backups"
        source = self._find(kind, fields.get("snapshot_id") or fields["backup_id"])
        if kind == "backups":
            # Cinder puts the metadata back that a backup has.
            fields["metadata"] = {**source["of_volume"], **fields["metadata"]}
        return self.data[source["id"]]

    def _make(self, kind: str, data: bytes, **fields: Any) -> Fields:
        thing_id = str(uuid.uuid4())
        self.things[kind][thing_id] = {
            "name": None,
            "description": None,
            **fields,
            "id": thing_id,
            "created_at": self._now(),
        }
        self.data[thing_id] = data
        return self.things[kind][thing_id]

    def _now(self) -> str:
        return f"2026-01-01T00:{next(self._clock):06}"

    def _get(self, kind: str, one: str, path: list[str], query: Fields) -> Any:
        if path != ["detail"]:
            return 200, {one: self._look(kind, self._find(kind, path[0]))}
        found = [
            thing
            for thing in list(self.things[kind].values())
            if all(thing.get(name) == value for name, value in query.items())
        ]
        shown = [self._look(kind, thing) for thing in found]
        return 200, {kind: shown}

    def _look(self, kind: str, thing: Fields) -> Fields:
        """Show a thing as it is, and go on with it."""
        shown = dict(thing)
        if kind in self.stuck and thing["status"] == "creating":
            return shown
        if thing["status"] == "deleting":
            if "deletions" in self.breaks:
                thing["status"] = "error_deleting"
            else:
                del self.things[kind][thing["id"]], self.data[thing["id"]]
        elif thing["status"] in ("creating", "restoring-backup"):
            thing["status"] = "error" if kind in self.breaks else "available"
        elif thing["status"] == "uploading":
            self._end_upload(thing)
        return shown

    def _end_upload(self, volume: Fields) -> None:
        image_id = volume.pop("upload")
        data = self.data[volume["id"]]
        volume["status"] = "available"
        if image_id not in self.images.images:
            return
        if "uploads" in self.breaks or len(data) > self.images.room:
            del self.images.images[image_id]
            self.messages[volume["id"]] = "Failed to upload volume to image."
            return
        self.images.fill(image_id, data)

    def _delete(self, kind: str, thing_id: str) -> Any:
        thing = self._find(kind, thing_id)
        if thing["status"] not in ("available", "error"):
            raise Refused(400, f"{kind} {thing_id} is {thing['status']}")
        thing["status"] = "deleting"
        return 202, None

    def _find(self, kind: str, thing_id: str) -> Fields:
        found = self.things[kind].get(thing_id)
        if found is None:
            raise NotFound(f"{kind} {thing_id}")
        return found

    def _parts(self, path: str) -> list[str]:
        parts = urllib.parse.urlsplit(path).path.removeprefix(self.root).strip("/")
        _project, *below = parts.split("/")
        return [urllib.parse.unquote(part) for part in below]
