# SPDX-License-Identifier: Apache-2.0
"""What a failed restore of a server has made is found by its token."""

import types

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import nova_compute
from karbor.services.protection.protection_plugins.server.description import MADE_BY
from karbor.services.protection.protection_plugins.server.removal import find_made
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.compute import ComputeServer
from karbor.tests.fakes.neutron_ports import PortsServer

PROJECT = "0123456789abcdef0123456789abcdef"


def test_a_server_whose_cell_is_away_keeps_no_other_from_being_found():
    nova = ComputeServer(PortsServer(PROJECT))
    with nova.running():
        conf = empty_configuration()
        nova.configure(conf)
        client = ClientFactory.create_client(
            "nova",
            RequestContext("user", PROJECT, overwrite=False),
            conf,
            version=nova_compute.VERSION,
        )
        away = nova.add(status="UNKNOWN")
        del nova.servers[away]["metadata"]
        made = nova.add(metadata={MADE_BY: "token"})
        compute = nova_compute.Compute(client)
        cloud = types.SimpleNamespace(compute=compute, project_id=PROJECT)

        assert find_made(cloud, "token")["id"] == made
        assert find_made(cloud, "another") is None
