# SPDX-License-Identifier: Apache-2.0
"""Messages: their shapes, contexts and errors, over the in-process transport."""

import oslo_messaging as messaging
import pytest
from oslo_config import cfg

from karbor import exception, rpc
from karbor.context import RequestContext


def versioned(name, **data):
    return {
        "karbor_object.name": name,
        "karbor_object.namespace": "karbor",
        "karbor_object.version": "1.0",
        "karbor_object.data": data,
    }


def test_a_versioned_object_becomes_the_dict_of_its_fields():
    assert rpc.plain(versioned("Plan", id="p", resources=[])) == {
        "id": "p",
        "resources": [],
    }


def test_versioned_objects_are_found_at_any_depth():
    nested = {"plan": versioned("Plan", inner=[versioned("Thing", a=1)])}
    assert rpc.plain(nested) == {"plan": {"inner": [{"a": 1}]}}


def test_a_plain_value_stays_as_it_is():
    value = {"a": [1, "two", None, {"b": True}]}
    assert rpc.plain(value) == value


def test_a_versioned_object_without_fields_is_refused():
    with pytest.raises(exception.InvalidInput, match=r"karbor_object\.data"):
        rpc.plain({"karbor_object.name": "Plan"})


class Endpoint:
    target = messaging.Target(version="1.0")

    @messaging.expected_exceptions(exception.KarborException)
    def refuse(self, context):
        raise exception.CheckpointNotFound(checkpoint_id="c-1")

    def who(self, context):
        return [type(context).__name__, context.user_id, context.project_id]


@pytest.fixture
def client():
    # oslo.messaging registers some of its options with the global CONF only.
    conf = cfg.CONF
    conf([], default_config_files=[], default_config_dirs=[])
    transport = rpc.get_transport(conf, "fake://")
    target = messaging.Target(topic="t", server="s", version="1.0")
    server = rpc.get_server(transport, target, [Endpoint()])
    server.start()
    yield rpc.get_client(transport, messaging.Target(topic="t", version="1.0"))
    server.stop()
    server.wait()
    conf.reset()


def test_an_error_comes_back_as_its_class_with_its_words(client):
    with pytest.raises(exception.CheckpointNotFound) as caught:
        client.call(RequestContext("u", "p"), "refuse")
    assert str(caught.value).startswith("Checkpoint c-1 could not be found.")


def test_the_context_travels_with_the_call(client):
    assert client.call(RequestContext("u", "p"), "who") == ["RequestContext", "u", "p"]
