# SPDX-License-Identifier: Apache-2.0
"""A server with all that one can have, in a small cloud that a test can break.

:class:`ServerTests` has the fixtures of the conformance suite, without its tests.
"""

import dataclasses
from typing import Any

import pytest
from oslo_config import cfg

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.clients import cinder as cinder_client
from karbor.services.protection.protection_plugins.server.nova_protection_plugin import (  # noqa: E501
    NovaProtectionPlugin,
)
from karbor.services.protection.protection_plugins.server.settings import ServerSettings
from karbor.tests.conformance.protection import ProtectionConformance
from karbor.tests.fakes.compute import ComputeServer
from karbor.tests.fakes.json_service import JsonService, NotFound
from karbor.tests.fakes.neutron_ports import PortsServer

NET, EXTERNAL = "net-1", "public"
ROOT, DATA = "volume-root", "volume-data"


class VolumesServer(JsonService):
    """A Cinder that tells of volumes."""

    def __init__(self, project_id: str) -> None:
        super().__init__()
        self.root = f"/v3/{project_id}"
        self.volumes: dict[str, str] = {}

    def configure(self, conf: cfg.ConfigOpts) -> None:
        cinder_client.OPTIONS.register(conf)
        conf.set_override("cinder_endpoint", self._web.url + "/v3", "cinder_client")

    def get_volumes(self, rest: list[str], query: Any, body: Any) -> tuple[int, Any]:
        if rest[0] not in self.volumes:
            raise NotFound(rest[0])
        volume = {"id": rest[0], "status": self.volumes[rest[0]], "multiattach": False}
        return 200, {"volume": volume}


@dataclasses.dataclass
class SmallCloud:
    """Three services, and a server that was booted from a volume."""

    nova: ComputeServer
    neutron: PortsServer
    cinder: VolumesServer
    server_id: str = ""

    def build(self) -> None:
        """Make the server, with two ports of which one has a floating address."""
        neutron = self.neutron
        neutron.add("networks", id=NET, subnets=[f"of-{NET}"])
        neutron.add("networks", id=EXTERNAL, subnets=[], **{"router:external": "True"})
        neutron.add("security_groups", id="web-id", name="web")
        neutron.add("security_groups", id="default-id", name="default")
        self.server_id = self.nova.add(
            metadata={"role": "web"},
            tags=["blue"],
            description="of mine",
            key_name="key",
            config_drive="True",
            server_groups=["group-1"],
            addresses={
                "net": [
                    {
                        "addr": "10.0.0.5",
                        "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:02",
                    },
                    {
                        "addr": "10.0.0.4",
                        "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01",
                    },
                ]
            },
        )
        self.nova.attach(self.server_id, DATA, "/dev/vdc", True)
        self.nova.attach(self.server_id, ROOT, "/dev/vda", False)
        first = neutron.add_port(
            NET,
            "10.0.0.4",
            "fa:16:3e:00:00:01",
            name="second interface",
            device_id=self.server_id,
            security_groups=["default-id"],
        )
        neutron.add_port(
            NET,
            "10.0.0.5",
            "fa:16:3e:00:00:02",
            name="first interface",
            description="the first",
            device_id=self.server_id,
            security_groups=["web-id"],
            allowed_address_pairs=[
                {"ip_address": "10.0.0.99", "mac_address": "fa:16:3e:00:00:02"}
            ],
        )
        neutron.add(
            "floatingips",
            floating_ip_address="172.24.4.7",
            floating_network_id=EXTERNAL,
            fixed_ip_address="10.0.0.4",
            port_id=first,
            description="front door",
        )
        self.cinder.volumes = {ROOT: "available", DATA: "available"}

    @property
    def server(self) -> dict[str, Any]:
        """The original server, as Nova has it."""
        return self.nova.servers[self.server_id]

    def lose(self) -> None:
        """Delete the server with its ports."""
        self.nova.servers.pop(self.server_id, None)
        for port in self.neutron.ports_of(self.server_id):
            self.neutron.delete_port(port["id"])


class ServerTests:
    """What tests of the server plugin begin with.

    A test changes ``self.parameters`` and ``self.cloud`` first.
    """

    conf = ProtectionConformance.conf
    context = ProtectionConformance.context
    bank = ProtectionConformance.bank
    new_checkpoint = ProtectionConformance.new_checkpoint
    watcher = ProtectionConformance.watcher
    call = ProtectionConformance.call
    protected = ProtectionConformance.protected
    restore = ProtectionConformance.restore
    section = ProtectionConformance.section

    @pytest.fixture(autouse=True)
    def cloud(self, conf, context):
        """The small cloud, running, with the server in it."""
        neutron = PortsServer(context.project_id)
        nova, cinder = ComputeServer(neutron), VolumesServer(context.project_id)
        self.cloud = SmallCloud(nova, neutron, cinder)
        self.cloud.build()
        self.parameters: dict[str, dict[str, Any]] = {}
        with nova.running(), neutron.running(), cinder.running():
            for service in (nova, neutron, cinder):
                service.configure(conf)
            yield self.cloud

    @pytest.fixture
    def plugin(self, conf, cloud):
        """The plugin, which looks often."""
        ServerSettings.register(conf)
        conf.set_override("poll_interval", 0.02, ServerSettings.group)
        conf.set_override("status_timeout", 5.0, ServerSettings.group)
        return NovaProtectionPlugin(conf)

    @pytest.fixture
    def resource(self, cloud):
        """The server."""
        return Resource(constants.SERVER_RESOURCE_TYPE, cloud.server_id, "web")
