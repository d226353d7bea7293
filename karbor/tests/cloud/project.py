# SPDX-License-Identifier: Apache-2.0
"""A project of one test, with a user, and what tests make in it."""

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keystoneauth1 import adapter, session
from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from karbor.tests.cloud import inventory
from karbor.tests.cloud.client import CloudKarbor
from karbor.tests.cloud.cloud import Cloud
from karbor.tests.cloud.service import SERVICE_TYPE

_PATIENCE = 180
#: Seconds in which a trust is gone.
_GIVEN_BACK = 30
#: Seconds in which listings show what was deleted no more.
_SETTLED = 60
_GIB = 1024**3
#: Where random bytes are put into a volume: at its begin, its end and in between.
_PIECE = 256 * 1024


class Project:
    """A fresh Keystone project with one member; a context manager that deletes both.

    Its attributes are what a test needs to act as that member.

    :ivar connection: openstacksdk's connection to all services
    :ivar karbor: the real ``karbor`` command
    """

    def __init__(self, cloud: Cloud, karbor_region: str) -> None:
        self.cloud = cloud
        self._admin = cloud.connect("admin", cloud.password, "admin")
        self._karbor_region = karbor_region
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.password = uuid.uuid4().hex
        self.id = self.user_id = ""

    def __enter__(self) -> "Project":
        identity = self._admin.identity
        project = identity.create_project(name=self.name, domain_id="default")
        self.id = project.id
        user = identity.create_user(
            name=self.name, password=self.password, domain_id="default"
        )
        self.user_id = user.id
        for role in ("member", "reader"):
            identity.assign_project_role_to_user(
                project, user, identity.find_role(role, ignore_missing=False)
            )
        self.connection = self.connect()
        self.karbor = self._client()
        return self

    def __exit__(self, *error: object) -> None:
        identity = self._admin.identity
        with contextlib.ExitStack() as stack:
            # From below, each also when another one fails.
            stack.callback(identity.delete_project, self.id)
            stack.callback(identity.delete_user, self.user_id)
            stack.callback(self._delete_security_groups)
            stack.callback(inventory.purge, self.connection)

    def _delete_security_groups(self) -> None:
        """The one that every project has, too."""
        for group in self._admin.network.security_groups(project_id=self.id):
            self._admin.network.delete_security_group(group)

    @property
    def session(self) -> session.Session:
        """The member's keystoneauth session."""
        return self.connection.session

    @property
    def api(self) -> adapter.Adapter:
        """Karbor's REST as the member: ``api.get("/plans")``."""
        return adapter.Adapter(
            self.session, service_type=SERVICE_TYPE, region_name=self._karbor_region
        )

    def connect(self) -> Connection:
        """Another connection of the member, with a token of its own."""
        return self.cloud.connect(self.name, self.password, self.name)

    def listing(self) -> dict[str, set[inventory.Thing]]:
        """All that the project has in every service, to compare before and after.

        An operation that has ended gives its trust back a moment later.
        """
        give_up = time.monotonic() + _GIVEN_BACK
        while True:
            found = inventory.listing(self.connection)
            if "trusts" not in found or time.monotonic() >= give_up:
                return found
            time.sleep(0.3)

    def settled(
        self, is_expected: Callable[[dict[str, set[inventory.Thing]]], bool]
    ) -> dict[str, set[inventory.Thing]]:
        """Its listing as soon as it is as expected, or else the last that was seen.

        For what a service deletes after it has said so.
        """
        give_up = time.monotonic() + _SETTLED
        while True:
            found = self.listing()
            if is_expected(found) or time.monotonic() >= give_up:
                return found
            time.sleep(0.3)

    def purge(self) -> None:
        """Delete all that it has from the cloud."""
        inventory.purge(self.connection)

    # What tests make.

    def image(self, data: bytes, **fields: Any) -> Any:
        """An active image."""
        return self.connection.image.create_image(
            **{
                "name": "image",
                "disk_format": "raw",
                "container_format": "bare",
                "data": data,
                "validate_checksum": False,
                "allow_duplicates": True,
                **fields,
            }
        )

    def image_data(self, image_id: str) -> bytes:
        """All bytes of an image."""
        return self.connection.image.download_image(image_id).content

    def volume(self, **fields: Any) -> Any:
        """An available volume of 1 GiB, with random bytes unless it has a source."""
        volume = self.connection.block_storage.create_volume(
            **{"size": 1, "name": "volume", **fields}
        )
        volume = self.wait_for(
            lambda: self.connection.block_storage.get_volume(volume.id), "available"
        )
        if not any(volume[key] for key in ("snapshot_id", "source_volume_id")):
            self.scribble(volume.id)
        return volume

    def volume_file(self, volume_id: str) -> Path:
        """The file that a volume is: raw, sparse, as large as the volume."""
        return self.cloud.volumes / f"volume-{volume_id}"

    def scribble(self, volume_id: str) -> None:
        """Write random bytes into a volume, whoever has it attached."""
        path = self.volume_file(volume_id)
        size = path.stat().st_size
        with path.open("r+b") as file:
            for offset in (0, size // 3, size - _PIECE):
                file.seek(offset)
                file.write(os.urandom(_PIECE))

    def digest(self, volume_id: str) -> str:
        """Of all bytes of a volume, holes included."""
        with self.volume_file(volume_id).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def network(self, name: str = "network", cidr: str = "10.20.0.0/24") -> Any:
        """A network with one subnet."""
        network = self.connection.network.create_network(name=name)
        self.connection.network.create_subnet(
            name=f"{name}-subnet", network_id=network.id, ip_version=4, cidr=cidr
        )
        return network

    def router(self, network_id: str, name: str = "router") -> Any:
        """A router between a network and the outside."""
        network = self.connection.network
        public = network.find_network("public", ignore_missing=False)
        router = network.create_router(
            name=name, external_gateway_info={"network_id": public.id}
        )
        for subnet in network.subnets(network_id=network_id):
            network.add_interface_to_router(router, subnet=subnet.id)
        return router

    def server(
        self, network_id: str | None = None, *, wait: bool = True, **fields: Any
    ) -> Any:
        """A server from the cloud's image, unless ``fields`` say from what else."""
        compute = self.connection.compute
        if not {"image_id", "block_device_mapping"} & fields.keys():
            image = self.connection.image.find_image("cirros-fake")
            fields["image_id"] = image.id
        server = compute.create_server(
            **{
                "name": "server",
                "flavor_id": compute.find_flavor("m1.tiny").id,
                "networks": [{"uuid": network_id}] if network_id else "none",
                **fields,
            }
        )
        if not wait:
            return server
        return self.wait_for(lambda: compute.get_server(server.id), "ACTIVE")

    def attach(self, server_id: str, volume_id: str, device: str | None = None) -> None:
        """Attach a volume to a server, and wait until it is in use."""
        self.connection.compute.create_volume_attachment(
            server_id, volume=volume_id, **({"device": device} if device else {})
        )
        self.wait_for(
            lambda: self.connection.block_storage.get_volume(volume_id), "in-use"
        )

    @staticmethod
    def wait_for(get: Callable[[], Any], status: str) -> Any:
        """Show something until it has a status, and return it then.

        :raises AssertionError: when it is in error, or does not get there
        """
        give_up = time.monotonic() + _PATIENCE
        while True:
            one = get()
            if one.status == status:
                return one
            assert "error" not in one.status.lower(), one
            assert time.monotonic() < give_up, f"not '{status}': {one}"
            time.sleep(0.3)

    @staticmethod
    def is_gone(get: Callable[[], Any]) -> bool:
        """Whether something is no longer there."""
        with contextlib.suppress(NotFoundException):
            get()
            return False
        return True

    def _client(self) -> CloudKarbor:
        return CloudKarbor(
            *("--os-auth-url", self.cloud.auth_url),
            *("--os-username", self.name, "--os-password", self.password),
            *("--os-user-domain-name", "Default"),
            *("--os-project-name", self.name, "--os-project-domain-name", "Default"),
            *("--os-region-name", self._karbor_region),
        )
