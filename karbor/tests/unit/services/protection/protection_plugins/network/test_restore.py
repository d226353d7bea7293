# SPDX-License-Identifier: Apache-2.0
"""What a restore makes, what it uses, and what it says."""

import pytest

from karbor import exception
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.tests.fakes.neutron.facts import Caller, Refused
from karbor.tests.fakes.neutron.server import context_of
from karbor.tests.unit.services.protection.protection_plugins.network.picture import (
    picture,
    wipe,
)
from karbor.tests.unit.services.protection.protection_plugins.network.rig import (
    AWAY,
    HOME,
    RestoreRun,
)


def protected(told):
    """A picture without the group that no port is in: it belongs to no network."""
    groups = [one for one in told["groups"] if one["name"] != "unused"]
    return {**told, "groups": groups}


def test_what_was_lost_is_as_before(rig, town):
    before = picture(rig.state, HOME)
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, *town.networks)
    assert picture(rig.state, HOME) == protected(before)
    for one in (
        town.router,
        town.web,
        town.data,
        *(town.east[name] for name in ("network", "subnet", "port", "open")),
    ):
        assert run.new[one["id"]] not in (None, one["id"])
    assert town.east["server"]["id"] not in run.new


def test_what_is_still_there_is_used_and_left_alone(rig, neutron, town):
    before = picture(rig.state, HOME)
    checkpoint = rig.protect(*town.networks)
    neutron.changes = 0
    run = rig.restore(checkpoint, *town.networks)
    assert neutron.changes == 0
    assert picture(rig.state, HOME) == before
    assert all(old == new for old, new in run.new.items())
    assert {town.router["id"], town.east["server"]["id"]} <= run.new.keys()
    assert run.remarks == ["", ""]


def test_another_project_gets_its_own_beside_the_original(rig, town):
    before = picture(rig.state, HOME)
    checkpoint = rig.protect(*town.networks)
    rig.restore(checkpoint, *town.networks, project=AWAY)
    assert picture(rig.state, HOME) == before
    assert picture(rig.state, AWAY) == protected(before)


def test_the_tags_are_the_originals_and_those_of_the_restore(rig, town):
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, *town.networks)
    made = rig.home.get(Kind.NETWORK, run.new[town.east["network"]["id"]])
    assert set(made["tags"]) == {
        "town",
        f"karbor-restore={run.record.id}",
        f"karbor-original={town.east['network']['id']}",
    }


def test_a_thing_with_all_tags_that_it_may_have_is_restored(rig):
    network = rig.home.create(Kind.NETWORK, {"name": "tagged"})
    own = [f"tag-{number:02}" for number in range(50)]
    rig.home.set_tags(Kind.NETWORK, network["id"], own)
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, network)
    tags = rig.home.get(Kind.NETWORK, run.new[network["id"]])["tags"]
    assert set(own[:48]) < set(tags)
    assert "without its tags tag-48, tag-49" in run.remarks[0]


def rules_of(neutron, project_id):
    """Those of a project's default group, by their descriptions."""
    [group] = neutron.list(Kind.SECURITY_GROUP, name="default", project_id=project_id)
    rules = neutron.list(Kind.RULE, security_group_id=group["id"])
    return group, {rule["description"] or "": rule for rule in rules}


def test_the_restore_that_made_a_rule_is_named_once_and_leaves_room(rig):
    """From project to project, with a description as long as it may be."""
    network = rig.home.create(Kind.NETWORK, {"name": "network"})
    group, _rules = rules_of(rig.home, HOME)
    rule = {"security_group_id": group["id"], "direction": "ingress"}
    text = "because " * 31
    rig.home.create(Kind.RULE, {**rule, "protocol": "tcp", "description": text})
    run = rig.restore(rig.protect(network), network, project=AWAY)
    _group, rules = rules_of(rig.away, AWAY)
    mark = f"karbor-restore={run.record.id}"
    [made] = [one for one in rules if one.startswith("because")]
    assert made.endswith(mark)
    assert len(made) == 255

    moved = rig.away.get(Kind.NETWORK, run.new[network["id"]])
    again = rig.restore(
        rig.protect(moved, context=context_of(AWAY)), moved, project="third"
    )
    _group, rules = rules_of(rig.neutron("third"), "third")
    [made] = [one for one in rules if one.startswith("because")]
    assert made.count("karbor-restore=") == 1
    assert made.endswith(str(again.record.id))


