# SPDX-License-Identifier: Apache-2.0
"""What of a network is taken down, and with how many questions."""

import pytest

from karbor import exception
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.services.protection.protection_plugins.network.topology import (
    METADATA,
    Topology,
)
from karbor.services.protection.records import VerificationRecord
from karbor.tests.fakes.neutron.server import ADMIN, context_of
from karbor.tests.unit.services.protection.protection_plugins.network.picture import (
    picture,
    wipe,
)
from karbor.tests.unit.services.protection.protection_plugins.network.rig import (
    AWAY,
    HOME,
)


def topology_of(checkpoint, network):
    return Topology.load(checkpoint.get_resource_bank_section(network["id"]))


def test_all_that_is_on_the_network_is_kept(rig, town):
    network = town.east["network"]
    kept = topology_of(rig.protect(network), network)
    assert [one["name"] for one in kept.networks] == ["east"]
    assert {one["cidr"] for one in kept.subnets} == {"10.1.0.0/24", "fd00:1::/64"}
    assert len([one for one in kept.ports if one["device_owner"] == ""]) == 2
    assert town.east["server"]["id"] in {one["id"] for one in kept.ports}
    (router,) = kept.routers
    assert {one["network_id"] for one in router["interfaces"]} == {
        one["id"] for one in town.networks
    }
    assert len(router["routes"]) == 3
    groups = {one["name"] for one in kept.security_groups}
    # In 'web' are ports, 'data' is what its rules refer to.
    assert groups == {"web", "data", "default"}
    assert [one["name"] for one in kept.external_networks] == ["public"]
    addresses = [one["floating_ip_address"] for one in kept.floating_ips]
    assert addresses == [town.floating["floating_ip_address"]]


def test_ports_that_neutron_made_for_itself_are_not_kept(rig, town):
    rig.state.has_dhcp = True
    network = rig.home.create(Kind.NETWORK, {"name": "plain"})
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.6.0.0/24"}
    rig.home.create(Kind.SUBNET, subnet)
    assert len(rig.state.ports(network_id=network["id"])) == 1
    assert topology_of(rig.protect(network), network).ports == ()


def test_the_number_of_questions_is_that_of_the_pages(rig, neutron, town):
    network = town.east["network"]
    rig.protect(network)
    few = len(neutron.requests)
    rig.protect(network)
    usual = len(neutron.requests) - few
    for number in range(60):
        group = rig.home.create(Kind.SECURITY_GROUP, {"name": f"group-{number}"})
        port = {"network_id": network["id"], "security_groups": [group["id"]]}
        rig.home.create(Kind.PORT, port)
    before = len(neutron.requests)
    rig.protect(network)
    assert usual <= 10
    assert len(neutron.requests) - before == usual


def test_a_network_that_is_gone_is_named(rig, town):
    network = town.east["network"]
    wipe(rig, HOME)
    told = f"{network['id']}.*no such network"
    with pytest.raises(exception.CreateResourceFailed, match=told):
        rig.protect(network)


def test_an_administrator_protects_what_the_networks_owner_has(rig, town):
    network = town.east["network"]
    context = context_of("admins", ADMIN)
    kept = topology_of(rig.protect(network, context=context), network)
    assert kept.project_id == HOME
    names = {one["name"] for one in kept.security_groups}
    assert names == {"web", "data", "default"}
    assert all(one["project_id"] == HOME for one in kept.security_groups)


def make_shared(rig, name, project_id=HOME):
    """A network that a project shares with all, with a subnet."""
    network = rig.admin.create(Kind.NETWORK, {"name": name, "shared": True})
    fields = {"network_id": network["id"], "ip_version": 4, "cidr": "10.5.0.0/24"}
    subnet = rig.admin.create(Kind.SUBNET, fields)
    for kind, thing in ((Kind.NETWORK, network), (Kind.SUBNET, subnet)):
        rig.state.things[kind][thing["id"]]["project_id"] = project_id
    return rig.admin.get(Kind.NETWORK, network["id"])


def test_an_administrator_who_has_nothing_on_it_protects_its_owners_things(rig):
    network = make_shared(rig, "shared")
    port = rig.home.create(Kind.PORT, {"network_id": network["id"]})
    context = context_of("admins", ADMIN)
    context.is_admin = True
    kept = topology_of(rig.protect(network, context=context), network)
    assert (kept.project_id, [one["id"] for one in kept.ports]) == (HOME, [port["id"]])
    own = rig.admin.create(Kind.PORT, {"network_id": network["id"]})
    kept = topology_of(rig.protect(network, context=context), network)
    assert (kept.project_id, [one["id"] for one in kept.ports]) == (
        "admins",
        [own["id"]],
    )


def test_an_administrator_protects_what_the_graphs_project_has(rig, town):
    network = make_shared(rig, "shared", AWAY)
    port = rig.home.create(Kind.PORT, {"network_id": network["id"]})
    rig.admin.create(Kind.PORT, {"network_id": network["id"]})
    context = context_of("admins", ADMIN)
    context.is_admin = True
    checkpoint = rig.protect(
        *town.networks, project=HOME, shared=[network], context=context
    )
    kept = topology_of(checkpoint, network)
    assert (kept.project_id, [one["id"] for one in kept.ports]) == (HOME, [port["id"]])


