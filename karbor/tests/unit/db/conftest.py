# SPDX-License-Identifier: Apache-2.0
"""An SQLite database per test; karbor/tests/databases has them on servers too."""

import pytest
from oslo_config import cfg

from karbor.context import RequestContext
from karbor.db import migration, options
from karbor.db.database import Database


@pytest.fixture
def conf(tmp_path):
    conf = cfg.ConfigOpts()
    conf([], project="karbor", default_config_files=[], default_config_dirs=[])
    options.register_opts(conf)
    conf.set_override(
        "connection", f"sqlite:///{tmp_path}/karbor.sqlite", group="database"
    )
    return conf


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
