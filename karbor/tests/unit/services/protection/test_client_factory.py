# SPDX-License-Identifier: Apache-2.0
"""Clients: whose token, which endpoint, what is repeated."""

import gc
import inspect
import json
import logging

import glanceclient.exc
import pytest
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import sessions
from karbor.services.protection.provider_file import ProviderFile
from karbor.tests.fakes.identity import IdentityServer, User, catalog_entry
from karbor.tests.fakes.web import Answer, WebServer

NO_IMAGES = Answer(body=b'{"images": []}')
PROJECT = "0123456789abcdef0123456789abcdef"


def configuration(text="", tmp_path=None):
    conf = cfg.ConfigOpts()
    files = []
    if text:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.conf"
        path.write_text(text)
        files = [str(path)]
    conf([], default_config_files=files)
    return conf


def caller(**values):
    values = {"user_id": "alice", "project_id": PROJECT, "overwrite": False, **values}
    return RequestContext(**values)


@pytest.fixture
def web():
    with WebServer(lambda request: NO_IMAGES).running() as server:
        yield server


def glance_at(url, tmp_path, more=""):
    text = f"[glance_client]\nglance_endpoint = {url}\nretry_interval = 0.01\n{more}\n"
    return configuration(text, tmp_path)


def test_the_signature_is_that_of_karbor_1():
    parameters = inspect.signature(ClientFactory.create_client).parameters
    assert list(parameters) == [
        "service",
        "context",
        "conf",
        "privileged_user",
        "kwargs",
    ]
    assert parameters["conf"].default is cfg.CONF
    assert parameters["privileged_user"].default is False


def test_an_unknown_service_is_named_with_the_known_ones():
    with pytest.raises(exception.KarborException, match=r"'zaqar'.*glance"):
        ClientFactory.create_client("zaqar", caller(), configuration())


def test_the_callers_token_goes_to_the_configured_endpoint(web, tmp_path):
    client = ClientFactory.create_client(
        "glance", caller(auth_token="secret-token"), glance_at(web.url, tmp_path)
    )
    list(client.images.list())
    assert web.requests[0].headers["X-Auth-Token"] == "secret-token"
    assert web.requests[0].path.startswith("/v2/images?")


@pytest.mark.parametrize("suffix", ["/v2", "/v2/", "/"])
def test_an_endpoint_may_name_its_version(web, tmp_path, suffix):
    conf = glance_at(web.url + suffix, tmp_path)
    list(ClientFactory.create_client("glance", caller(), conf).images.list())
    assert web.requests[0].path.startswith("/v2/images?")


def test_a_lab_without_keystone_is_told_user_and_project(web, tmp_path):
    client = ClientFactory.create_client(
        "glance", caller(), glance_at(web.url, tmp_path)
    )
    list(client.images.list())
    assert web.requests[0].headers["X-Auth-Token"] == f"alice:{PROJECT}"


@pytest.mark.parametrize("shape", ["v2", "v3"])
def test_the_endpoint_comes_from_the_callers_catalogue(web, shape):
    entry = catalog_entry("image", "glance", web.url)
    if shape == "v2":
        entry["endpoints"] = [{"publicURL": web.url, "region": "RegionOne"}]
    context = caller(auth_token="t", service_catalog=[entry])
    client = ClientFactory.create_client("glance", context, configuration())
    list(client.images.list())
    assert len(web.requests) == 1


def test_the_endpoint_comes_from_the_tokens_information_too(web):
    info = {"token": {"catalog": [catalog_entry("image", "glance", web.url)]}}
    context = caller(auth_token="t", auth_token_info=info)
    list(ClientFactory.create_client("glance", context, configuration()).images.list())
    assert len(web.requests) == 1


def test_the_region_chooses_among_endpoints(web, tmp_path):
    entry = catalog_entry("image", "glance", "http://192.0.2.1")
    entry["endpoints"] += [
        {"interface": "public", "region_id": "Two", "region": "Two", "url": web.url}
    ]
    conf = configuration("[glance_client]\nregion_id = Two\n", tmp_path)
    context = caller(auth_token="t", service_catalog=[entry])
    list(ClientFactory.create_client("glance", context, conf).images.list())
    assert len(web.requests) == 1


def test_an_alias_of_the_service_type_is_found():
    entry = catalog_entry("block-storage", "cinder", "http://192.0.2.1/v3")
    context = caller(auth_token="t", service_catalog=[entry])
    client = ClientFactory.create_client("cinder", context, configuration())
    assert client.client.endpoint_override == "http://192.0.2.1/v3"


