# SPDX-License-Identifier: Apache-2.0
"""A Neutron, a bank, and the plugin's hooks between them."""

import uuid

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.neutron_networks import Kind, Neutron
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.protection_plugins.network.neutron_protection_plugin import (  # noqa: E501
    NeutronProtectionPlugin,
)
from karbor.services.protection.records import RestoreRecord
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.neutron.server import ADMIN, NeutronServer, context_of

HOME = "0000000000000000000000000000home"
AWAY = "0000000000000000000000000000away"


class Rig:
    """One Neutron with a public network, and checkpoints of networks in it."""

    def __init__(self, server: NeutronServer):
        self.server = server
        self.state = server.state
        self.conf = empty_configuration()
        server.configure(self.conf)
        self.plugin = NeutronProtectionPlugin(self.conf)
        self.bank = Bank(MemoryBankPlugin())
        self.home, self.away = self.neutron(HOME), self.neutron(AWAY)
        self.admin = self.neutron("admins", ADMIN)
        self.public = self.make_public("public", "172.24.4.0/24")

    def neutron(self, project_id, user_id="member"):
        """What a user sees."""
        context = context_of(project_id, user_id)
        return Neutron(
            ClientFactory.create_client("neutron", context, self.conf), page_size=3
        )

    def make_public(self, name, cidr):
        """An external network of the administrators."""
        fields = {"name": name, "router:external": True}
        network = self.admin.create(Kind.NETWORK, fields)
        fields = {"network_id": network["id"], "ip_version": 4, "cidr": cidr}
        self.admin.create(Kind.SUBNET, fields)
        return network

    def resource(self, network):
        return Resource(constants.NETWORK_RESOURCE_TYPE, network["id"], network["name"])

    def protect(self, *networks, context=None, project=None, shared=()):
        """A checkpoint of networks.

        :param project: that has them, where its whole is protected
        :param shared: further ones, that only a server of the project is on
        """
        checkpoint = CheckpointCollection(self.bank).create(
            {"id": str(uuid.uuid4()), "name": "plan", "resources": []},
            provider_id=str(uuid.uuid4()),
            project_id=HOME,
        )
        resources = [self.resource(one) for one in (*networks, *shared)]
        checkpoint.save_graph(_graph(resources, project, len(networks)))
        for resource in resources:
            operation = self.plugin.get_protect_operation(resource)
            operation.on_main(checkpoint, resource, context or context_of(HOME), {})
        return checkpoint

    def restore(self, checkpoint, *networks, **options):
        """A restore of networks of a checkpoint, to its end."""
        run = RestoreRun(self, checkpoint, *networks, **options)
        run.run()
        return run


def _graph(networks, project, owned):
    """Networks: a project has the first ones, a server is on the others."""
    if project is None:
        return ResourceGraph(tuple(networks), ((),) * len(networks))
    count = len(networks)
    return ResourceGraph(
        (
            *networks,
            Resource(constants.SERVER_RESOURCE_TYPE, "server", None),
            Resource(constants.PROJECT_RESOURCE_TYPE, project, None),
        ),
        (
            *((),) * count,
            tuple(range(owned, count)),
            (*range(owned), count),
        ),
    )


class RestoreRun:
    """One restore, hook by hook.

    :ivar new: original ids and what stands for them
    """

    def __init__(self, rig, checkpoint, *networks, project=HOME, user="member", **said):
        self.rig = rig
        self.checkpoint = checkpoint
        self.resources = [rig.resource(one) for one in networks]
        self.context = context_of(project, user)
        self.parameters = said
        self.record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        self.new = {}

    def hook(self, name, resource):
        operation = self.rig.plugin.get_restore_operation(resource)
        getattr(operation, name)(
            self.checkpoint,
            resource,
            self.context,
            dict(self.parameters),
            restore=self.record,
            new_resources=self.new,
        )

    def main(self):
        for resource in self.resources:
            self.hook("on_main", resource)

    def complete(self):
        for resource in self.resources:
            self.hook("on_complete", resource)

    def run(self):
        self.main()
        self.complete()

    def revert(self):
        for resource in reversed(self.resources):
            self.hook("on_revert", resource)

    def forget(self):
        """What a process that was killed did not get to write down."""
        self.new = {}

    @property
    def remarks(self):
        reasons = self.record.resources_reason
        return [
            reasons.get(f"{resource.type}#{resource.id}", "")
            for resource in self.resources
        ]
