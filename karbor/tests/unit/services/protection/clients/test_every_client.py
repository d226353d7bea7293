# SPDX-License-Identifier: Apache-2.0
"""What holds for the client of every service: where it goes, with what, how long."""

import socket
import threading
import time

import pytest

from karbor.services.protection.client_factory import CLIENT_MODULES, ClientFactory
from karbor.services.protection.clients import endpoints
from karbor.services.protection.clients.faults import ServiceFailed, calling
from karbor.tests.fakes.identity import IdentityServer, User
from karbor.tests.fakes.web import Answer, WebServer
from karbor.tests.unit.services.protection.clients.services import (
    ALL_TYPES,
    NAMES,
    PROJECT,
    SERVICES,
    caller,
    configuration,
    nothing,
)


@pytest.fixture
def web():
    with WebServer(nothing).running() as server:
        yield server


def entry(service_type, endpoint_of, *, name="a name"):
    """A service with an endpoint for each interface of two regions."""
    return {
        "type": service_type,
        "name": name,
        "endpoints": [
            {
                "interface": interface,
                "region_id": region,
                "region": region,
                "url": endpoint_of(region, interface),
            }
            for region in ("RegionOne", "RegionTwo")
            for interface in ("admin", "internal", "public")
        ],
    }


def everywhere(web, name, service_type=None):
    service = SERVICES[name]
    return entry(
        service_type or service.types[0],
        lambda region, interface: f"{web.url}/{region}/{interface}{service.version}",
    )


def path_of_the_call(web, name, context, conf):
    SERVICES[name].call(ClientFactory.create_client(name, context, conf))
    return web.requests[-1].path.partition("?")[0]


def test_no_service_was_forgotten():
    assert set(SERVICES) == set(CLIENT_MODULES)


@pytest.mark.parametrize(("name", "service_type"), ALL_TYPES)
def test_it_is_found_under_each_name_of_its_type(name, service_type, web, tmp_path):
    context = caller([everywhere(web, name, service_type)])
    path = path_of_the_call(web, name, context, configuration(tmp_path, name))
    assert path == f"/RegionOne/public{SERVICES[name].path}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("said", "interface"),
    [
        ("publicURL", "public"),
        ("internalURL", "internal"),
        ("adminURL", "admin"),
        ("internal", "internal"),
    ],
)
def test_the_interface_is_the_configured_one(name, said, interface, web, tmp_path):
    kind = SERVICES[name].types[0]
    conf = configuration(tmp_path, name, f"{name}_catalog_info = {kind}:x:{said}")
    path = path_of_the_call(web, name, caller([everywhere(web, name)]), conf)
    assert path == f"/RegionOne/{interface}{SERVICES[name].path}"


@pytest.mark.parametrize("name", NAMES)
def test_the_region_is_the_configured_one(name, web, tmp_path):
    conf = configuration(tmp_path, name, "region_id = RegionTwo")
    path = path_of_the_call(web, name, caller([everywhere(web, name)]), conf)
    assert path == f"/RegionTwo/public{SERVICES[name].path}"


@pytest.mark.parametrize("name", NAMES)
def test_a_catalogue_may_leave_the_version_out(name, web, tmp_path):
    version = SERVICES[name].version if name == "swift" else ""
    bare = entry(SERVICES[name].types[0], lambda *_: f"{web.url}/here{version}")
    conf = configuration(tmp_path, name)
    expected = SERVICES[name].path
    if name == "cinder":
        expected = "/v3/volumes/detail"
    assert path_of_the_call(web, name, caller([bare]), conf) == f"/here{expected}"


@pytest.mark.parametrize("name", NAMES)
def test_a_configured_endpoint_comes_before_the_catalogue(name, web, tmp_path):
    version = SERVICES[name].version
    conf = configuration(
        tmp_path, name, f"{name}_endpoint = {web.url}/configured{version}"
    )
    path = path_of_the_call(web, name, caller([everywhere(web, name)]), conf)
    expected = SERVICES[name].path
    if name == "nova":  # as Karbor 1.x has it
        expected = f"/v2.1/{PROJECT}/servers/detail"
    assert path == f"/configured{expected}"


@pytest.mark.parametrize("name", NAMES)
def test_a_configured_endpoint_may_leave_the_version_out(name, web, tmp_path):
    version = SERVICES[name].version if name == "swift" else ""
    conf = configuration(
        tmp_path, name, f"{name}_endpoint = {web.url}/configured{version}"
    )
    expected = SERVICES[name].path
    if name == "nova":  # as Karbor 1.x has it
        expected = f"/v2.1/{PROJECT}/servers/detail"
    path = path_of_the_call(web, name, caller(), conf)
    assert path == f"/configured{expected}"


