# SPDX-License-Identifier: Apache-2.0
"""Whose certificates the client of every service takes."""

import datetime
import ipaddress
import ssl

import keystoneauth1.exceptions
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.faults import calling
from karbor.tests.fakes.web import WebServer
from karbor.tests.unit.services.protection.clients.services import (
    NAMES,
    SERVICES,
    caller,
    configuration,
    nothing,
)


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
