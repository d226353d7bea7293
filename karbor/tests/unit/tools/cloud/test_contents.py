# SPDX-License-Identifier: Apache-2.0
"""What an ``up`` that was cut off has left half-made is made whole by the next."""

import itertools
import time
import types

import pytest
from cloud import contents


def test_an_answer_of_any_form_is_waited_over(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    answers = itertools.chain([{}, {"services": "x"}], itertools.repeat({"n": "1"}))
    contents._wait({"share": lambda: int(next(answers)["n"]) == 1})
    with pytest.raises(StopIteration):
        contents._wait({"share": lambda: next(iter(()))})


class Networking:
    """As much of openstacksdk's as is asked for."""

    def __init__(self, *networks):
        self._networks = list(networks)
        self._subnets = []

    def networks(self, name, project_id):
        mine = {"name": name, "project_id": project_id}
        return (one for one in self._networks if mine.items() <= vars(one).items())

    def subnets(self, network_id):
        return (one for one in self._subnets if one.network_id == network_id)

    def create_network(self, **fields):
        self._networks.append(types.SimpleNamespace(id="new", **fields))
        return self._networks[-1]

    def create_subnet(self, **fields):
        self._subnets.append(types.SimpleNamespace(id="subnet", **fields))
        return self._subnets[-1]


def test_a_network_without_its_subnet_gets_it_and_another_projects_is_let_be():
    foreign = {"name": "public", "project_id": "other"}
    mine = {"name": "public", "project_id": "admin"}
    neutron = Networking(
        types.SimpleNamespace(id="theirs", **foreign),
        types.SimpleNamespace(id="half", **mine),
    )
    connection = types.SimpleNamespace(network=neutron, current_project_id="admin")
    for _each in range(2):
        network, subnet = contents._make_network(
            connection, "public", cidr="10.1.0.0/24"
        )
        assert (network.id, subnet.network_id) == ("half", "half")
    assert len(list(neutron.subnets("half"))) == 1


def test_an_image_whose_upload_was_cut_off_is_made_again():
    half = types.SimpleNamespace(id="half", status="queued")
    there = [half]

    def create_image(**fields):
        there.append(types.SimpleNamespace(id="whole", status="active"))
        return there[-1]

    images = types.SimpleNamespace(
        images=lambda name, owner: list(there),
        delete_image=there.remove,
        create_image=create_image,
    )
    connection = types.SimpleNamespace(image=images, current_project_id="admin")
    assert contents._make_image(connection) == "whole"
    assert contents._make_image(connection) == "whole"
    assert [one.id for one in there] == ["whole"]