def test_nova_and_cinder_endpoints_get_the_project_appended(tmp_path):
    conf = configuration("[nova_client]\nnova_endpoint = http://n/v2.1/\n", tmp_path)
    client = ClientFactory.create_client("nova", caller(auth_token="t"), conf)
    assert client.client.endpoint_override == f"http://n/v2.1/{PROJECT}"


def test_the_project_appended_is_that_of_the_token(tmp_path):
    """Services answer another one with 404, also to an admin."""
    context = caller(auth_token="t", token_project_id="f" * 32)
    conf = configuration("[nova_client]\nnova_endpoint = http://n/v2.1\n", tmp_path)
    client = ClientFactory.create_client("nova", context, conf)
    assert client.client.endpoint_override == f"http://n/v2.1/{'f' * 32}"


@pytest.mark.parametrize("service", ["keystone", "swift"])
def test_every_service_makes_a_client(service, tmp_path):
    text = f"[{service}_client]\n{service}_endpoint = http://192.0.2.1\n"
    made = ClientFactory.create_client(
        service, caller(auth_token="t"), configuration(text, tmp_path)
    )
    assert made is not None


def test_an_endpoint_that_nothing_names_is_an_error_with_the_next_step():
    with pytest.raises(exception.KarborException) as caught:
        ClientFactory.create_client("glance", caller(auth_token="t"), configuration())
    assert "[glance_client] glance_endpoint" in str(caught.value)


def test_no_token_and_no_endpoint_is_an_authorization_failure():
    with pytest.raises(exception.AuthorizationFailure, match="glance_endpoint"):
        ClientFactory.create_client("glance", caller(), configuration())


def test_a_malformed_catalog_info_names_its_option(tmp_path):
    conf = configuration("[glance_client]\nglance_catalog_info = image\n", tmp_path)
    with pytest.raises(exception.KarborException, match=r"\[glance_client\]"):
        ClientFactory.create_client("glance", caller(auth_token="t"), conf)


def test_two_configurations_never_meet(tmp_path):
    one = glance_at("http://192.0.2.1", tmp_path)
    two = glance_at("http://192.0.2.2", tmp_path)
    endpoints = [
        ClientFactory.create_client(
            "glance", caller(), conf
        ).http_client.endpoint_override
        for conf in (one, two, one)
    ]
    assert endpoints == ["http://192.0.2.1", "http://192.0.2.2", "http://192.0.2.1"]


class Flaky:
    """Fails so many times before it answers."""

    def __init__(self, failures, answer):
        self.left = failures
        self.failure = answer

    def __call__(self, request):
        self.left -= 1
        return self.failure if self.left >= 0 else NO_IMAGES


FAILURES = [Answer(status=503), Answer(status=429), Answer(drop=True)]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_get_is_repeated(failure, tmp_path):
    with WebServer(Flaky(2, failure)).running() as web:
        conf = glance_at(web.url, tmp_path)
        assert not list(
            ClientFactory.create_client("glance", caller(), conf).images.list()
        )
    assert len(web.requests) == 3


@pytest.mark.parametrize("failure", FAILURES)
def test_what_changes_something_is_sent_once(failure, tmp_path):
    with WebServer(Flaky(9, failure)).running() as web:
        client = ClientFactory.create_client(
            "glance", caller(), glance_at(web.url, tmp_path)
        )
        with pytest.raises(
            (glanceclient.exc.HTTPException, glanceclient.exc.CommunicationError)
        ):
            client.images.deactivate("x")
    assert len(web.requests) == 1


def test_giving_up_is_an_error_of_the_client(tmp_path):
    with WebServer(lambda request: Answer(status=503)).running() as web:
        conf = glance_at(web.url, tmp_path, "retries = 1")
        client = ClientFactory.create_client("glance", caller(), conf)
        with pytest.raises(glanceclient.exc.HTTPServiceUnavailable):
            list(client.images.list())
    assert len(web.requests) == 2


SERVICE_AUTH = """
[service_auth]
auth_type = password
auth_url = {url}
username = karbor
password = service-secret
user_domain_name = Default
project_name = service
project_domain_name = Default
"""


@pytest.fixture
def identity():
    users = [User("karbor", "service-secret", project_name="service")]
    with IdentityServer(users, []).running() as server:
        yield server


