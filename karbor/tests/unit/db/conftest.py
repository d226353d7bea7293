# SPDX-License-Identifier: Apache-2.0
"""A database per test, on each kind of server that there is."""

import os
import uuid

import pytest
import sqlalchemy
from oslo_config import cfg

from karbor.context import RequestContext
from karbor.db import migration, options
from karbor.db.database import Database

#: Servers on which databases may be created and dropped, for those who have any:
#: the same tests then run on each.
SERVERS = {
    kind: os.environ[variable]
    for kind, variable in (
        ("postgresql", "KARBOR_TEST_POSTGRESQL_URL"),
        ("mariadb", "KARBOR_TEST_MARIADB_URL"),
    )
    if os.environ.get(variable)
}


@pytest.fixture(params=["sqlite", *SERVERS])
def conf(request, tmp_path):
    kind = request.param
    conf = cfg.ConfigOpts()
    conf([], project="karbor", default_config_files=[], default_config_dirs=[])
    options.register_opts(conf)
    if kind == "sqlite":
        conf.set_override(
            "connection", f"sqlite:///{tmp_path}/karbor.sqlite", group="database"
        )
        yield conf
        return
    server = sqlalchemy.make_url(SERVERS[kind])
    name = f"karbor_test_{uuid.uuid4().hex}"
    admin = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    url = server.set(database=name).render_as_string(hide_password=False)
    conf.set_override("connection", url, group="database")
    yield conf
    with admin.connect() as connection:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name}{force}"))
    admin.dispose()


@pytest.fixture
def database(conf):
    migration.sync(conf)
    database = Database(conf)
    yield database
    database.close()


@pytest.fixture
def alice():
    return RequestContext(user_id="alice", project_id="project-a", overwrite=False)


@pytest.fixture
def bob():
    return RequestContext(user_id="bob", project_id="project-b", overwrite=False)


@pytest.fixture
def admin():
    return RequestContext(
        user_id="root", project_id="project-admin", is_admin=True, overwrite=False
    )