def test_a_network_can_get_another_name(rig, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, network, restore_name="levant")
    assert rig.home.get(Kind.NETWORK, run.new[network["id"]])["name"] == "levant"


#: A subnet goes with what is in it, a router with what joins it.
GONE_WITH = {"subnet": ("subnet", "port", "router"), "router": ("router", "port")}


@pytest.mark.parametrize("lost", ["router", "port", "subnet", "security_group"])
def test_what_alone_was_lost_is_made_for_what_is_there(rig, town, lost):
    before = picture(rig.state, HOME)
    checkpoint = rig.protect(*town.networks)
    state = rig.state
    for kind in GONE_WITH.get(lost, ("port", lost)):
        for thing in list(state.things[kind].values()):
            is_mine = thing["project_id"] == HOME and thing.get("name") != "default"
            if is_mine and thing.get("device_owner") != "compute:nova":
                del state.things[kind][thing["id"]]
    for rule in list(state.things["security_group_rule"].values()):
        if rule["security_group_id"] not in state.things["security_group"]:
            del state.things["security_group_rule"][rule["id"]]
    floating = state.things["floatingip"][town.floating["id"]]
    floating.update(port_id=None, fixed_ip_address=None)
    if lost == "subnet":
        state.things["port"].clear()
    run = rig.restore(checkpoint, *town.networks)
    assert protected(picture(rig.state, HOME)) == protected(before)
    for network in town.networks:
        assert run.new[network["id"]] == network["id"]


def test_the_other_projects_default_group_gets_what_it_lacks(rig, town):
    default = next(
        one
        for one in rig.home.list(Kind.SECURITY_GROUP, project_id=HOME)
        if one["name"] == "default"
    )
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22}
    rig.home.create(
        Kind.RULE,
        {**rule, "port_range_max": 22, "security_group_id": default["id"]},
    )
    checkpoint = rig.protect(*town.networks)
    run = rig.restore(checkpoint, *town.networks, project=AWAY)
    (own,) = rig.away.list(Kind.SECURITY_GROUP, name="default", project_id=AWAY)
    assert run.new[default["id"]] == own["id"]
    (added,) = [one for one in own["security_group_rules"] if one["protocol"]]
    assert added["port_range_min"] == 22
    assert run.record.id in added["description"]
    assert "got 1 rules that it lacked" in run.remarks[0]
    run.revert()
    (own,) = rig.away.list(Kind.SECURITY_GROUP, name="default", project_id=AWAY)
    assert len(own["security_group_rules"]) == 4


def test_anothers_default_group_is_not_taken_for_ones_own(rig):
    """It was shared, and let in what is in it; nothing of the target's is in it."""
    home = rig.home
    network = home.create(Kind.NETWORK, {"name": "network"})
    foreign, _rules = rules_of(rig.away, AWAY)
    shared = rig.state.things["security_group"][foreign["id"]]
    shared["shared"] = True
    group = home.create(Kind.SECURITY_GROUP, {"name": "group"})
    rule = {"security_group_id": group["id"], "direction": "ingress"}
    home.create(Kind.RULE, {**rule, "remote_group_id": foreign["id"]})
    port = {"network_id": network["id"], "security_groups": [group["id"]]}
    home.create(Kind.PORT, port)
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    shared["shared"] = False
    run = rig.restore(checkpoint, network)
    own, _rules = rules_of(home, HOME)
    stands_for_it = run.new[foreign["id"]]
    assert stands_for_it not in (own["id"], foreign["id"])
    made = home.list(Kind.RULE, security_group_id=run.new[group["id"]])
    assert [one["remote_group_id"] for one in made if one["remote_group_id"]] == [
        stands_for_it
    ]
    assert "was another project's" in run.remarks[0]


