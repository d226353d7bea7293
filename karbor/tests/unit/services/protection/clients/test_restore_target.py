# SPDX-License-Identifier: Apache-2.0
"""Logging in to the cloud that a restore names."""

import logging

import pytest
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.restore_target import target_context
from karbor.tests.fakes.identity import IdentityServer, User, catalog_entry
from karbor.tests.fakes.web import Answer, WebServer

SECRET = "correct horse battery staple"


@pytest.fixture
def identity():
    server = IdentityServer(
        [User("alice", SECRET)],
        [catalog_entry("image", "glance", "http://192.0.2.1/image")],
    )
    with server.running():
        yield server


@pytest.fixture
def context():
    return RequestContext(
        user_id="u", project_id="home", auth_token="home-token", overwrite=False
    )


@pytest.fixture
def conf():
    made = cfg.ConfigOpts()
    made([], default_config_files=[])
    return made


def auth(**more):
    return {"type": "password", "username": "alice", "password": SECRET, **more}


def test_the_context_has_the_other_clouds_token_project_and_catalogue(
    identity, context, conf
):
    made = target_context(identity.url, auth(), context, conf)
    assert made.auth_token in identity.tokens
    assert made.project_id == identity.users[0].project_id
    assert made.project_name == "demo"
    assert made.service_catalog == identity.catalog
    assert made.request_id == context.request_id


def test_the_url_may_lack_its_version(identity, context, conf):
    made = target_context(identity.url.removesuffix("/v3"), auth(), context, conf)
    assert made.auth_token in identity.tokens


def test_domains_default_to_default(identity, context, conf):
    target_context(identity.url, auth(project_name="demo"), context, conf)
    asked = identity.logins[0]["auth"]
    assert asked["identity"]["password"]["user"]["domain"] == {"name": "Default"}
    assert asked["scope"]["project"]["domain"] == {"name": "Default"}


def test_domains_that_are_given_stay(identity, context, conf):
    said = auth(
        user_domain_name="Users", project_name="demo", project_domain_id="projects"
    )
    target_context(identity.url, said, context, conf)
    asked = identity.logins[0]["auth"]
    assert asked["identity"]["password"]["user"]["domain"] == {"name": "Users"}
    assert asked["scope"]["project"]["domain"] == {"id": "projects"}


def refused(identity_url, said, context, conf):
    with pytest.raises(exception.AuthorizationFailure) as caught:
        target_context(identity_url, said, context, conf)
    assert identity_url in str(caught.value)
    for error in (caught.value, caught.value.__cause__):
        assert SECRET not in str(error)
        assert SECRET not in repr(error)
    return str(caught.value)


def test_a_wrong_password_is_named_but_not_told(identity, context, conf):
    identity.users[0].password = "another"
    message = refused(identity.url, auth(), context, conf)
    assert "refused the user name or password" in message


def test_a_keystone_that_fails_gives_its_reason(identity, context, conf):
    identity.fail_with = 500
    assert "500" in refused(identity.url, auth(), context, conf)


def test_a_keystone_that_is_not_there_is_named(context, conf):
    refused("http://127.0.0.1:9/v3", auth(), context, conf)


def test_an_unknown_type_is_refused(identity, context, conf):
    message = refused(identity.url, auth(type="token"), context, conf)
    assert "'token'" in message


@pytest.mark.parametrize("lacking", ["username", "password"])
def test_incomplete_credentials_are_refused(identity, context, conf, lacking):
    said = auth()
    del said[lacking]
    assert "lacks" in refused(identity.url, said, context, conf)


def test_a_user_without_a_project_is_told_to_name_one(identity, context, conf):
    identity.users[0].project_id = ""
    assert "project_name" in refused(identity.url, auth(), context, conf)


def test_nothing_secret_is_logged(identity, context, conf, caplog):
    caplog.set_level(logging.DEBUG)
    # Another test may have set the levels that a service has.
    caplog.set_level(logging.DEBUG, logger="keystoneauth")
    made = target_context(identity.url, auth(), context, conf)
    assert SECRET not in caplog.text
    assert made.auth_token not in caplog.text


def test_clients_use_the_other_clouds_endpoint_and_only_its_token(
    identity, context, conf
):
    """Neither a configured endpoint nor Karbor's own token of this cloud."""
    with WebServer(lambda request: Answer(body=b'{"images": []}')).running() as web:
        identity.catalog[:] = [catalog_entry("image", "glance", web.url)]
        ClientFactory.create_client(
            "glance",
            RequestContext(project_id="p", auth_token="t", overwrite=False),
            _with_endpoint(conf, "http://192.0.2.9"),
        )
        there = target_context(identity.url, auth(), context, conf)
        client = ClientFactory.create_client("glance", there, conf)
        assert list(client.images.list()) == []
    (request,) = web.requests
    assert request.headers["X-Auth-Token"] == there.auth_token
    assert "X-Service-Token" not in request.headers


def _with_endpoint(conf, url):
    from karbor.services.protection.clients import glance

    glance.OPTIONS.register(conf)
    conf.set_override("glance_endpoint", url, group="glance_client")
    return conf
