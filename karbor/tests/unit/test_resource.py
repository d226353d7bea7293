# SPDX-License-Identifier: Apache-2.0
"""Resources are values."""

import dataclasses

import pytest

from karbor.resource import Resource


def test_a_resource_is_made_as_in_karbor_1():
    resource = Resource(type="OS::Nova::Server", id="s", name="web", extra_info={})
    assert resource.to_dict() == {
        "type": "OS::Nova::Server",
        "id": "s",
        "name": "web",
        "extra_info": {},
    }


def test_type_and_id_say_which_resource_it_is():
    named = Resource("OS::Nova::Server", "s", "web", {"k": "v"})
    unnamed = Resource("OS::Nova::Server", "s", None)
    assert named == unnamed
    assert len({named, unnamed}) == 1
    assert named != Resource("OS::Glance::Image", "s", "web")


def test_a_resource_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Resource("t", "i", "n").name = "other"
