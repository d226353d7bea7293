# SPDX-License-Identifier: Apache-2.0
"""A database per test, on each kind of server, each kind started once.

The tests of ``karbor/tests/unit/db`` run here again by import: they ask for the
fixtures below instead of those beside them.
"""

import contextlib
import uuid

import pytest
import sqlalchemy
from oslo_config import cfg

from karbor.db import options
from karbor.tests.servers.mariadb import MariaDB
from karbor.tests.servers.postgresql import PostgreSQL
from karbor.tests.unit.db.conftest import admin, alice, bob, database

__all__ = ["admin", "alice", "bob", "database"]

pytest.register_assert_rewrite(
    *(
        f"karbor.tests.unit.db.test_{room}"
        for room in ("concurrency", "migration", "paging", "repository")
    )
)

_SERVERS = {"postgresql": PostgreSQL, "mariadb": MariaDB}


@pytest.fixture(scope="session")
def servers():
    """``servers(kind)`` gives the running server of that kind."""
    with contextlib.ExitStack() as stack:
        running = {}

        def get(kind):
            if kind not in running:
                running[kind] = stack.enter_context(_SERVERS[kind]())
            return running[kind]

        yield get


@pytest.fixture(params=["sqlite", *_SERVERS])
def kind(request):
    return request.param


@pytest.fixture
def server(kind, servers):
    """The server that the test's database is on."""
    return servers(kind)


@pytest.fixture
def connection_url(kind, tmp_path, request):
    """The URL of a new and empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/karbor.sqlite"
        return
    url = sqlalchemy.make_url(request.getfixturevalue("server").url)
    name = f"karbor_{uuid.uuid4().hex}"
    # A server that a test restarts closes pooled connections.
    engine = sqlalchemy.create_engine(
        url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
    )
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    yield url.set(database=name).render_as_string(hide_password=False)
    force = " WITH (FORCE)" if kind == "postgresql" else ""
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name}{force}"))


@pytest.fixture
def conf(connection_url):
    conf = cfg.ConfigOpts()
    conf([], project="karbor", default_config_files=[], default_config_dirs=[])
    options.register_opts(conf)
    conf.set_override("connection", connection_url, group="database")
    return conf
