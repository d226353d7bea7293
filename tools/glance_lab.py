#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Glance of one's own: for tests and the quickstart. Needs Python and no root.

    tools/glance_lab.py --base DIR start     prints the endpoint when it answers
    tools/glance_lab.py --base DIR status    prints it, or exits 1
    tools/glance_lab.py --base DIR stop      ends what start started, nothing else
    tools/glance_lab.py install              only makes the virtual environment

``start`` makes the virtual environment first when it is not there (Glance from PyPI,
pinned by ``constraints-glance.txt``; a minute, once). Everything is under the base
folder: configuration, SQLite database, images, log. Starting what runs, and stopping
what does not, does nothing.

There is no Keystone. Who calls is read from ``X-Auth-Token: user:project[:role,…]``;
without one it is ``admin`` of the project given to ``start``.
"""

import argparse
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("KARBOR_CACHE", ROOT / ".karbor"))
CONSTRAINTS = pathlib.Path(__file__).resolve().with_name("constraints-glance.txt")
PACKAGES = ("glance", "cheroot")
DEFAULT_PROJECT = "0123456789abcdef0123456789abcdef"
HOST = "127.0.0.1"
START_SECONDS = 120
STOP_SECONDS = 20

CONFIGURATION = """\
[DEFAULT]
enabled_backends = file:file
enabled_import_methods = []
worker_self_reference_url = {url}
public_endpoint = {url}
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = {base}/images
[os_glance_staging_store]
filesystem_store_datadir = {base}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {base}/tasks
[database]
connection = sqlite:///{base}/glance.sqlite
[oslo_concurrency]
lock_path = {base}/locks
[oslo_messaging_notifications]
driver = noop
[paste_deploy]
config_file = {base}/paste.ini
"""

MIDDLEWARE = "glance.api.middleware"
PIPELINE = f"""\
[composite:glance-api]
paste.composite_factory = glance.api:root_app_factory
/: api
[composite:api]
paste.composite_factory = glance.api:pipeline_factory
default = versionnegotiation context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:versionnegotiation]
paste.filter_factory = {MIDDLEWARE}.version_negotiation:VersionNegotiationFilter.factory
[filter:context]
paste.filter_factory = {MIDDLEWARE}.context:ContextMiddleware.factory
"""


class LabError(Exception):
    """What went wrong, and what to look at."""


class Lab:
    """One Glance under one folder.

    :param base: for everything that it writes
    :param environment: the virtual environment with Glance; several labs share it
    """

    def __init__(self, base: pathlib.Path, environment: pathlib.Path) -> None:
        self.base = base.resolve()
        self.environment = environment.resolve()
        self.log = self.base / "glance.log"
        self._state = self.base / "running.json"

    def install(self) -> None:
        """Make the virtual environment, unless it is there and up to date."""
        wanted = hashlib.sha256(CONSTRAINTS.read_bytes()).hexdigest()
        stamp = self.environment / "karbor-glance-lab"
        with _lock(self.environment.with_name(self.environment.name + ".lock")):
            if stamp.exists() and stamp.read_text() == wanted:
                return
            print(f"Installing Glance into {self.environment} …", file=sys.stderr)
            if (self.environment / "pyvenv.cfg").exists():
                shutil.rmtree(self.environment)
            venv.create(self.environment, with_pip=True)
            command = [str(self._bin("python")), "-m", "pip", "install", "--quiet"]
            command += ["--constraint", str(CONSTRAINTS), *PACKAGES]
            output = self.base / "install.log"
            output.parent.mkdir(parents=True, exist_ok=True)
            self._run(command, output)
            stamp.write_text(wanted)

    def start(self, project: str, port: int) -> str:
        """Start it and wait until it answers.

        :param project: of callers without a token
        :param port: 0 takes a free one
        :returns: its endpoint
        """
        url = self.url()
        if url:
            return url
        self.install()
        self.base.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in ("images", "staging", "tasks", "locks"):
            (self.base / folder).mkdir(exist_ok=True)
        (self.base / "paste.ini").write_text(PIPELINE)
        self._state.unlink(missing_ok=True)
        command = [str(self._bin("python")), __file__, "--base", str(self.base)]
        command += ["serve", "--project", project, "--port", str(port)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.base,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        try:
            while time.monotonic() < deadline and process.poll() is None:
                url = self.url()
                if url and _answers(url):
                    return url
                time.sleep(0.1)
        except BaseException:
            process.kill()
            raise
        process.kill()
        process.wait()
        raise LabError(f"Glance did not start. Its log is {self.log}:\n{self._tail()}")

    def stop(self) -> None:
        """End it, if it runs, and wait until it is gone."""
        state = self._running()
        if state is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGTERM)
                deadline = time.monotonic() + STOP_SECONDS
                while self._running() and time.monotonic() < deadline:
                    time.sleep(0.05)
                if self._running():
                    os.kill(state["pid"], signal.SIGKILL)
        self._state.unlink(missing_ok=True)

    def url(self) -> str | None:
        """Its endpoint; None when it does not run."""
        state = self._running()
        return f"http://{HOST}:{state['port']}" if state else None

    def serve(self, project: str, port: int) -> None:
        """Be the server: runs in the virtual environment, until SIGTERM."""
        from cheroot import wsgi

        server = wsgi.Server((HOST, port), None, numthreads=16)
        server.prepare()
        port = server.bind_addr[1]
        url = f"http://{HOST}:{port}"
        (self.base / "glance-api.conf").write_text(
            CONFIGURATION.format(base=self.base, url=url)
        )
        if not (self.base / "glance.sqlite").exists():
            self._create_database()
        os.environ["OS_GLANCE_CONFIG_DIR"] = str(self.base)
        _make_writers_wait()
        from glance.wsgi.api import application

        server.wsgi_app = Identity(application, project)
        signal.signal(signal.SIGTERM, lambda *_: _end())
        state = {"pid": os.getpid(), "started": _started(os.getpid()), "port": port}
        temporary = self._state.with_suffix(".new")
        temporary.write_text(json.dumps(state))
        temporary.rename(self._state)
        server.serve()

    def _create_database(self) -> None:
        command = [str(self._bin("glance-manage"))]
        command += ["--config-file", str(self.base / "glance-api.conf"), "db_sync"]
        try:
            self._run(command, self.base / "database.log")
        except BaseException:
            (self.base / "glance.sqlite").unlink(missing_ok=True)
            raise

    def _running(self) -> dict | None:
        try:
            state = json.loads(self._state.read_text())
        except FileNotFoundError:
            return None
        if _started(state["pid"]) != state["started"]:
            return None
        return state

    def _run(self, command: list[str], output: pathlib.Path) -> None:
        with output.open("wb") as log:
            ended = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, check=False
            )
        if ended.returncode:
            raise LabError(
                f"{' '.join(command)} failed with status {ended.returncode}. Its "
                f"output is {output}:\n{output.read_text()[-2000:]}"
            )

    def _bin(self, name: str) -> pathlib.Path:
        return self.environment / "bin" / name

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


class Identity:
    """WSGI middleware in place of Keystone's: believes what the token says."""

    def __init__(self, application, project: str) -> None:
        self._application = application
        self._default = f"admin:{project}:admin,member,reader"

    def __call__(self, environ, start_response):
        token = environ.get("HTTP_X_AUTH_TOKEN", "")
        parts = (token if ":" in token else self._default).split(":")
        user, project = parts[:2]
        roles = "member,reader"
        if len(parts) > 2:
            roles = parts[2]
        elif user == "admin":
            roles = "admin,member,reader"
        environ["HTTP_X_IDENTITY_STATUS"] = "Confirmed"
        environ["HTTP_X_USER_ID"] = user
        environ["HTTP_X_PROJECT_ID"] = project
        environ["HTTP_X_ROLES"] = roles
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            # cheroot ends the input where the last chunk does.
            environ["wsgi.input_terminated"] = True
            environ["wsgi.input"] = Input(environ["wsgi.input"])
        return self._application(environ, start_response)


