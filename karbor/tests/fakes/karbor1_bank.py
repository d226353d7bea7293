# SPDX-License-Identifier: Apache-2.0
"""A filesystem bank as the retired Karbor 1.x left it, written file by file.

Its bank plugin wrote a ``str`` as it is and anything else as JSON. ``bytes`` are a
``str`` under Python 2, and became text in JSON under Python 3.
"""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

PROVIDER_ID = "cf56bd3e-97a7-4078-b6d5-f36246333fd9"
PROJECT_ID = "446a04d8-6ff5-4e0e-99a4-827a6389e9ff"
OWNER_ID = "0d9a7ac2-2bd5-41b1-a0b6-3b3f7e5a3f36"


@dataclasses.dataclass
class Karbor1Bank:
    """Writes what Karbor 1.x would have written.

    :param root: the folder of the container
    :param python: the version that it ran under, 2 or 3
    """

    root: pathlib.Path
    python: int = 3

    def write(self, key: str, value: Any) -> None:
        """One object, as ``update_object`` of 1.x."""
        if isinstance(value, bytes):
            content = value if self.python == 2 else json.dumps(value.decode()).encode()
        elif isinstance(value, str):
            content = value.encode()
        else:
            content = json.dumps(value).encode()
        path = self.root / key.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def checkpoint(
        self,
        checkpoint_id: str,
        *,
        timestamp: float = 1511413987,
        created_at: str = "2017-11-23",
        status: str = "available",
        plan_id: str = "plan-1",
        images: tuple[str, ...] = (),
        project_id: str = PROJECT_ID,
    ) -> None:
        """``index.json`` and, unless it was deleted, the listing entries."""
        nodes = {
            hex(number): ["OS::Glance::Image", image, f"image-{number}", None]
            for number, image in enumerate(images)
        }
        top = hex(len(nodes))
        project = ["OS::Keystone::Project", project_id, "demo", None]
        adjacency = [[top, list(nodes)]] if nodes else []
        self.write(
            f"/checkpoints/{checkpoint_id}/index.json",
            {
                "version": "0.9",
                "id": checkpoint_id,
                "status": status,
                "owner_id": OWNER_ID,
                "provider_id": PROVIDER_ID,
                "project_id": project_id,
                "protection_plan": {
                    "id": plan_id,
                    "name": "nightly",
                    "provider_id": PROVIDER_ID,
                    "resources": [
                        {"id": image, "type": "OS::Glance::Image", "name": "i"}
                        for image in images
                    ],
                },
                "extra_info": '{"created_by": "manual"}',
                "created_at": created_at,
                "timestamp": timestamp,
                "resource_graph": json.dumps([{**nodes, top: project}, adjacency]),
            },
        )
        if status == "deleted":
            return
        tail = f"{timestamp}@{checkpoint_id}"
        for key in (
            f"by-provider/{PROVIDER_ID}/{project_id}/{tail}",
            f"by-date/{created_at}/{project_id}/{tail}",
            f"by-plan/{plan_id}/{project_id}/{created_at}/{tail}",
        ):
            self.write(f"/indices/{key}", checkpoint_id)

    def image(
        self, checkpoint_id: str, image_id: str, data: bytes, object_size: int = 65536
    ) -> None:
        """What its image plugin kept of an image."""
        base = f"/checkpoints/{checkpoint_id}/resource-data/{image_id}"
        pieces = [
            data[start : start + object_size]
            for start in range(0, len(data), object_size)
        ]
        if self.python == 3 and len(data) % object_size == 0:
            # The empty rest of the data was an object, too.
            pieces.append(b"")
        for number, piece in enumerate(pieces, 1):
            self.write(f"{base}/data_{number}", piece)
        self.write(
            f"{base}/metadata",
            {
                "resource_id": image_id,
                "image_metadata": {
                    "disk_format": "raw",
                    "container_format": "bare",
                    "checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                },
                "chunks_num": len(pieces),
            },
        )
        self.write(f"{base}/status", "available")
