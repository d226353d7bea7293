# SPDX-License-Identifier: Apache-2.0
"""A restore that breaks off anywhere, and is gone on with or taken back."""

import itertools

import pytest

from karbor import exception
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.tests.fakes.neutron.facts import Refused
from karbor.tests.unit.services.protection.protection_plugins.network.picture import (
    picture,
    wipe,
)
from karbor.tests.unit.services.protection.protection_plugins.network.rig import (
    HOME,
    RestoreRun,
)


class Hamlet:
    """One network with one of everything, so that every place can be tried."""

    def __init__(self, rig):
        home = rig.home
        group = home.create(Kind.SECURITY_GROUP, {"name": "group"})
        rule = {"direction": "ingress", "security_group_id": group["id"]}
        home.create(Kind.RULE, {**rule, "protocol": "tcp"})
        network = home.create(Kind.NETWORK, {"name": "network", "description": "its"})
        on = {"network_id": network["id"]}
        subnet = home.create(
            Kind.SUBNET, {**on, "ip_version": 4, "cidr": "10.1.0.0/24"}
        )
        router = home.create(Kind.ROUTER, {"name": "router"})
        other = home.create(Kind.ROUTER, {"name": "other"})
        home.add_interface(router["id"], subnet_id=subnet["id"])
        ends = [{"subnet_id": subnet["id"], "ip_address": "10.1.0.9"}]
        side = home.create(Kind.PORT, {**on, "fixed_ips": ends, "security_groups": []})
        home.add_interface(other["id"], port_id=side["id"])
        route = {"destination": "10.7.0.0/24", "nexthop": "10.1.0.9"}
        home.update(Kind.ROUTER, router["id"], {"routes": [route]})
        home.create(Kind.PORT, {**on, "name": "port", "security_groups": [group["id"]]})
        self.network = network


@pytest.fixture
def hamlet(rig):
    return Hamlet(rig)


def break_at(neutron, number, *, is_after):
    neutron.changes = 0
    neutron.breaking = lambda count: is_after if count == number else None


#: Whether a change breaks off after it was done, the first one, and how many further on
#: the next one is tried.
BREAKS = [(False, 1, 2), (True, 2, 2)]
COARSE_BREAKS = [(False, 2, 3), (True, 1, 3)]


@pytest.mark.parametrize(("is_after", "first", "step"), BREAKS)
def test_wherever_it_breaks_off_the_second_run_makes_nothing_twice(
    rig, neutron, hamlet, is_after, first, step
):
    before = picture(rig.state, HOME)
    checkpoint = rig.protect(hamlet.network)
    for number in itertools.count(first, step):
        wipe(rig, HOME)
        run = RestoreRun(rig, checkpoint, hamlet.network)
        break_at(neutron, number, is_after=is_after)
        try:
            run.run()
        except exception.RestoreResourceFailed:
            run.forget()
            run.run()
            assert picture(rig.state, HOME) == before, number
            continue
        break
    assert number > 25


@pytest.mark.parametrize(("is_after", "first", "step"), COARSE_BREAKS)
def test_wherever_it_breaks_off_a_revert_leaves_nothing(
    rig, neutron, hamlet, is_after, first, step
):
    checkpoint = rig.protect(hamlet.network)
    wipe(rig, HOME)
    empty = picture(rig.state, HOME)
    for number in itertools.count(first, step):
        run = RestoreRun(rig, checkpoint, hamlet.network)
        break_at(neutron, number, is_after=is_after)
        is_broken = False
        try:
            run.run()
        except exception.RestoreResourceFailed:
            is_broken = True
            run.forget()
        neutron.breaking = lambda count: None
        run.revert()
        assert picture(rig.state, HOME) == empty, number
        if not is_broken:
            break
    assert number > 25


def test_a_hook_that_runs_twice_changes_nothing_more(rig, neutron, town):
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, *town.networks)
    done, made = picture(rig.state, HOME), dict(run.new)
    neutron.changes = 0
    run.forget()
    run.run()
    assert picture(rig.state, HOME) == done
    assert (run.new, neutron.changes) == (made, 0)


def test_a_revert_after_all_is_done_leaves_what_was_there_before(rig, town):
    checkpoint = rig.protect(*town.networks)
    rig.home.delete(Kind.PORT, town.east["port"]["id"])
    before = picture(rig.state, HOME)
    run = rig.restore(checkpoint, *town.networks)
    assert picture(rig.state, HOME) != before
    run.revert()
    assert picture(rig.state, HOME) == before
    assert town.east["port"]["id"] not in run.new
    assert run.new[town.router["id"]] == town.router["id"]
    assert set(run.record.resources_status.values()) == {"restoring"}


def test_two_networks_of_a_failed_restore_leave_nothing_of_what_they_share(rig, town):
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    empty = picture(rig.state, HOME)
    rig.state.quotas["port"] = 6
    run = RestoreRun(rig, checkpoint, *town.networks)
    with pytest.raises(exception.RestoreResourceFailed, match="Quota exceeded"):
        run.run()
    assert "Quota exceeded" in run.remarks[1]
    run.revert()
    run.revert()
    assert picture(rig.state, HOME) == empty


def test_another_restores_things_are_not_taken_back(rig, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    rig.restore(checkpoint, network)
    kept = picture(rig.state, HOME)
    second = rig.restore(checkpoint, network)
    assert len(rig.home.list(Kind.NETWORK, name="east")) == 2
    second.revert()
    assert picture(rig.state, HOME) == kept


def test_what_cannot_be_taken_back_is_named_and_the_rest_goes(rig, neutron, town):
    network = town.east["network"]
    checkpoint = rig.protect(network)
    wipe(rig, HOME)
    run = rig.restore(checkpoint, network)
    made = run.new[network["id"]]
    neutron.refusals["DELETE network"] = [
        Refused(409, "NetworkInUse", "a server is on")
    ]
    with pytest.raises(exception.KarborException, match=f"{made}.*a server is on"):
        run.revert()
    left = picture(rig.state, HOME)
    assert [one["name"] for one in left["networks"]] == ["east"]
    assert not left["routers"]
