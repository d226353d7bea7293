# SPDX-License-Identifier: Apache-2.0
"""The API over an in-memory protection service and a database of its own."""

import falcon.testing
import pytest
from oslo_config import cfg

from karbor.api import options as api_options
from karbor.api.app import create_app
from karbor.common import config
from karbor.db import migration, options
from karbor.db.database import Database
from karbor.tests.fakes.protection_api import FakeProtectionAPI

PROJECT = "0123456789abcdef0123456789abcdef"


class Client(falcon.testing.TestClient):
    """A caller of REST v1, in one project."""

    project = PROJECT

    def call(self, method, path, **kwargs):
        """``path`` is below ``/v1/{project}``; JSON in, JSON out."""
        return self.simulate_request(method, f"/v1/{self.project}{path}", **kwargs)


@pytest.fixture
def conf(tmp_path):
    conf = cfg.ConfigOpts()
    config.register_opts(conf)
    conf([], project="karbor", default_config_files=[], default_config_dirs=[])
    options.register_opts(conf)
    conf.set_override(
        "connection", f"sqlite:///{tmp_path}/karbor.sqlite", group="database"
    )
    conf.set_override("sqlite_synchronous", False, group="database")
    return conf


@pytest.fixture
def database(conf):
    migration.sync(conf)
    database = Database(conf)
    yield database
    database.close()


@pytest.fixture
def protection():
    return FakeProtectionAPI()


@pytest.fixture
def client(conf, protection, database):
    """Without Keystone: everybody is an admin."""
    api_options.register_opts(conf)
    conf.set_override("auth_strategy", "noauth")
    return Client(create_app(conf, protection, database))