class Input:
    """A request's body. Glance closes it, and the connection is still needed."""

    def __init__(self, body) -> None:
        self.read = body.read
        self.readline = body.readline

    def __iter__(self):
        return iter(self.readline, b"")

    def close(self) -> None:
        """Leave the connection open."""


@contextlib.contextmanager
def _lock(path: pathlib.Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_writers_wait() -> None:
    """Take SQLite's write lock when a transaction begins.

    Glance's transactions read and then write. Two at once would both hold the read
    lock and wait for each other, which SQLite ends at once with "database is locked".
    """
    from sqlalchemy import engine, event

    @event.listens_for(engine.Engine, "connect")
    def wait(connection, _record) -> None:
        connection.execute("PRAGMA busy_timeout = 60000")

    @event.listens_for(engine.Engine, "begin")
    def begin(connection) -> None:
        # oslo.db begins unless this says that somebody has.
        if "in_transaction" not in connection.info:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.info["in_transaction"] = True


def _end() -> None:
    # Glance registers no clean-up that a lab needs, and waits for idle threads.
    os._exit(0)


def _started(pid: int) -> str | None:
    """When a process began, so that its id is not mistaken for a later one's."""
    try:
        after_name = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = after_name.split()
    return None if fields[0] == "Z" else fields[19]


def _answers(url: str) -> bool:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", "/versions")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def main() -> int:
    """Do what the command line says; 0 when it was done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=pathlib.Path, default=CACHE / "glance-lab")
    parser.add_argument("--venv", type=pathlib.Path, default=CACHE / "glance-venv")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="make the virtual environment")
    for name, text in (("start", "start Glance"), ("serve", "used by start")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--project", default=DEFAULT_PROJECT)
        command.add_argument("--port", type=int, default=0)
    commands.add_parser("status", help="print the endpoint; exit 1 when not running")
    commands.add_parser("stop", help="stop Glance")
    said = parser.parse_args()
    lab = Lab(said.base, said.venv)
    try:
        if said.command == "install":
            lab.install()
        elif said.command == "start":
            print(lab.start(said.project, said.port))
        elif said.command == "serve":
            lab.environment = pathlib.Path(sys.prefix)
            lab.serve(said.project, said.port)
        elif said.command == "stop":
            lab.stop()
        elif said.command == "status":
            url = lab.url()
            print(url or "not running")
            return 0 if url else 1
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
