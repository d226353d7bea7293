# SPDX-License-Identifier: Apache-2.0
"""The API's own HTTP server: ports, TLS, long answers, chunked bodies."""

import concurrent.futures
import datetime
import ipaddress
import json
import threading

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from karbor.api.app import create_app
from karbor.api.server import Server, register_opts
from karbor.tests.unit.api.conftest import PLAN, PROJECT


@pytest.fixture
def serve(conf, protection, database):
    """``serve()`` starts the API on a free port."""
    register_opts(conf)
    conf.set_override("osapi_karbor_listen_port", 0)
    servers = []

    def start(app=None):
        server = Server(conf, app or create_app(conf, protection, database))
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def test_it_answers_where_it_says(serve):
    url = serve().url
    answer = requests.get(f"{url}/v1/{PROJECT}/plans", timeout=30)
    assert answer.json() == {"plans": []}
    [version] = requests.get(url, timeout=30, allow_redirects=False).json()["versions"]
    assert version["links"][0]["href"] == f"{url}/v1/"


def test_it_listens_on_ipv6(serve, conf):
    conf.set_override("osapi_karbor_listen", "::1")
    url = serve().url
    assert url.startswith("http://[::1]:")
    assert requests.get(f"{url}/healthcheck", timeout=30).status_code == 200


def test_a_body_in_chunks_is_read_to_its_end(serve):
    url = f"{serve().url}/v1/{PROJECT}/plans"
    raw = json.dumps({"plan": PLAN}).encode()
    chunks = (raw[at : at + 7] for at in range(0, len(raw), 7))
    answer = requests.post(url, data=chunks, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["plan"]["name"] == "plan"


def test_a_body_in_chunks_that_is_too_large_is_refused(serve, conf):
    conf.set_override("max_request_body_size", 1000, group="oslo_middleware")
    url = f"{serve().url}/v1/{PROJECT}/plans"
    answer = requests.post(url, data=(b"x" * 100 for _ in range(50)), timeout=30)
    assert answer.status_code == 413
    assert "overLimit" in answer.json()


def test_one_connection_takes_many_requests(serve):
    url = f"{serve().url}/v1/{PROJECT}/plans"
    with requests.Session() as session:
        for number in range(5):
            plan = {**PLAN, "name": f"{number}"}
            assert session.post(url, json={"plan": plan}, timeout=30).ok
            assert session.post(url, data=b"{", timeout=30).status_code == 400
        assert len(session.get(url, timeout=30).json()["plans"]) == 5


def test_stopping_lets_a_running_request_end(serve):
    arrived, may_end = threading.Event(), threading.Event()

    def slow(environ, start_response):
        arrived.set()
        assert may_end.wait(30)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    server = serve(slow)
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(requests.get(server.url, timeout=30).text)
    )
    asking.start()
    assert arrived.wait(30)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    may_end.set()
    for thread in (asking, stopping):
        thread.join(30)
    assert answers == ["done"]
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=30)


def test_a_port_that_is_taken_is_an_error(serve, conf):
    taken = serve().url.rpartition(":")[2]
    conf.set_override("osapi_karbor_listen_port", int(taken))
    with pytest.raises(OSError, match=taken):
        serve()


def make_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "karbor-api")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def test_it_speaks_tls_with_its_certificate(serve, conf, tmp_path):
    make_certificate(tmp_path)
    certificate = str(tmp_path / "cert.pem")
    conf.set_override("osapi_karbor_cert_file", certificate)
    conf.set_override("osapi_karbor_key_file", str(tmp_path / "key.pem"))
    url = serve().url
    assert url.startswith("https://")
    answer = requests.get(f"{url}/healthcheck", verify=certificate, timeout=30)
    assert answer.status_code == 200


def test_a_certificate_without_its_key_is_an_error(serve, conf):
    conf.set_override("osapi_karbor_cert_file", "/cert.pem")
    with pytest.raises(ValueError, match="osapi_karbor_key_file"):
        serve()


def test_sixteen_callers_write_at_once_and_nothing_is_lost(serve):
    url = f"{serve().url}/v1/{PROJECT}/plans"

    def create(name):
        plan = {**PLAN, "name": name}
        return requests.post(url, json={"plan": plan}, timeout=120).status_code

    names = [f"{number}" for number in range(160)]
    with concurrent.futures.ThreadPoolExecutor(16) as callers:
        assert set(callers.map(create, names)) == {200}
    plans = requests.get(url, timeout=30).json()["plans"]
    assert sorted(plan["name"] for plan in plans) == sorted(names)
