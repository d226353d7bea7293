#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Barbican of one's own: for tests and trying things out. Needs Python, no root.

    tools/barbican_lab.py --base DIR start     prints the endpoint when it answers
    tools/barbican_lab.py --base DIR status    prints it, or exits 1
    tools/barbican_lab.py --base DIR stop      ends what start started, nothing else
    tools/barbican_lab.py --base DIR serve     stays in the foreground, until SIGTERM
    tools/barbican_lab.py install              only makes the virtual environment

``start`` makes the virtual environment first when it is not there (Barbican from PyPI,
pinned by ``constraints-barbican.txt``; a minute, once). Everything is under the base
folder: configuration with the key that encrypts the secrets, SQLite database, log.
Starting what runs, and stopping what does not, does nothing.

There is no Keystone. Who calls is read from ``X-Auth-Token: user:project[:role,…]``;
without a role it is a ``creator``, who may make secrets and read the project's.
"""

import argparse
import base64
import http.client
import os
import pathlib
import secrets
import signal
import sys

import lab

CONFIGURATION = """\
[DEFAULT]
host_href = {url}
[database]
connection = sqlite:///{base}/barbican.sqlite
[simple_crypto_plugin]
kek = {key}
[queue]
enable = False
"""

PIPELINE = """\
[composite:main]
use = egg:Paste#urlmap
/: versions
/v1: v1
[pipeline:versions]
pipeline = microversion versionapp
[pipeline:v1]
pipeline = context microversion apiapp
[app:versionapp]
paste.app_factory = barbican.api.app:create_version_app
[app:apiapp]
paste.app_factory = barbican.api.app:create_main_app
[filter:context]
paste.filter_factory = barbican.api.middleware.context:ContextMiddleware.factory
[filter:microversion]
paste.filter_factory = \
barbican.api.middleware.microversion:MicroversionMiddleware.factory
"""


class BarbicanLab(lab.Lab):
    """One Barbican under one folder."""

    title = "Barbican"
    name = "barbican"
    packages = ("barbican", "cheroot")

    def start(self, port: int) -> str:
        """Start it and wait until it answers.

        :param port: 0 takes a free one
        :returns: its endpoint
        """
        url = self.url()
        if url:
            return url
        self.install()
        self.base.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.launch(self.command(port), _answers)

    def command(self, port: int) -> list[str]:
        """The command of the server, in the virtual environment."""
        command = [str(self.binary("python")), __file__, "--base", str(self.base)]
        command += ["--venv", str(self.environment)]
        return [*command, "serve", "--port", str(port)]

    def serve(self, port: int) -> None:
        """Be the server, until SIGTERM."""
        if pathlib.Path(sys.prefix).resolve() != self.environment:
            command = self.command(port)
            os.execv(command[0], command)
        # Each part of Barbican reads the configuration for itself, from where
        # oslo.config looks for it.
        os.environ["HOME"] = str(self.base)
        from cheroot import wsgi

        server = wsgi.Server((lab.HOST, port), None, numthreads=8)
        server.prepare()
        port = server.bind_addr[1]
        self._prepare(f"http://{lab.HOST}:{port}")
        from paste import deploy

        application = deploy.loadapp(f"config:{self.base / 'paste.ini'}")
        server.wsgi_app = Identity(application)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        self.announce(port)
        server.serve()

    def _prepare(self, url: str) -> None:
        """Write the configuration, and the key and the database that are not there."""
        folder = self.base / ".barbican"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = self.base / "secrets.key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))
        conf = folder / "barbican.conf"
        conf.touch(mode=0o600)
        conf.write_text(
            CONFIGURATION.format(base=self.base, url=url, key=key.read_text())
        )
        (self.base / "paste.ini").write_text(PIPELINE)
        database = self.base / "barbican.sqlite"
        if not database.exists():
            command = [str(self.binary("barbican-db-manage"))]
            command += ["--dburl", f"sqlite:///{database}", "upgrade"]
            try:
                self.run(command, self.base / "database.log")
            except BaseException:
                database.unlink(missing_ok=True)
                raise


class Identity:
    """WSGI middleware in place of Keystone's: believes what the token says."""

    def __init__(self, application) -> None:
        self._application = application

    def __call__(self, environ, start_response):
        parts = environ.get("HTTP_X_AUTH_TOKEN", "").split(":")
        if len(parts) > 1:
            environ["HTTP_X_IDENTITY_STATUS"] = "Confirmed"
            environ["HTTP_X_USER_ID"], environ["HTTP_X_PROJECT_ID"] = parts[:2]
            environ["HTTP_X_ROLES"] = parts[2] if len(parts) > 2 else "creator,member"
        return self._application(environ, start_response)


def _answers(url: str) -> bool:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 300
    except OSError:
        return False
    finally:
        connection.close()


def main() -> int:
    """Do what the command line says; 0 when it was done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=pathlib.Path, default=lab.CACHE / "barbican-lab")
    parser.add_argument(
        "--venv", type=pathlib.Path, default=lab.CACHE / "barbican-venv"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="make the virtual environment")
    for name, text in (
        ("start", "start Barbican"),
        ("serve", "be Barbican, in the foreground"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--port", type=int, default=0)
    commands.add_parser("status", help="print the endpoint; exit 1 when not running")
    commands.add_parser("stop", help="stop Barbican")
    said = parser.parse_args()
    barbican = BarbicanLab(said.base, said.venv)
    try:
        if said.command == "install":
            barbican.install()
        elif said.command == "start":
            print(barbican.start(said.port))
        elif said.command == "serve":
            barbican.serve(said.port)
        elif said.command == "stop":
            barbican.stop()
        elif said.command == "status":
            url = barbican.url()
            print(url or "not running")
            return 0 if url else 1
    except lab.LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