@pytest.mark.parametrize("name", NAMES)
def test_in_another_cloud_its_public_endpoints_of_the_usual_types_count(
    name, web, tmp_path
):
    """Whatever this cloud's catalogue is configured to have."""
    conf = configuration(
        tmp_path,
        name,
        f"{name}_catalog_info = ours:ours:internalURL\nservice_type = ours\n"
        f"region_id = RegionTwo\n{name}_endpoint = http://192.0.2.1",
    )
    context = caller([everywhere(web, name)])
    context.is_foreign = True
    assert ClientFactory.is_offered(name, context, conf)
    path = path_of_the_call(web, name, context, conf)
    assert path == f"/RegionOne/public{SERVICES[name].path}"
    context.region_name = "RegionTwo"
    path = path_of_the_call(web, name, context, conf)
    assert path == f"/RegionTwo/public{SERVICES[name].path}"


@pytest.mark.parametrize("name", NAMES)
def test_a_catalogue_of_keystones_first_shape_is_read(name, web, tmp_path):
    service = SERVICES[name]
    old = {
        "type": service.types[0],
        "name": "x",
        "endpoints": [
            {
                "region": "RegionOne",
                "publicURL": f"{web.url}/old{service.version}",
                "internalURL": f"{web.url}/inside{service.version}",
            }
        ],
    }
    path = path_of_the_call(web, name, caller([old]), configuration(tmp_path, name))
    assert path == f"/old{service.path}"


@pytest.mark.parametrize("name", NAMES)
def test_the_users_token_goes_with_karbors_own_beside_it(name, web, tmp_path):
    users = [User("karbor", "service-secret", project_name="service")]
    with IdentityServer(users, []).running() as identity:
        conf = configuration(
            tmp_path,
            name,
            text=f"[service_auth]\nauth_type = password\nauth_url = {identity.url}\n"
            "username = karbor\npassword = service-secret\nproject_name = service\n"
            "user_domain_name = Default\nproject_domain_name = Default\n",
        )
        path_of_the_call(web, name, caller([everywhere(web, name)]), conf)
        headers = {key.lower(): v for key, v in web.requests[-1].headers.items()}
        assert headers["x-auth-token"] == "user-token"
        if name != "swift":  # its library sends none
            assert headers["x-service-token"] in identity.tokens


@pytest.mark.parametrize("name", NAMES)
def test_it_waits_no_longer_than_configured(name, tmp_path):
    """A service that takes the connection and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        conf = configuration(
            tmp_path,
            name,
            f"{name}_endpoint = {url}{SERVICES[name].version}\nread_timeout = 0.2\n",
        )
        client = ClientFactory.create_client(name, caller(), conf)
        started = time.monotonic()
        with pytest.raises(ServiceFailed), calling(name, "list"):
            SERVICES[name].call(client)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("name", NAMES)
def test_a_call_that_fails_for_a_moment_is_made_again(name, tmp_path):
    left = [Answer(status=503), Answer(drop=True)]

    def answer(request):
        return left.pop() if left else nothing(request)

    with WebServer(answer).running() as web:
        conf = configuration(
            tmp_path, name, f"{name}_endpoint = {web.url}{SERVICES[name].version}"
        )
        conf.register_opts(
            ClientFactory.get_client_module(name).OPTIONS.options, f"{name}_client"
        )
        option = "swift_retry_attempts" if name == "swift" else "retries"
        conf.set_override(option, 3, group=f"{name}_client")
        SERVICES[name].call(ClientFactory.create_client(name, caller(), conf))
    assert len(web.requests) == 3


def test_freezers_library_is_as_it_was_for_others(web):
    from freezerclient.v2.managers import jobs

    class Plain:
        endpoint, project_id, auth_token = web.url, PROJECT, "other-token"

    assert jobs.JobManager(Plain(), verify=True).list_all() == []
    assert web.requests[0].headers["X-Auth-Token"] == "other-token"


def test_two_freezer_clients_at_once_never_meet(tmp_path):
    def client_of(web, folder):
        folder.mkdir()
        conf = configuration(folder, "freezer", f"freezer_endpoint = {web.url}")
        return ClientFactory.create_client("freezer", caller(), conf)

    with WebServer(nothing).running() as one, WebServer(nothing).running() as other:
        clients = [
            client_of(one, tmp_path / "one"),
            client_of(other, tmp_path / "other"),
        ]
        threads = [
            threading.Thread(target=client.jobs.list_all) for client in clients * 5
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(one.requests) == len(other.requests) == 5


def test_an_older_version_of_an_api_is_not_taken_for_it():
    old = entry("volumev2", lambda *_: "http://old/v2")
    new = entry("block-storage", lambda *_: "http://new/v3")
    find = endpoints.catalog_endpoint
    assert find([old, new], "volumev3", "", "public") == "http://new/v3"
    assert find([old], "volumev3", "", "public") is None


def test_the_exact_type_comes_first_and_the_name_next():
    catalog = [
        entry("block-storage", lambda *_: "http://other-type", name="cinderv3"),
        entry("volumev3", lambda *_: "http://other-name", name="x"),
        entry("volumev3", lambda *_: "http://this", name="cinderv3"),
    ]
    find = endpoints.catalog_endpoint
    assert find(catalog, "volumev3", "cinderv3", "public") == "http://this"
    assert find(catalog[:2], "volumev3", "cinderv3", "public") == "http://other-name"
    assert find(catalog[:1], "volumev3", "cinderv3", "public") == "http://other-type"