def test_a_router_that_vanishes_meanwhile_is_remarked(rig, town):
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    run = RestoreRun(rig, checkpoint, *town.networks)
    run.main()
    del rig.state.things["router"][run.new[town.router["id"]]]
    run.complete()
    assert all("was deleted while" in remark for remark in run.remarks)


def test_the_same_projects_default_group_stays_as_it_is(rig, town):
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    (own,) = rig.home.list(Kind.SECURITY_GROUP, name="default", project_id=HOME)
    rig.home.delete(Kind.RULE, own["security_group_rules"][0]["id"])
    rig.restore(checkpoint, *town.networks)
    (own,) = rig.home.list(Kind.SECURITY_GROUP, name="default", project_id=HOME)
    assert len(own["security_group_rules"]) == 3


def test_servers_find_their_addresses_free(rig, town):
    rig.state.has_dhcp = True
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, *town.networks)
    subnet_id = run.new[town.east["subnet"]["id"]]
    assert "10.1.0.3" not in rig.state.used(subnet_id) - {"10.1.0.3"}
    assert "10.1.0.2" not in rig.state.used(subnet_id)
    subnet = rig.home.get(Kind.SUBNET, subnet_id)
    assert subnet["allocation_pools"] == town.east["subnet"]["allocation_pools"]


