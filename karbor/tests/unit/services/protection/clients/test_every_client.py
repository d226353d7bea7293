# SPDX-License-Identifier: Apache-2.0
"""What holds for the client of every service: where it goes, with what, how long."""

import dataclasses
import datetime
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import keystoneauth1.exceptions
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import CLIENT_MODULES, ClientFactory
from karbor.services.protection.clients import endpoints
from karbor.services.protection.clients.faults import ServiceFailed, calling
from karbor.tests.fakes.identity import IdentityServer, User
from karbor.tests.fakes.web import Answer, WebServer

PROJECT = "0123456789abcdef0123456789abcdef"


@dataclasses.dataclass(frozen=True)
class Service:
    """A service as its client sees it.

    :param call: one GET
    :param types: names that catalogues have for it
    :param version: what catalogues have behind its URL
    :param path: where the call arrives, without the query
    """

    call: Callable[[Any], Any]
    types: tuple[str, ...]
    version: str
    path: str


SERVICES = {
    "cinder": Service(
        lambda client: client.volumes.list(),
        ("volumev3", "block-storage", "block-store", "volume"),
        f"/v3/{PROJECT}",
        f"/v3/{PROJECT}/volumes/detail",
    ),
    "freezer": Service(
        lambda client: client.jobs.list_all(),
        ("backup",),
        "",
        f"/v2/{PROJECT}/jobs/",
    ),
    "glance": Service(
        lambda client: list(client.images.list()), ("image",), "", "/v2/images"
    ),
    "keystone": Service(
        lambda client: client.get("/projects"), ("identity",), "/v3", "/v3/projects"
    ),
    "manila": Service(
        lambda client: client.shares.list(),
        ("sharev2", "shared-file-system"),
        "/v2",
        "/v2/shares/detail",
    ),
    "neutron": Service(
        lambda client: client.list_networks(), ("network",), "", "/v2.0/networks"
    ),
    "nova": Service(
        lambda client: client.servers.list(),
        ("compute",),
        "/v2.1",
        "/v2.1/servers/detail",
    ),
    "swift": Service(
        lambda client: client.get_account(),
        ("object-store",),
        f"/v1/AUTH_{PROJECT}",
        f"/v1/AUTH_{PROJECT}",
    ),
    "trove": Service(
        lambda client: client.instances.list(),
        ("database",),
        f"/v1.0/{PROJECT}",
        f"/v1.0/{PROJECT}/instances",
    ),
}

NAMES = sorted(SERVICES)
ALL_TYPES = [(name, kind) for name in NAMES for kind in SERVICES[name].types]
#: Their calls that a service has not answered are sent again by the library itself.
_QUICK = "retries = 0\nretry_interval = 0.01\n"
_QUICK_SWIFT = f"{_QUICK}swift_retry_attempts = 0\nswift_retry_backoff = 0\n"

_LISTS = ("images", "instances", "jobs", "networks", "projects", "servers", "shares")
NOTHING = json.dumps({name: [] for name in (*_LISTS, "volumes")}).encode()


def nothing(request):
    return Answer(body=b"[]" if "/AUTH_" in request.path else NOTHING)


@pytest.fixture
def web():
    with WebServer(nothing).running() as server:
        yield server


def configuration(tmp_path, name, more="", text=""):
    path = tmp_path / "karbor.conf"
    quick = _QUICK_SWIFT if name == "swift" else _QUICK
    path.write_text(f"[{name}_client]\n{quick}{more}\n{text}")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    return conf


def caller(catalog=()):
    return RequestContext(
        user_id="alice",
        project_id=PROJECT,
        auth_token="user-token",
        service_catalog=list(catalog),
        overwrite=False,
    )


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


class _SecretServer:
    """The web server over TLS, with a certificate that nobody but us knows."""

    def __init__(self, folder):
        self.certificate = folder / "server.pem"
        _write_certificate(self.certificate)
        self.web = WebServer(nothing)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        inner = self.web._server
        inner.socket = context.wrap_socket(inner.socket, server_side=True)
        self.url = self.web.url.replace("http://", "https://")


def _write_certificate(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    server = _SecretServer(tmp_path_factory.mktemp("tls"))
    with server.web.running():
        yield server


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("option", "is_trusted"),
    [
        ("", False),
        ("{name}_ca_cert_file = {certificate}", True),
        ("{name}_auth_insecure = True", True),
    ],
    ids=["as the system", "a file of certificates", "no check"],
)
def test_certificates_are_checked_as_configured(
    name, option, is_trusted, secret, tmp_path
):
    trust = option.format(name=name, certificate=secret.certificate)
    endpoint = f"{name}_endpoint = {secret.url}{SERVICES[name].version}"
    conf = configuration(tmp_path, name, f"{endpoint}\n{trust}")
    client = ClientFactory.create_client(name, caller(), conf)
    arrived = len(secret.web.requests)
    if is_trusted:
        SERVICES[name].call(client)
        assert len(secret.web.requests) == arrived + 1
        return
    with (
        pytest.raises(Exception, match=r"(?i)certificate|SSL") as caught,
        calling(name, "list"),
    ):
        SERVICES[name].call(client)
    assert not isinstance(caught.value, keystoneauth1.exceptions.Unauthorized)
    assert len(secret.web.requests) == arrived


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
