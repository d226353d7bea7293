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
import http.client
import os
import pathlib
import signal
import sys

import lab

DEFAULT_PROJECT = "0123456789abcdef0123456789abcdef"

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


class GlanceLab(lab.Lab):
    """One Glance under one folder."""

    title = "Glance"
    name = "glance"
    packages = ("glance", "cheroot")

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
        command = [str(self.binary("python")), __file__, "--base", str(self.base)]
        command += ["serve", "--project", project, "--port", str(port)]
        return self.launch(command, _answers)

    def serve(self, project: str, port: int) -> None:
        """Be the server: runs in the virtual environment, until SIGTERM."""
        from cheroot import wsgi

        server = wsgi.Server((lab.HOST, port), None, numthreads=16)
        server.prepare()
        port = server.bind_addr[1]
        url = f"http://{lab.HOST}:{port}"
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
        self.announce(port)
        server.serve()

    def _create_database(self) -> None:
        command = [str(self.binary("glance-manage"))]
        command += ["--config-file", str(self.base / "glance-api.conf"), "db_sync"]
        try:
            self.run(command, self.base / "database.log")
        except BaseException:
            (self.base / "glance.sqlite").unlink(missing_ok=True)
            raise


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
    parser.add_argument("--base", type=pathlib.Path, default=lab.CACHE / "glance-lab")
    parser.add_argument("--venv", type=pathlib.Path, default=lab.CACHE / "glance-venv")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="make the virtual environment")
    for name, text in (("start", "start Glance"), ("serve", "used by start")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--project", default=DEFAULT_PROJECT)
        command.add_argument("--port", type=int, default=0)
    commands.add_parser("status", help="print the endpoint; exit 1 when not running")
    commands.add_parser("stop", help="stop Glance")
    said = parser.parse_args()
    glance = GlanceLab(said.base, said.venv)
    try:
        if said.command == "install":
            glance.install()
        elif said.command == "start":
            print(glance.start(said.project, said.port))
        elif said.command == "serve":
            lab.environment = pathlib.Path(sys.prefix)
            glance.serve(said.project, said.port)
        elif said.command == "stop":
            glance.stop()
        elif said.command == "status":
            url = glance.url()
            print(url or "not running")
            return 0 if url else 1
    except lab.LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
