# SPDX-License-Identifier: Apache-2.0
"""Processes that outlive who started them, and their ports."""

import socket
import sys

import lab
import pytest
from cloud import processes
from cloud.processes import Process, Processes

from karbor.tests.servers.server import LOOPBACK, free_port

#: Its child listens on a port, and does not take a SIGTERM.
PARENT = """\
import os, signal, socket, sys, time
if os.fork():
    time.sleep(300)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(300)
"""


def test_what_is_stopped_has_given_its_port_back(settings):
    port = free_port()
    process = Process("parent", (sys.executable, "-c", PARENT, str(port)), port)
    running = Processes(settings)
    running.start(process)
    running.wait(process)
    assert running.is_up(process)

    running.stop(["parent"])

    socket.create_server((LOOPBACK, port)).close()
    assert not running.is_running("parent")
    assert list(settings.run.iterdir()) == []


def test_a_port_that_someone_else_has_is_told(settings, monkeypatch):
    monkeypatch.setattr(processes, "_FREE_SECONDS", 0)
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(lab.LabError, match=f"Port {port} is taken.*keystone"):
            Processes(settings).start(Process("keystone", ("false",), port))
    assert not Processes(settings).is_running("keystone")
