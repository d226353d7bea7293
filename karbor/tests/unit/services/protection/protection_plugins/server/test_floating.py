# SPDX-License-Identifier: Apache-2.0
"""Where callers may not choose a floating address, Karbor asks for it in their name."""

import types

import pytest

from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.protection_plugins.remarks import Remarks
from karbor.services.protection.protection_plugins.server.floating import (
    FloatingAddresses,
)

WANTED = "172.24.4.7"
SAVED = {
    "floating_ip_address": WANTED,
    "floating_network_id": "public",
    "fixed_ip_address": None,
}


class OneNeutron:
    """Makes floating addresses, or refuses to choose one.

    :ivar asked: the fields of each that it was asked for
    """

    def __init__(self, refusal=None):
        self.refusal = refusal
        self.asked = []

    def list(self, kind, **filters):
        return []

    def get(self, kind, thing_id):
        return {"id": thing_id, "fixed_ips": []}

    def create(self, kind, fields):
        self.asked.append(fields)
        if self.refusal and "floating_ip_address" in fields:
            raise ServiceFailed(
                service="Neutron",
                action="create a floating address",
                reason="refused",
                status=self.refusal,
            )
        return {"floating_ip_address": fields.get("floating_ip_address", "172.24.4.9")}


def give(callers, own):
    """Give a port its address; the remarks, which are none when it is the same."""
    cloud = types.SimpleNamespace(
        neutron=callers, neutron_as_karbor=own, project_id="tenant"
    )
    remarks = Remarks()
    FloatingAddresses(cloud, {}, remarks).give([SAVED], "port", "token")
    return str(remarks)


def test_a_caller_who_may_choose_the_address_needs_nobody():
    callers, own = OneNeutron(), OneNeutron()

    assert give(callers, own) == ""
    assert own.asked == []


def test_karbor_asks_for_the_callers_project_where_the_caller_may_not():
    callers, own = OneNeutron(refusal=403), OneNeutron()

    assert give(callers, own) == ""
    [asked] = own.asked
    assert asked["floating_ip_address"] == WANTED
    assert asked["project_id"] == "tenant"
    assert asked["port_id"] == "port"


@pytest.mark.parametrize("own", [None, OneNeutron(refusal=409)])
def test_another_address_is_given_and_told_when_nobody_gets_it(own):
    callers = OneNeutron(refusal=403)

    remark = give(callers, own)

    assert "is 172.24.4.9, as 172.24.4.7 cannot be had" in remark
    assert "floating_ip_address" not in callers.asked[-1]


def test_an_address_that_is_taken_is_not_asked_for_again():
    callers, own = OneNeutron(refusal=409), OneNeutron()

    remark = give(callers, own)

    assert WANTED in remark
    assert own.asked == []
