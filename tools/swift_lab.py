#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Swift of one's own: for tests and trying things out. Needs Python, no root.

    tools/swift_lab.py --base DIR start     prints where to log in when it answers
    tools/swift_lab.py --base DIR status    prints it, or exits 1
    tools/swift_lab.py --base DIR stop      ends what start started, nothing else
    tools/swift_lab.py --base DIR serve     stays in the foreground, until SIGTERM
    tools/swift_lab.py install              only makes the virtual environment

``start`` makes the virtual environment first when it is not there (Swift from PyPI,
pinned by ``constraints-swift.txt``; half a minute, once). Proxy, account, container and
object server, the two updaters and the expirer run on free ports of the loopback
interface; rings, databases, objects and log are under the base folder, which must be
on a filesystem with extended attributes. One replica, no Keystone, no memcached.

Log in by Swift's own auth (version 1.0) as ``test:tester`` with the key ``testing``.
The same server speaks S3: access key ``test:tester``, secret key ``testing``, region
``us-east-1``, path style.
"""

import argparse
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import pwd
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import lab

DAEMON = pathlib.Path(__file__).resolve().with_name("swift_daemon.py")
#: Below those that Linux gives to outgoing connections.
PORTS = range(20_000, 32_000)
# prctl(2)
_PR_SET_PDEATHSIG = 1

#: The name of each process, its module, and the configuration that it reads.
DAEMONS = (
    ("account-server", "swift.account.server", "account-server.conf"),
    ("container-server", "swift.container.server", "container-server.conf"),
    ("object-server", "swift.obj.server", "object-server.conf"),
    ("proxy-server", "swift.proxy.server", "proxy-server.conf"),
    ("container-updater", "swift.container.updater", "container-server.conf"),
    ("object-updater", "swift.obj.updater", "object-server.conf"),
    ("object-expirer", "swift.obj.expirer", "object-expirer.conf"),
)

SWIFT = """\
[swift-hash]
swift_hash_path_suffix = karbor
swift_hash_path_prefix = karbor
[storage-policy:0]
name = Policy-0
default = yes
"""

DEFAULT = """\
[DEFAULT]
swift_dir = {base}/etc
user = {user}
bind_ip = {host}
workers = 0
log_name = {name}
log_address = {base}/no-syslog
disable_fallocate = true
fallocate_reserve = 0
"""

BACKEND = """\
devices = {base}/srv
mount_check = false
bind_port = {port}
[pipeline:main]
pipeline = {server}-server
[app:{server}-server]
use = egg:swift#{server}
# Of the object server: who has written is answered when listings have it.
container_update_timeout = 30
recon_cache_path = {base}/cache
[{server}-updater]
interval = 2
recon_cache_path = {base}/cache
"""

PROXY = """\
bind_port = {port}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api \
tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 4
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
paste.filter_factory = swift_daemon:memory_cache
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test2_tester2 = testing2 .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""

EXPIRER = """\
[object-expirer]
interval = 2
recon_cache_path = {base}/cache
[pipeline:main]
pipeline = catch_errors cache proxy-server
[app:proxy-server]
use = egg:swift#proxy
[filter:cache]
paste.filter_factory = swift_daemon:memory_cache
[filter:catch_errors]
use = egg:swift#catch_errors
"""


