# SPDX-License-Identifier: Apache-2.0
"""Networks of others: external ones, shared ones, and what is not allowed."""

import pytest

from karbor import exception
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.tests.fakes.neutron.server import ADMIN, context_of
from karbor.tests.unit.services.protection.protection_plugins.network.picture import (
    wipe,
)
from karbor.tests.unit.services.protection.protection_plugins.network.rig import (
    AWAY,
    HOME,
)


@pytest.fixture
def lost(rig, town):
    """A checkpoint of networks whose external network is gone, as they are."""
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    rig.home.delete(Kind.FLOATING_IP, town.floating["id"])
    wipe(rig, "admins")
    return checkpoint


def gateway(rig, town, run):
    router = rig.home.get(Kind.ROUTER, run.new[town.router["id"]])
    found = router["external_gateway_info"]
    return found and found["network_id"]


def test_the_gateway_is_on_the_external_network_of_the_same_name(rig, town, lost):
    rig.make_public("elsewhere", "172.25.0.0/24")
    other = rig.make_public("public", "172.26.0.0/24")
    run = rig.restore(lost, *town.networks)
    assert gateway(rig, town, run) == other["id"]


def test_without_an_external_network_the_remark_names_it(rig, town, lost):
    rig.make_public("elsewhere", "172.25.0.0/24")
    run = rig.restore(lost, *town.networks)
    assert gateway(rig, town, run) is None
    assert f"external network 'public' ({rig.public['id']}) is not" in run.remarks[0]
    assert "external_networks" in run.remarks[0]


@pytest.mark.parametrize("by", ["id", "name"])
@pytest.mark.parametrize("to", ["id", "name"])
def test_the_parameters_say_which_external_network_to_use(rig, town, lost, by, to):
    rig.make_public("public", "172.25.0.0/24")
    other = rig.make_public("elsewhere", "172.26.0.0/24")
    chosen = {rig.public[by]: other[to]}
    run = rig.restore(lost, *town.networks, external_networks=chosen)
    assert gateway(rig, town, run) == other["id"]


def test_one_external_network_can_stand_for_any_that_is_missing(rig, town, lost):
    other = rig.make_public("elsewhere", "172.26.0.0/24")
    run = rig.restore(lost, *town.networks, public_network_id=other["id"])
    assert gateway(rig, town, run) == other["id"]


def test_two_networks_of_the_same_name_need_a_choice(rig, town, lost):
    for number in (25, 26):
        rig.make_public("public", f"172.{number}.0.0/24")
    with pytest.raises(exception.RestoreResourceFailed, match="external_networks"):
        rig.restore(lost, *town.networks)


def test_a_choice_that_is_not_there_is_an_error(rig, town, lost):
    chosen = {"public": "nowhere"}
    with pytest.raises(exception.RestoreResourceFailed, match="'nowhere'"):
        rig.restore(lost, *town.networks, external_networks=chosen)


@pytest.fixture
def common(rig):
    """A network of the administrators that all projects use, and a port on it."""
    network = rig.admin.create(Kind.NETWORK, {"name": "common", "shared": True})
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.3.0.0/24"}
    subnet = rig.admin.create(Kind.SUBNET, subnet)
    rig.admin.create(Kind.PORT, {"name": "theirs", "network_id": network["id"]})
    port = rig.home.create(Kind.PORT, {"name": "ours", "network_id": network["id"]})
    return {"network": network, "subnet": subnet, "port": port}


def test_a_shared_network_is_used_as_it_is(rig, common):
    network = common["network"]
    checkpoint = rig.protect(network)
    rig.home.delete(Kind.PORT, common["port"]["id"])
    run = rig.restore(checkpoint, network)
    assert run.new[network["id"]] == network["id"]
    made = rig.home.get(Kind.PORT, run.new[common["port"]["id"]])
    assert made["name"] == "ours"
    # Only a network's owner may choose an address on it.
    address = common["port"]["fixed_ips"][0]["ip_address"]
    assert f"without the address {address}" in run.remarks[0]
    assert len(rig.state.things["network"]) == 2


