# SPDX-License-Identifier: Apache-2.0
"""Finding projects."""

import json

import pytest

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.clients import keystone
from karbor.services.protection.protectable_plugins.project import (
    ProjectProtectablePlugin,
)
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.web import Answer, WebServer

OWN = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32


def context(**values):
    values = {"project_id": OWN, "project_name": "demo", "overwrite": False, **values}
    return RequestContext(**values)


def resource(project_id, name):
    return Resource(constants.PROJECT_RESOURCE_TYPE, project_id, name)


@pytest.fixture
def plugin():
    return ProjectProtectablePlugin(None, empty_configuration())


def asking(server):
    conf = empty_configuration()
    keystone.OPTIONS.register(conf)
    conf.set_override("keystone_endpoint", server.url + "/v3", "keystone_client")
    return ProjectProtectablePlugin(None, conf)


def test_the_list_is_the_callers_project(plugin):
    (found,) = plugin.list_resources(context())
    assert found == resource(OWN, "demo")
    assert found.name == "demo"
    assert found.extra_info is None


def test_a_context_without_a_project_has_none(plugin):
    assert plugin.list_resources(context(project_id=None)) == []


def test_the_own_project_is_shown_without_asking_keystone(plugin):
    assert plugin.show_resource(context(auth_token="t"), OWN).name == "demo"


def test_another_project_does_not_exist_for_a_member(plugin):
    assert plugin.show_resource(context(auth_token="t"), OTHER) is None


def test_an_admin_without_keystone_may_name_any_project(plugin):
    assert plugin.show_resource(context(is_admin=True), OTHER) == resource(OTHER, None)


def test_an_admin_sees_another_projects_name():
    body = json.dumps({"project": {"id": OTHER, "name": "theirs"}}).encode()
    with WebServer(lambda request: Answer(body=body)).running() as server:
        admin = context(is_admin=True, auth_token="t")
        assert asking(server).show_resource(admin, OTHER).name == "theirs"
    assert server.requests[0].path == f"/v3/projects/{OTHER}"


def test_a_project_that_keystone_does_not_know_is_none():
    with WebServer(lambda request: Answer(status=404)).running() as server:
        admin = context(is_admin=True, auth_token="t")
        assert asking(server).show_resource(admin, OTHER) is None


def test_a_keystone_that_fails_says_so():
    with WebServer(lambda request: Answer(status=500)).running() as server:
        admin = context(is_admin=True, auth_token="t")
        with pytest.raises(exception.ListProtectableResourceFailed, match="Project"):
            asking(server).show_resource(admin, OTHER)