@pytest.fixture
def unused(rig, town):
    """A group with a rule, and a router, on no network; and a router elsewhere."""
    rule = {"direction": "ingress", "protocol": "udp"}
    rule.update(security_group_id=town.unused["id"], remote_group_id=town.web["id"])
    rig.home.create(Kind.RULE, rule)
    return rig.home.create(Kind.ROUTER, {"name": "idle"})


def test_one_network_of_a_project_keeps_what_is_on_none(rig, town, unused):
    checkpoint = rig.protect(*town.networks, project=HOME)
    kept = [topology_of(checkpoint, one) for one in town.networks]
    kept.sort(key=lambda one: one.networks[0]["id"])
    names = [{one["name"] for one in topology.security_groups} for topology in kept]
    assert names == [{"web", "data", "default", "unused"}, {"web", "data", "default"}]
    routers = [
        {one["name"]: len(one["interfaces"]) for one in topology.routers}
        for topology in kept
    ]
    assert routers == [{"router": 4, "idle": 0}, {"router": 4}]


def test_no_network_that_is_anothers_keeps_what_is_on_none(rig, town, unused):
    network = make_shared(rig, "shared", AWAY)
    rig.state.things["network"]["0"] = rig.state.things["network"].pop(network["id"])
    for thing in (*rig.state.things["subnet"].values(), network):
        if thing.get("network_id") == network["id"]:
            thing["network_id"] = "0"
    network.update(id="0")
    rig.state.things["network"]["0"]["id"] = "0"
    checkpoint = rig.protect(*town.networks, project=HOME, shared=[network])
    assert "unused" not in str(topology_of(checkpoint, network))


def test_all_of_a_project_comes_back(rig, town, unused):
    before = picture(rig.state, HOME)
    checkpoint = rig.protect(*town.networks, project=HOME)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, *town.networks)
    assert picture(rig.state, HOME) == before
    run.revert()
    left = picture(rig.state, HOME)
    assert [one["name"] for one in left["groups"]] == ["default"]
    assert not left["routers"]


def test_what_a_restore_has_marked_is_kept_without_the_marks(rig, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, network)
    made = rig.home.get(Kind.NETWORK, run.new[network["id"]])
    assert topology_of(rig.protect(made), made).networks[0]["tags"] == ["town"]


def test_the_saved_info_names_what_is_kept(rig, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    section = checkpoint.get_resource_bank_section(network["id"])
    info = rig.plugin.get_saved_info(section, rig.resource(network))
    assert info["networks"] == [{"id": network["id"], "name": "east"}]
    groups = {one["name"] for one in info["security_groups"]}
    assert groups == {"web", "data", "default"}
    assert info["floating_ips"] == [town.floating["floating_ip_address"]]


def verify(rig, checkpoint, network):
    record = VerificationRecord(None, {"id": "verification"})
    operation = rig.plugin.get_verify_operation(rig.resource(network))
    operation.on_main(
        checkpoint, rig.resource(network), context_of(HOME), {}, verify=record
    )
    return record


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"version": 9}, "of version 9"),
        ({"networks": []}, "lacks a network"),
        ({"subnets": [{"id": "s", "network_id": "n"}]}, "network n of subnet s"),
        ({"security_groups": [{"id": "g"}]}, "the rules of security group g"),
        ({"ports": 5}, "describes no network"),
    ],
)
def test_verifying_finds_a_description_that_is_not_whole(rig, town, damage, reason):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    verify(rig, checkpoint, network)
    section = checkpoint.get_resource_bank_section(network["id"])
    section.update_object(METADATA, {**section.get_object(METADATA), **damage})
    with pytest.raises(exception.VerifyResourceFailed, match=reason):
        verify(rig, checkpoint, network)


def test_what_karbor_1_kept_of_a_project_is_restored(rig, town):
    """It had one resource for all networks of a project, with the project's id."""
    state = rig.state
    kept = {
        "resource_id": HOME,
        "backup_name": "karbor network backup",
        "network_metadata": of_home(state, "network"),
        "subnet_metadata": of_home(state, "subnet"),
        "port_metadata": of_home(state, "port"),
        "router_metadata": of_home(state, "router"),
        "security-group_metadata": {
            one["id"]: one
            for one in rig.home.list(Kind.SECURITY_GROUP, project_id=HOME)
        },
    }
    whole = {"id": HOME, "name": "Network Topology"}
    checkpoint = rig.protect()
    section = checkpoint.get_resource_bank_section(HOME)
    section.update_object("metadata", kept)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, whole)
    names = {one["name"] for one in rig.home.list(Kind.NETWORK, project_id=HOME)}
    assert names == {"east", "west"}
    router = rig.home.get(Kind.ROUTER, run.new[town.router["id"]])
    assert len(router["routes"]) == 3
    assert "without the outer address" in run.remarks[0]
    assert "no route" not in run.remarks[0]


def of_home(state, kind):
    return {
        name: {**one, "tenant_id": HOME}
        for name, one in state.things[kind].items()
        if one["project_id"] == HOME
    }
