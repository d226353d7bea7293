# SPDX-License-Identifier: Apache-2.0
"""Karbor in a cloud: its records, its configuration, an API and two daemons."""

import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from openstack.exceptions import ConflictException

from karbor.tests.cloud.cloud import Cloud
from karbor.tests.cloud.providers import write_providers
from karbor.tests.rabbit.daemon import Daemon, wait_until
from karbor.tests.servers.server import LOOPBACK, free_port

#: ``service`` is what Karbor needs. ``admin`` lets it ask for the floating addresses
#: that servers had, and use the account in Swift that the banks are in.
ROLES = ("service", "admin")

#: How often it is tried to empty a container, whose listing may be late.
_EMPTYINGS = 10

#: Under which the real client looks for Karbor.
SERVICE_TYPE = "data-protect"

_PATIENCE = 240

_CREDENTIALS = """\
auth_type = password
auth_url = {cloud.auth_url}
username = {user}
password = {cloud.password}
user_domain_name = Default
project_name = service
project_domain_name = Default
"""


class KarborService:
    """``karbor-api`` and two ``karbor-protection`` on the cloud's RabbitMQ.

    :param folder: empty; for its files and logs
    :param cloud: where it is registered and works
    :param database_url: of an empty database
    :param region: under which Keystone names its endpoint; when it is not the cloud's,
        others use the cloud too, and nothing of this is left in it
    :cvar user: that it works as, in the project ``service``
    :cvar roles: that this user has there
    """

    user = "karbor"
    roles = ROLES

    def __init__(
        self, folder: Path, cloud: Cloud, database_url: str, region: str
    ) -> None:
        self.folder = folder
        self.cloud = cloud
        self.region = region
        self._database_url = database_url
        self._topic = f"karbor-protection-{uuid.uuid4().hex[:8]}"
        self._port = free_port()
        self._api: subprocess.Popen[bytes] | None = None
        self._admin = cloud.connect("admin", cloud.password, "admin")
        self._container = f"karbor-{uuid.uuid4().hex[:12]}"
        write_providers(
            folder / "providers.d", folder / "banks", self._container, cloud
        )
        self.daemons = [
            Daemon(self, host, self.config(host)) for host in ("host-1", "host-2")
        ]

    @property
    def log(self) -> str:
        """What both daemons have logged, the one after the other."""
        return "".join(daemon.log for daemon in self.daemons)

    def start(self) -> None:
        """Register it in Keystone, make its tables, start its processes."""
        self._register_user()
        self._register_endpoint()
        subprocess.run(
            [_program("karbor-manage"), *self.config("manage"), "db", "sync"],
            check=True,
        )
        self.start_api()
        for daemon in self.daemons:
            daemon.launch()
        for daemon in self.daemons:
            wait_until(
                lambda daemon=daemon: _serves(daemon), "a daemon that serves", _PATIENCE
            )

    def stop(self) -> None:
        """End its processes, and take what it has in the cloud away."""
        for daemon in self.daemons:
            daemon.kill()
        self.stop_api()
        identity = self._admin.identity
        for endpoint in identity.endpoints(region_id=self.region):
            if endpoint.url.startswith(self._url):
                identity.delete_endpoint(endpoint)
        if self.region != self.cloud.region:
            if identity.find_region(self.region) is not None:
                identity.delete_region(self.region)
            self._delete_containers()

    def start_api(self) -> None:
        """Start ``karbor-api``, and wait until it listens."""
        with open(self.folder / "api.log", "ab") as log:
            self._api = subprocess.Popen(
                [_program("karbor-api"), *self.config("api")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._listens, "karbor-api that listens", _PATIENCE)

    def stop_api(self) -> None:
        """End ``karbor-api``, if it runs."""
        if self._api is not None:
            self._api.kill()
            self._api.wait()
            self._api = None

    def environment(self) -> dict[str, str]:
        """Of its processes."""
        return dict(os.environ)

    def config(self, host: str, **more: Any) -> list[str]:
        """The arguments that name the configuration of one of its processes."""
        options = {
            "host": host,
            "debug": True,
            "use_stderr": True,
            "state_path": self.folder / "state" / host,
            "transport_url": self.cloud.transport_url,
            # Not that of the cloud's services, whose queues are not durable.
            "control_exchange": "karbor",
            "protection_topic": self._topic,
            "osapi_karbor_listen_port": self._port,
            "report_interval": 2,
            "zombie_sweep_interval": 2,
            **more,
        }
        credentials = _CREDENTIALS.format(cloud=self.cloud, user=self.user)
        path = self.folder / f"{host}.conf"
        path.write_text(
            "[DEFAULT]\n"
            + "".join(f"{name} = {value}\n" for name, value in options.items())
            + f"[database]\nconnection = {self._database_url}\n"
            + f"[keystone_authtoken]\n{credentials}"
            + f"[service_auth]\n{credentials}"
            # What is sent while a daemon connects again then waits for it.
            + "[oslo_messaging_rabbit]\namqp_durable_queues = True\n"
            + "rabbit_retry_interval = 1\n"
            + "kombu_reconnect_delay = 0.2\nrabbit_interval_max = 1\n"
        )
        path.chmod(0o600)
        return ["--config-file", str(path)]

    @property
    def _url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}/v1/"

    def _listens(self) -> bool:
        assert self._api is not None
        assert self._api.poll() is None, (self.folder / "api.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self._port)) == 0

    def _register_user(self) -> None:
        """The user that Karbor works as, unless the cloud has it."""
        identity = self._admin.identity
        project = identity.find_project("service", ignore_missing=False)
        user = identity.find_user(self.user) or identity.create_user(
            name=self.user, password=self.cloud.password, domain_id="default"
        )
        for name in self.roles:
            role = identity.find_role(name, ignore_missing=False)
            identity.assign_project_role_to_user(project, user, role)

    def _delete_containers(self) -> None:
        """Those of its banks."""
        store = self.cloud.connect(
            self.user, self.cloud.password, "service"
        ).object_store
        for found in list(store.containers(prefix=self._container)):
            for attempt in range(_EMPTYINGS):
                # One that is deleted or has expired may be listed still.
                for one in store.objects(found.name):
                    store.delete_object(one.name, container=found.name)
                try:
                    store.delete_container(found.name)
                except ConflictException:
                    if attempt == _EMPTYINGS - 1:
                        raise
                    time.sleep(1)
                else:
                    break

    def _register_endpoint(self) -> None:
        """Name the API in the catalogue, in place of what the region named before."""
        identity = self._admin.identity
        service = next(
            iter(identity.services(type=SERVICE_TYPE)), None
        ) or identity.create_service(name="karbor", type=SERVICE_TYPE)
        if identity.find_region(self.region) is None:
            identity.create_region(id=self.region)
        for endpoint in identity.endpoints(
            service_id=service.id, region_id=self.region
        ):
            identity.delete_endpoint(endpoint)
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(
                service_id=service.id,
                region_id=self.region,
                interface=interface,
                url=f"{self._url}%(project_id)s",
            )


def _serves(daemon: Daemon) -> bool:
    assert daemon.process is not None
    assert daemon.process.poll() is None, f"the daemon ended:\n{daemon.log}"
    return "serves" in daemon.log


def _program(name: str) -> str:
    """An executable of the environment that runs the tests."""
    return str(Path(sys.executable).parent / name)
