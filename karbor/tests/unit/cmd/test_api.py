# SPDX-License-Identifier: Apache-2.0
"""karbor-api as a real process, and as a module for another WSGI server."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests
from oslo_config import cfg

from karbor.db import migration, options

PROJECT = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def config_file(tmp_path, port):
    path = tmp_path / "karbor.conf"
    path.write_text(
        f"[DEFAULT]\nauth_strategy = noauth\nosapi_karbor_listen_port = {port}\n"
        f"[database]\nconnection = sqlite:///{tmp_path}/karbor.sqlite\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def tables(config_file):
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf(["--config-file", str(config_file)], project="karbor")
    migration.sync(conf)


@pytest.fixture
def start(config_file):
    started = []

    def run():
        process = subprocess.Popen(
            [sys.executable, "-m", "karbor.cmd.api", "--config-file", str(config_file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_for(url, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        try:
            return requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"nobody answers at {url}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_asked_to_stop(start, tables, port, number):
    process = start()
    url = f"http://127.0.0.1:{port}"
    assert wait_for(f"{url}/healthcheck", process).status_code == 200
    answer = requests.get(f"{url}/v1/{PROJECT}/plans", timeout=30)
    assert answer.json() == {"plans": []}
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Traceback" not in output


def test_without_tables_it_says_what_to_run(start):
    process = start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "karbor-manage db sync" in output
    assert "Traceback" not in output


def test_a_port_that_is_taken_is_named(start, tables, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        process = start()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert str(port) in output
    assert "Traceback" not in output


def test_another_wsgi_server_finds_the_application(config_file, tables):
    script = (
        "from wsgiref.util import setup_testing_defaults\n"
        "from karbor.api.wsgi import application\n"
        f"environ = {{'PATH_INFO': '/v1/{PROJECT}/plans'}}\n"
        "setup_testing_defaults(environ)\n"
        "print(b''.join(application(environ, lambda *_: None)).decode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "OS_KARBOR_CONFIG_FILES": str(config_file)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == '{"plans": []}', done.stderr