def test_an_address_that_another_port_has_by_now_is_remarked(rig, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    rig.home.delete(Kind.PORT, town.east["port"]["id"])
    end = {"subnet_id": town.east["subnet"]["id"], "ip_address": "10.1.0.77"}
    rig.home.create(Kind.PORT, {"network_id": network["id"], "fixed_ips": [end]})
    run = rig.restore(checkpoint, network)
    made = rig.home.get(Kind.PORT, run.new[town.east["port"]["id"]])
    assert made["fixed_ips"][0]["ip_address"] != "10.1.0.77"
    assert made["mac_address"] == town.east["port"]["mac_address"]
    assert "without the address 10.1.0.77" in run.remarks[0]


def test_another_routers_interface_is_not_pushed_aside(rig, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    state = rig.state
    for port in rig.state.ports(device_id=town.router["id"]):
        del state.things["port"][port["id"]]
    del state.things["router"][town.router["id"]]
    other = rig.home.create(Kind.ROUTER, {"name": "other"})
    rig.home.add_interface(other["id"], subnet_id=town.east["subnet"]["id"])
    run = rig.restore(checkpoint, network)
    assert "10.1.0.1 already allocated" in run.remarks[0]
    joined = rig.state.ports(device_id=other["id"])
    assert joined[0]["fixed_ips"][0]["ip_address"] == "10.1.0.1"


def test_a_router_alone_says_what_it_no_longer_joins(rig, town):
    checkpoint = rig.protect(town.east["network"])
    wipe(rig, HOME)
    run = rig.restore(checkpoint, town.east["network"])
    remark = run.remarks[0]
    assert f"without its interface on network {town.west['network']['id']}" in remark
    assert "no route to 192.168.2.0/24 by 10.2.0.77" in remark
    assert "192.168.1.0/24" not in remark


def test_ports_of_other_services_are_left_to_them(rig, town):
    network = town.east["network"]
    rig.home.create(
        Kind.PORT,
        {"name": "vip", "network_id": network["id"], "device_owner": "Octavia"},
    )
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, network)
    assert "belonged to Octavia, which is to make it anew" in run.remarks[0]
    assert not rig.home.list(Kind.PORT, name="vip")


@pytest.mark.parametrize("fate", ["gone", "taken", "refused"])
def test_a_floating_address_that_is_not_to_be_had_is_remarked(rig, neutron, town, fate):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    if fate == "gone":
        rig.home.delete(Kind.FLOATING_IP, town.floating["id"])
    elif fate == "taken":
        rig.state.things["floatingip"][town.floating["id"]]["port_id"] = "another's"
    else:
        neutron.refusals["PUT floatingip"] = [Refused(400, "BadRequest", "too far")]
    run = rig.restore(checkpoint, network)
    reason = {"gone": "no more", "taken": "another port", "refused": "too far"}[fate]
    address = town.floating["floating_ip_address"]
    assert f"without its floating address {address}" in run.remarks[0]
    assert reason in run.remarks[0]


def test_a_floating_address_comes_back_to_its_port(rig, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, network)
    floating = rig.home.get(Kind.FLOATING_IP, town.floating["id"])
    assert floating["port_id"] == run.new[town.east["port"]["id"]]
    assert floating["fixed_ip_address"] == "10.1.0.77"


def test_an_address_group_that_is_gone_becomes_its_addresses(rig, town):
    addresses = {"name": "offices", "addresses": ["10.50.0.0/16", "fd50::/32"]}
    group = rig.state.create("address_group", addresses, Caller(HOME))
    rig.home.create(
        Kind.RULE,
        {
            "security_group_id": town.web["id"],
            "direction": "ingress",
            "protocol": "tcp",
            "remote_address_group_id": group["id"],
        },
    )
    network = town.east["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    del rig.state.things["address_group"][group["id"]]
    run = rig.restore(checkpoint, network)
    rules = rig.home.list(Kind.RULE, security_group_id=run.new[town.web["id"]])
    assert "10.50.0.0/16" in {rule["remote_ip_prefix"] for rule in rules}
    assert "fd50::/32" not in {rule["remote_ip_prefix"] for rule in rules}
    assert "'offices'" in run.remarks[0]


def test_a_rule_about_a_group_that_nobody_sees_is_left_out(rig, town):
    network = town.east["network"]
    rule = rig.home.create(
        Kind.RULE,
        {
            "security_group_id": town.web["id"],
            "direction": "ingress",
            "remote_group_id": town.unused["id"],
        },
    )
    del rig.state.things["security_group"][town.unused["id"]]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    assert rule["id"] not in rig.state.things["security_group_rule"]
    run = rig.restore(checkpoint, network)
    assert f"its remote security group {town.unused['id']} was not" in run.remarks[0]


def test_a_quota_that_is_used_up_is_the_restores_error(rig, town):
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    rig.state.quotas["port"] = 3
    run = rig.restore
    with pytest.raises(exception.RestoreResourceFailed, match="Quota exceeded"):
        run(checkpoint, *town.networks)


def test_a_neutron_that_does_not_answer_is_no_refusal_of_a_field(rig, neutron, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    neutron.refusals["POST port"] = [Refused(503, "Unavailable", "come back later")]
    with pytest.raises(exception.RestoreResourceFailed, match="come back later"):
        rig.restore(checkpoint, network)


def test_a_router_that_joins_by_a_port_has_all_its_addresses_again(rig, town):
    """One that the port chose itself is among them, as on all ports."""
    network = town.east["network"]
    router = rig.home.create(Kind.ROUTER, {"name": "second"})
    ends = [{"subnet_id": town.east["subnet"]["id"], "ip_address": "10.1.0.200"}]
    port = rig.home.create(
        Kind.PORT,
        {"network_id": network["id"], "fixed_ips": ends, "security_groups": []},
    )
    assert len(port["fixed_ips"]) == 2
    rig.home.add_interface(router["id"], port_id=port["id"])
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, network)
    (joined,) = rig.state.ports(device_id=run.new[router["id"]])
    assert len(joined["fixed_ips"]) == 2
    assert "10.1.0.200" in {end["ip_address"] for end in joined["fixed_ips"]}
    assert "second" not in run.remarks[0]
