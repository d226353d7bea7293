# SPDX-License-Identifier: Apache-2.0
"""A restore of two servers on a network, of which Nova cannot build one."""

import functools
import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.services.protection.protection_plugins.server.nova_protection_plugin import (  # noqa: E501
    NovaProtectionPlugin,
)
from karbor.services.protection.protection_plugins.server.settings import ServerSettings
from karbor.services.protection.records import RestoreRecord
from karbor.services.protection.waiting.course import complete
from karbor.services.protection.waiting.watcher import Watcher
from karbor.tests.fakes.compute import ComputeServer
from karbor.tests.fakes.neutron.server import NeutronServer, context_of
from karbor.tests.fakes.server_cloud import VolumesServer
from karbor.tests.unit.services.protection.protection_plugins.network.picture import (
    picture,
    wipe,
)
from karbor.tests.unit.services.protection.protection_plugins.network.rig import (
    HOME,
    Rig,
)


class PortsOfServers:
    """What Nova does to a Neutron's ports."""

    project_id = HOME

    def __init__(self, state):
        self._state = state

    def bind(self, port_id, device_id):
        port = self._state.things["port"][port_id]
        port.update(device_id=device_id, device_owner="compute:nova")

    def unbind(self, device_id):
        for port in self._state.ports(device_id=device_id):
            port.update(device_id="", device_owner="")


class Pair:
    """Servers ``a`` and ``b`` with a network and a volume each, behind one router."""

    def __init__(self, rig, nova, cinder):
        self.rig, self.nova = rig, nova
        ServerSettings.register(rig.conf)
        rig.conf.set_override("poll_interval", 0.02, ServerSettings.group)
        self.plugins = {
            constants.NETWORK_RESOURCE_TYPE: rig.plugin,
            constants.SERVER_RESOURCE_TYPE: NovaProtectionPlugin(rig.conf),
        }
        self.record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        self.new = {}
        home = rig.home
        self.router = home.create(Kind.ROUTER, {"name": "router"})
        self.group = home.create(Kind.SECURITY_GROUP, {"name": "group"})
        other = home.create(Kind.SECURITY_GROUP, {"name": "other"})
        rule = {"direction": "ingress", "remote_group_id": other["id"]}
        home.create(Kind.RULE, {**rule, "security_group_id": self.group["id"]})
        self.networks = [self._network(number) for number in (1, 2)]
        self.servers = [self._server(one, cinder) for one in self.networks]

    def _network(self, number):
        network = self.rig.home.create(Kind.NETWORK, {"name": f"network-{number}"})
        fields = {"ip_version": 4, "cidr": f"10.{number}.0.0/24"}
        subnet = self.rig.home.create(
            Kind.SUBNET, {**fields, "network_id": network["id"]}
        )
        self.rig.home.add_interface(self.router["id"], subnet_id=subnet["id"])
        return network

    def _server(self, network, cinder):
        server_id = self.nova.add(name=f"on {network['name']}")
        cinder.volumes[f"of-{server_id}"] = "available"
        self.nova.attach(server_id, f"of-{server_id}", "/dev/vda", False)
        port = {"network_id": network["id"], "security_groups": [self.group["id"]]}
        made = self.rig.home.create(Kind.PORT, port)
        PortsOfServers(self.rig.state).bind(made["id"], server_id)
        return Resource(constants.SERVER_RESOURCE_TYPE, server_id, "web")

    def call(self, operation, checkpoint, resource, *hooks):
        made = getattr(self.plugins[resource.type], f"get_{operation}_operation")(
            resource
        )
        watcher = Watcher(first_interval=0.02)
        for hook in hooks:
            call = functools.partial(
                getattr(made, hook),
                checkpoint,
                resource,
                context_of(HOME),
                {},
                restore=self.record,
                new_resources=self.new,
            )
            complete(call, watcher)
        watcher.close()

    def protect(self):
        checkpoint = self.rig.protect(*self.networks)
        for server in self.servers:
            hooks = ("on_prepare_begin", "on_prepare_finish", "on_main")
            self.call("protect", checkpoint, server, *hooks)
        return checkpoint

    def restore_until_the_second_server(self, checkpoint):
        """As an operation goes, with the revert of the failure."""
        first, second = self.servers
        networks = [self.rig.resource(one) for one in self.networks]
        for hook in ("on_main", "on_complete"):
            for network in networks:
                self.call("restore", checkpoint, network, hook)
        self.call("restore", checkpoint, first, "on_complete")
        self.nova.breaks.add("build")
        with pytest.raises(exception.RestoreResourceFailed):
            self.call("restore", checkpoint, second, "on_complete")
        for resource in (second, first, *networks):
            self.call("restore", checkpoint, resource, "on_revert")


@pytest.fixture
def pair():
    with NeutronServer().running() as neutron:
        nova = ComputeServer(PortsOfServers(neutron.state))
        cinder = VolumesServer(HOME)
        with nova.running(), cinder.running():
            rig = Rig(neutron)
            nova.configure(rig.conf)
            cinder.configure(rig.conf)
            yield Pair(rig, nova, cinder)


def test_a_complete_server_keeps_its_network_and_what_that_needs(pair):
    before = picture(pair.rig.state, HOME)
    checkpoint = pair.protect()
    wipe(pair.rig, HOME)
    pair.nova.servers.clear()
    pair.restore_until_the_second_server(checkpoint)
    [kept] = pair.nova.servers
    after = picture(pair.rig.state, HOME)
    assert [one["name"] for one in after["networks"]] == ["network-1"]
    assert after["interfaces"] == [("router", "network-1", "10.1.0.1")]
    assert after["routers"] == before["routers"]
    assert after["groups"] == before["groups"]
    reason = pair.record.resources_reason[
        f"{constants.NETWORK_RESOURCE_TYPE}#{pair.networks[0]['id']}"
    ]
    assert f"server {kept} is on it" in reason
