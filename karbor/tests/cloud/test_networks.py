# SPDX-License-Identifier: Apache-2.0
"""Networks that share a router and security groups, lost and made again."""

from typing import Any

import pytest

from karbor.tests.cloud.project import Project

NETWORK = "OS::Neutron::Network"


class Town:
    """Two networks on one router, with groups that refer to each other."""

    def __init__(self, project: Project) -> None:
        self._project = project
        neutron = project.connection.network
        self.east = project.network("east", "10.61.0.0/24")
        self.west = project.network("west", "10.62.0.0/24")
        router = project.router(self.east.id)
        [subnet] = neutron.subnets(network_id=self.west.id)
        neutron.add_interface_to_router(router, subnet_id=subnet.id)
        web, data = (
            neutron.create_security_group(name=name) for name in ("web", "data")
        )
        for group, remote in ((web, data), (data, web)):
            neutron.create_security_group_rule(
                security_group_id=group.id,
                direction="ingress",
                protocol="tcp",
                port_range_min=80,
                port_range_max=80,
                remote_group_id=remote.id,
            )
        neutron.create_port(
            name="port",
            network_id=self.east.id,
            fixed_ips=[{"ip_address": "10.61.0.77"}],
            security_groups=[web.id],
        )
        routes = [{"destination": "10.70.0.0/24", "nexthop": "10.61.0.77"}]
        neutron.update_router(router, routes=routes)

    def resources(self) -> list[tuple[str, Any]]:
        """For a plan."""
        return [(NETWORK, one) for one in (self.east, self.west)]


def picture(project: Project) -> dict[str, Any]:
    """What there is, by names and addresses."""
    neutron = project.connection.network
    mine = {"project_id": project.id}
    networks = {one.id: one.name for one in neutron.networks(**mine)}
    groups = {one.id: one for one in neutron.security_groups(**mine)}
    return {
        "networks": sorted(networks.values()),
        "subnets": sorted(
            (one.name, one.cidr, networks[one.network_id], str(one.allocation_pools))
            for one in neutron.subnets(**mine)
        ),
        "routers": [
            (one.name, bool(one.external_gateway_info), one.routes)
            for one in neutron.routers(**mine)
        ],
        "ports": sorted(
            (
                networks[one.network_id],
                one.name,
                one.device_owner,
                str(sorted(end["ip_address"] for end in one.fixed_ips)),
                str(sorted(groups[name].name for name in one.security_group_ids)),
            )
            for one in neutron.ports(**mine)
        ),
        "rules": sorted(
            str(
                (
                    group.name,
                    rule["direction"],
                    rule["ethertype"],
                    rule["protocol"],
                    rule["port_range_min"],
                    rule["remote_group_id"] and groups[rule["remote_group_id"]].name,
                )
            )
            for group in groups.values()
            for rule in group.security_group_rules
        ),
    }


@pytest.fixture
def town(project):
    return Town(project)


def test_networks_are_as_before_when_all_of_them_was_lost(
    project, karbor, provider, town
):
    before, listed = picture(project), project.listing()
    plan_id = karbor.plan(provider(), *town.resources())
    checkpoint_id = karbor.protect(provider(), plan_id)
    assert project.listing() == listed
    karbor.verify(provider(), checkpoint_id)
    project.purge()

    karbor.restore(provider(), checkpoint_id)

    assert picture(project) == before


def test_what_is_still_there_is_not_made_again(project, karbor, provider, town):
    before = picture(project)
    plan_id = karbor.plan(provider(), *town.resources())
    checkpoint_id = karbor.protect(provider(), plan_id)
    neutron = project.connection.network
    [router] = neutron.routers(project_id=project.id)
    neutron.update_router(router, routes=[])
    [port] = neutron.ports(name="port", project_id=project.id)
    neutron.delete_port(port)
    kept = project.listing()["networks"]

    karbor.restore(provider(), checkpoint_id)

    assert picture(project) == before
    assert project.listing()["networks"] == kept