def test_karbors_own_token_goes_beside_the_callers(web, identity, tmp_path):
    conf = glance_at(web.url, tmp_path, SERVICE_AUTH.format(url=identity.url))
    for _attempt in range(2):
        context = caller(auth_token="user-token")
        list(ClientFactory.create_client("glance", context, conf).images.list())
    headers = web.requests[1].headers
    assert headers["X-Auth-Token"] == "user-token"
    assert headers["X-Service-Token"] in identity.tokens
    assert len(identity.logins) == 1, "one login serves all clients"


def test_a_privileged_client_acts_as_karbor(web, identity, tmp_path):
    identity.catalog[:] = [catalog_entry("image", "glance", web.url)]
    conf = configuration(SERVICE_AUTH.format(url=identity.url), tmp_path)
    client = ClientFactory.create_client("glance", None, conf, privileged_user=True)
    list(client.images.list())
    assert web.requests[0].headers["X-Auth-Token"] in identity.tokens


def test_a_privileged_client_without_credentials_says_which_group_to_set():
    with pytest.raises(exception.AuthorizationFailure, match=r"\[service_auth\]"):
        ClientFactory.create_client(
            "glance", caller(auth_token="t"), configuration(), privileged_user=True
        )


def test_credentials_that_cannot_be_used_are_named(tmp_path):
    conf = glance_at("http://x", tmp_path, "[service_auth]\nauth_type = nonsense\n")
    with pytest.raises(exception.AuthorizationFailure, match=r"\[service_auth\]"):
        ClientFactory.create_client("glance", caller(auth_token="t"), conf)


def test_the_token_of_a_dropped_configuration_is_dropped(identity, tmp_path):
    conf = configuration(SERVICE_AUTH.format(url=identity.url), tmp_path)
    assert sessions.service_auth(conf) is sessions.service_auth(conf)
    kept = sessions._service_credentials._entries
    key = id(conf)
    assert key in kept
    del conf
    gc.collect()
    assert key not in kept


def test_no_secret_reaches_the_log(web, identity, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    # Another test may have set the levels that a service has.
    caplog.set_level(logging.DEBUG, logger="keystoneauth")
    conf = glance_at(web.url, tmp_path, SERVICE_AUTH.format(url=identity.url))
    context = caller(auth_token="user-token-to-keep")
    list(ClientFactory.create_client("glance", context, conf).images.list())
    assert web.url in caplog.text
    for secret in ("user-token-to-keep", "service-secret", *identity.tokens):
        assert secret not in caplog.text


def test_an_upload_is_not_repeated_after_a_refused_token(tmp_path):
    """Its source is half read: a repetition would upload the other half."""
    parts = [b"a" * 70000, b"b" * 70000, b""]

    class Source:
        def read(self, size):
            return parts.pop(0)

    refusal = Answer(status=401, body=json.dumps({}).encode())
    with WebServer(lambda request: refusal).running() as web:
        client = ClientFactory.create_client(
            "glance", caller(auth_token="t"), glance_at(web.url, tmp_path)
        )
        with pytest.raises(glanceclient.exc.HTTPUnauthorized):
            client.images.upload("x", Source())
    assert len(web.requests) == 1
    assert len(web.requests[0].body) == 140000


def test_a_provider_has_the_services_credentials(web, identity, tmp_path):
    """Said in karbor.conf, used through the configuration of the provider's file."""
    service = glance_at(web.url, tmp_path, SERVICE_AUTH.format(url=identity.url))
    path = tmp_path / "provider.conf"
    path.write_text(
        "[provider]\nid = b766f37c-d011-4026-8228-28730d734a3f\nname = p\n"
        "plugin = x\nbank = y\nenabled = True\n"
    )
    conf = ProviderFile.read(str(path), service).conf
    context = caller(auth_token="user-token")
    list(ClientFactory.create_client("glance", context, conf).images.list())
    headers = web.requests[0].headers
    assert headers["X-Auth-Token"] == "user-token"
    assert headers["X-Service-Token"] in identity.tokens


def test_the_credentials_may_be_in_the_group_of_karbor_1(web, identity, tmp_path):
    credentials = SERVICE_AUTH.replace("[service_auth]", "[trustee]")
    text = credentials.format(url=identity.url) + "[service_auth]\nauth_section=trustee"
    conf = glance_at(web.url, tmp_path, text)
    context = caller(auth_token="user-token")
    list(ClientFactory.create_client("glance", context, conf).images.list())
    assert web.requests[0].headers["X-Service-Token"] in identity.tokens