class SwiftLab(lab.Lab):
    """One Swift under one folder."""

    title = "Swift"
    name = "swift"
    packages = ("swift", "lxml")

    def start(self, port: int) -> str:
        """Start it and wait until it answers.

        :param port: of the proxy; 0 takes a free one
        :returns: where to log in
        """
        url = self.url()
        if url:
            return url
        self.base.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [sys.executable, __file__, "--base", str(self.base)]
        command += ["--venv", str(self.environment), "serve", "--port", str(port)]
        self.install()
        # It says that it serves only when it answers.
        return self.launch(command, lambda _: True)

    def url(self) -> str | None:
        """Where to log in; None when it does not run or does not answer yet."""
        url = super().url()
        return f"{url}/auth/v1.0" if url else None

    def serve(self, port: int) -> int:
        """Run all processes as children until SIGTERM, or until one of them ends."""
        self.install()
        self.base.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.withdraw()
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        port = port or _free_port()
        self._configure(port)
        children = [self._spawn(*daemon) for daemon in DAEMONS]
        try:
            deadline = time.monotonic() + lab.START_SECONDS
            while not _answers(port):
                ended = _ended(children)
                if ended or time.monotonic() > deadline or stopping.wait(0.05):
                    print(f"{ended or 'Swift'} did not start.", file=sys.stderr)
                    return 1
            self.announce(port)
            while not stopping.wait(0.5):
                if _ended(children):
                    print(f"{_ended(children)} ended by itself.", file=sys.stderr)
                    return 1
            return 0
        finally:
            self.withdraw()
            for child in children:
                child.kill()
            for child in children:
                child.wait()

    def _configure(self, port: int) -> None:
        etc = self.base / "etc"
        for folder in (etc, self.base / "srv" / "sdb1", self.base / "cache"):
            folder.mkdir(parents=True, exist_ok=True)
        _check_extended_attributes(self.base / "srv")
        (etc / "swift.conf").write_text(SWIFT)
        values = {
            "base": self.base,
            "host": lab.HOST,
            "user": pwd.getpwuid(os.geteuid()).pw_name,
        }
        # A ring names the ports, so they stay when it starts again.
        ports_file = self.base / "ports.json"
        if not ports_file.exists():
            ports = {
                server: _free_port() for server in ("account", "container", "object")
            }
            for server, server_port in ports.items():
                self._make_ring(server, server_port)
            ports_file.write_text(json.dumps(ports))
        ports = json.loads(ports_file.read_text())
        for server, server_port in ports.items():
            text = (DEFAULT + BACKEND).format(
                **values, name=server, server=server, port=server_port
            )
            (etc / f"{server}-server.conf").write_text(text)
        (etc / "proxy-server.conf").write_text(
            (DEFAULT + PROXY).format(**values, name="proxy", port=port)
        )
        (etc / "object-expirer.conf").write_text(
            (DEFAULT + EXPIRER).format(**values, name="expirer")
        )

    def _make_ring(self, server: str, port: int) -> None:
        builder = str(self.base / "etc" / f"{server}.builder")
        pathlib.Path(builder).unlink(missing_ok=True)
        for arguments in (
            ["create", "4", "1", "1"],
            ["add", f"r1z1-{lab.HOST}:{port}/sdb1", "1"],
            ["rebalance"],
        ):
            program = str(self.binary("swift-ring-builder"))
            self.run([program, builder, *arguments], self.base / "ring.log")

    def _spawn(self, name: str, module: str, configuration: str) -> subprocess.Popen:
        command = [str(self.binary("python")), str(DAEMON), module]
        command += [str(self.base / "etc" / configuration), name]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stdout,
            stderr=sys.stderr,
            cwd=self.base,
            preexec_fn=_die_with_parent,
        )
        process.name = name
        return process


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _ended(children: list[subprocess.Popen]) -> str | None:
    return next((child.name for child in children if child.poll() is not None), None)


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((lab.HOST, port))
            return port


def _check_extended_attributes(folder: pathlib.Path) -> None:
    probe = folder / "probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.karbor", b"x")
    except OSError as error:
        raise lab.LabError(
            f"{folder} is on a filesystem without extended attributes, which Swift "
            f"needs ({error.strerror}): take another --base"
        ) from error
    finally:
        probe.unlink()


def _answers(port: int) -> bool:
    """Whether one can log in and all servers behind the proxy answer."""
    connection = http.client.HTTPConnection(lab.HOST, port, timeout=30)
    try:
        headers = {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
        connection.request("GET", "/auth/v1.0", headers=headers)
        answer = connection.getresponse()
        answer.read()
        token = answer.getheader("X-Auth-Token")
        if answer.status != 200 or not token:
            return False
        path = "/v1/AUTH_test/karbor-lab"
        for method, at, wanted in (
            ("PUT", path, (201, 202)),
            ("PUT", f"{path}/probe", (201,)),
            ("DELETE", f"{path}/probe", (204,)),
        ):
            headers = {"X-Auth-Token": token, "Content-Length": "0"}
            connection.request(method, at, headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status not in wanted:
                return False
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Do what the command line says; 0 when it was done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=pathlib.Path, default=lab.CACHE / "swift-lab")
    parser.add_argument("--venv", type=pathlib.Path, default=lab.CACHE / "swift-venv")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="make the virtual environment")
    for name, text in (("start", "start Swift"), ("serve", "run in the foreground")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--port", type=int, default=0)
    commands.add_parser("status", help="print where to log in; exit 1 when not running")
    commands.add_parser("stop", help="stop Swift")
    said = parser.parse_args()
    swift = SwiftLab(said.base, said.venv)
    try:
        if said.command == "install":
            swift.install()
        elif said.command == "start":
            print(swift.start(said.port))
        elif said.command == "serve":
            return swift.serve(said.port)
        elif said.command == "stop":
            swift.stop()
        elif said.command == "status":
            url = swift.url()
            print(url or "not running")
            return 0 if url else 1
    except lab.LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
