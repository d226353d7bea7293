# SPDX-License-Identifier: Apache-2.0
"""Logging in to the cloud that a restore names."""

import logging
import time

import pytest
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import restore_target
from karbor.services.protection.clients.renewal import renew
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


def test_a_keystone_that_fails_for_a_moment_is_asked_again(
    identity, context, conf, monkeypatch
):
    once = identity.log_in

    def log_in(asked):
        monkeypatch.setattr(identity, "log_in", once)
        return 503, {"error": {"message": "busy"}}, {"Retry-After": "0.01"}

    monkeypatch.setattr(identity, "log_in", log_in)
    made = target_context(identity.url, auth(), context, conf)
    assert made.auth_token in identity.tokens


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


def test_a_keystone_that_fails_gives_its_reason(identity, context, conf, monkeypatch):
    monkeypatch.setattr(restore_target, "KEYSTONE_RETRIES", 0)
    identity.fail_with = 500
    assert "500" in refused(identity.url, auth(), context, conf)


def test_a_keystone_that_is_not_there_is_named(context, conf, monkeypatch):
    monkeypatch.setattr(restore_target, "KEYSTONE_RETRIES", 0)
    refused("http://127.0.0.1:9/v3", auth(), context, conf)


def test_an_unknown_type_is_refused(identity, context, conf):
    message = refused(identity.url, auth(type="kerberos"), context, conf)
    assert "'kerberos'" in message
    assert "v3applicationcredential" in message


def test_an_application_credential_enters_its_own_project(identity, context, conf):
    identity.application_credentials["app", SECRET] = identity.users[0]
    said = {
        "type": "v3applicationcredential",
        "application_credential_id": "app",
        "application_credential_secret": SECRET,
    }
    made = target_context(identity.url, said, context, conf)
    assert made.project_id == identity.users[0].project_id
    assert identity.tokens[made.auth_token] is identity.users[0]


def test_a_wrong_secret_of_an_application_credential_is_not_told(
    identity, context, conf
):
    said = {
        "type": "v3applicationcredential",
        "application_credential_id": "app",
        "application_credential_secret": SECRET,
    }
    assert "or the secret" in refused(identity.url, said, context, conf)


def test_a_token_enters(identity, context, conf):
    said = {"type": "token", "token": identity.issue(identity.users[0])}
    made = target_context(identity.url, said, context, conf)
    assert identity.tokens[made.auth_token] is identity.users[0]


def test_where_to_log_in_is_the_target_alone(identity, context, conf):
    """What a restore_auth says beyond the credentials counts for nothing."""
    said = auth(auth_url="http://192.0.2.1/v3", trust_id="x", reauthenticate=False)
    made = target_context(identity.url, said, context, conf)
    assert made.auth_token in identity.tokens


@pytest.mark.parametrize("lacking", ["username", "password"])
def test_incomplete_credentials_are_refused(identity, context, conf, lacking):
    said = auth()
    del said[lacking]
    assert "lacks" in refused(identity.url, said, context, conf)


def test_a_user_without_a_project_is_told_to_name_one(identity, context, conf):
    identity.users[0].project_id = ""
    message = refused(identity.url, auth(), context, conf)
    assert "project_name" in message
    assert "The user's projects: none" in message


def test_a_user_with_one_project_enters_that(identity, context, conf):
    """The client of Karbor 1.x can name a user and a password only."""
    identity.users[0].project_id = ""
    identity.users[0].other_projects = (("1" * 32, "only"),)
    made = target_context(identity.url, auth(), context, conf)
    assert (made.project_id, made.project_name) == ("1" * 32, "only")
    made.auth_plugin.invalidate()
    assert identity.tokens[made.auth_plugin.get_token()].project_id == "1" * 32


def test_a_user_with_more_projects_is_told_which(identity, context, conf):
    identity.users[0].project_id = ""
    identity.users[0].other_projects = (("1" * 32, "one"), ("2" * 32, "two"))
    assert "one, two" in refused(identity.url, auth(), context, conf)


def test_its_token_is_renewed_for_as_long_as_the_restore_goes_on(
    identity, context, conf
):
    identity.token_life = 1
    made = target_context(identity.url, auth(), context, conf)
    first = made.auth_token
    time.sleep(1.1)
    renew(made)
    assert made.auth_token != first
    assert identity.is_valid(made.auth_token)


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


SERVICE_AUTH = """
[service_auth]
auth_type = password
auth_url = {url}
username = karbor
password = service-secret
user_domain_name = Default
project_name = service
project_domain_name = Default

[glance_client]
glance_endpoint = {glance}
"""


@pytest.mark.parametrize("is_said_by", ["[service_auth]", "the catalogue"])
def test_another_project_of_the_same_cloud_is_reached_as_configured(
    identity, context, tmp_path, is_said_by
):
    """A configured endpoint and Karbor's own token belong to this cloud's services."""
    identity.users.append(User("karbor", "service-secret", project_name="service"))
    with (
        WebServer(lambda request: Answer(body=b'{"images": []}')).running() as web,
        IdentityServer(identity.users, []).running() as other,
    ):
        keystone = identity if is_said_by == "[service_auth]" else other
        context.service_catalog = [catalog_entry("identity", "keystone", identity.url)]
        path = tmp_path / "karbor.conf"
        path.write_text(SERVICE_AUTH.format(url=keystone.url, glance=web.url))
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(path)])
        there = target_context(identity.url.removesuffix("/v3"), auth(), context, conf)
        client = ClientFactory.create_client("glance", there, conf)
        assert list(client.images.list()) == []
    (request,) = web.requests
    assert request.headers["X-Auth-Token"] == there.auth_token
    assert request.headers["X-Service-Token"] in keystone.tokens


def test_a_region_may_be_said(identity, context, conf):
    made = target_context(identity.url, auth(region_name="Two"), context, conf)
    assert made.region_name == "Two"
    assert "Two" not in str(identity.logins)


def test_another_region_of_this_cloud_is_not_reached_as_configured(
    identity, context, conf
):
    context.service_catalog = [catalog_entry("identity", "keystone", identity.url)]
    with WebServer(lambda request: Answer(body=b'{"images": []}')).running() as web:
        entry = catalog_entry("image", "glance", "http://192.0.2.1")
        endpoint = entry["endpoints"][0]
        entry["endpoints"].append({**endpoint, "region_id": "Two", "url": web.url})
        identity.catalog[:] = [entry]
        there = target_context(identity.url, auth(region_name="Two"), context, conf)
        client = ClientFactory.create_client(
            "glance", there, _with_endpoint(conf, "http://192.0.2.9")
        )
        assert list(client.images.list()) == []
    assert len(web.requests) == 1


def test_a_region_that_the_other_cloud_does_not_have_is_told(identity, context, conf):
    there = target_context(identity.url, auth(region_name="Two"), context, conf)
    with pytest.raises(exception.KarborException, match=r"region Two.*region_name"):
        ClientFactory.create_client("glance", there, conf)


def _with_endpoint(conf, url):
    from karbor.services.protection.clients import glance

    glance.OPTIONS.register(conf)
    conf.set_override("glance_endpoint", url, group="glance_client")
    return conf
