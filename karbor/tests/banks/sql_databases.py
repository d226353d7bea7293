# SPDX-License-Identifier: Apache-2.0
"""A bank's database per test, on each kind of server, each kind started once."""

import contextlib
import uuid

import pytest
import sqlalchemy

from karbor.tests.fakes.sql_bank import sql_bank
from karbor.tests.servers.mariadb import MariaDB
from karbor.tests.servers.postgresql import PostgreSQL

SERVERS = {"postgresql": PostgreSQL, "mariadb": MariaDB}


@pytest.fixture(scope="session")
def sql_servers():
    """``sql_servers(kind)`` gives the running server of that kind."""
    with contextlib.ExitStack() as stack:
        running = {}

        def get(kind):
            if kind not in running:
                running[kind] = stack.enter_context(SERVERS[kind]())
            return running[kind]

        yield get


@pytest.fixture(params=SERVERS)
def sql_kind(request):
    return request.param


@pytest.fixture
def sql_server(sql_kind, sql_servers):
    return sql_servers(sql_kind)


@pytest.fixture
def ask_sql(sql_server):
    """``ask_sql(statement)`` executes one as the server's administrator."""
    engine = sqlalchemy.create_engine(
        sql_server.url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
    )

    def ask_sql(statement):
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return result.scalar() if result.returns_rows else None

    return ask_sql


@pytest.fixture
def sql_url(sql_kind, sql_server, ask_sql):
    """The URL of a new and empty database."""
    name = f"bank_{uuid.uuid4().hex}"
    ask_sql(f"CREATE DATABASE {name}")
    url = sqlalchemy.make_url(sql_server.url).set(database=name)
    yield url.render_as_string(hide_password=False)
    force = " WITH (FORCE)" if sql_kind == "postgresql" else ""
    ask_sql(f"DROP DATABASE {name}{force}")


@pytest.fixture
def make_sql_bank(sql_url):
    """``make_sql_bank(**options)`` gives an instance on the test's own database."""
    made = []

    def make_sql_bank(**options):
        made.append(sql_bank(sql_url, **options))
        return made[-1]

    yield make_sql_bank
    for bank in made:
        bank.close()