def test_only_the_projects_own_ports_on_a_shared_network_are_kept(rig, common):
    network = common["network"]
    checkpoint = rig.protect(network, context=context_of(HOME, ADMIN))
    wipe(rig, HOME)
    wipe(rig, "admins")
    rig.make_public("public", "172.24.4.0/24")
    run = rig.restore(checkpoint, network)
    names = {one["name"] for one in rig.home.list(Kind.PORT, project_id=HOME)}
    assert names == {"ours"}
    assert run.new[common["port"]["id"]]


def test_a_shared_network_of_the_same_name_stands_for_one_that_is_gone(rig, common):
    network = common["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    wipe(rig, "admins")
    other = rig.admin.create(Kind.NETWORK, {"name": "common", "shared": True})
    fields = {"network_id": other["id"], "ip_version": 4, "cidr": "10.4.0.0/24"}
    rig.admin.create(Kind.SUBNET, fields)
    run = rig.restore(checkpoint, network)
    assert run.new[network["id"]] == other["id"]
    assert common["subnet"]["id"] not in run.new
    assert "has no subnet 10.3.0.0/24" in run.remarks[0]


def test_without_any_the_project_gets_a_private_one_and_is_told(rig, common):
    network = common["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    wipe(rig, "admins")
    run = rig.restore(checkpoint, network)
    made = rig.home.get(Kind.NETWORK, run.new[network["id"]])
    assert (made["project_id"], made["shared"]) == (HOME, False)
    assert "the project has a private one instead" in run.remarks[0]


def test_an_administrators_network_comes_back_as_it_was(rig):
    fields = {
        "name": "wires",
        "shared": True,
        "provider:network_type": "vlan",
        "provider:physical_network": "physnet1",
        "provider:segmentation_id": 7,
    }
    network = rig.admin.create(Kind.NETWORK, fields)
    context = context_of("admins", ADMIN)
    checkpoint = rig.protect(network, context=context)
    wipe(rig, "admins")
    run = rig.restore(checkpoint, network, project="admins", user=ADMIN)
    made = rig.admin.get(Kind.NETWORK, run.new[network["id"]])
    assert {name: made[name] for name in fields} == fields
    assert run.remarks == [""]


def test_what_only_administrators_may_is_left_out_and_remarked(rig):
    network = rig.admin.create(
        Kind.NETWORK,
        {
            "name": "wires",
            "mtu": 1400,
            "shared": True,
            "provider:network_type": "vlan",
            "provider:physical_network": "physnet1",
        },
    )
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.5.0.0/24"}
    subnet = rig.admin.create(Kind.SUBNET, subnet)
    router = rig.admin.create(
        Kind.ROUTER,
        {
            "name": "router",
            "ha": True,
            "external_gateway_info": {
                "network_id": rig.public["id"],
                "enable_snat": False,
            },
        },
    )
    rig.admin.add_interface(router["id"], subnet_id=subnet["id"])
    checkpoint = rig.protect(network, context=context_of("admins", ADMIN))
    wipe_but_public(rig)
    run = rig.restore(checkpoint, network, project=AWAY)
    made = rig.away.get(Kind.NETWORK, run.new[network["id"]])
    assert (made["mtu"], made["shared"]) == (1400, False)
    remark = run.remarks[0]
    for what in (
        "without being shared",
        "without its place on a physical network",
        "without being highly available",
        "without address translation switched off",
        "without the outer address",
    ):
        assert what in remark


def wipe_but_public(rig):
    things = rig.state.things
    kept = {rig.public["id"]}
    for kind in ("port", "router"):
        for one in list(things[kind].values()):
            if one.get("network_id") not in kept:
                del things[kind][one["id"]]
    for one in list(things["subnet"].values()):
        if one["network_id"] not in kept:
            del things["subnet"][one["id"]]
    for one in list(things["network"]):
        if one not in kept:
            del things["network"][one]


def test_an_mtu_that_is_too_large_costs_only_itself(rig, town):
    network = town.east["network"]
    rig.state.things["network"][network["id"]]["mtu"] = 9000
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, network)
    assert "without its MTU" in run.remarks[0]
    assert "port security" not in run.remarks[0]
