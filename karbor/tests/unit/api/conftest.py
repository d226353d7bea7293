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
from karbor.tests.fakes.identity import IdentityServer, User, catalog_entry
from karbor.tests.fakes.protection_api import (
    IMAGE,
    IMAGE_ID,
    PROVIDER_ID,
    FakeProtectionAPI,
)

PROJECT = "0123456789abcdef0123456789abcdef"
PROJECT_OF_BOB = "b" * 32
PROJECT_OF_ROOT = "c" * 32

KEYSTONE_OPTIONS = """\
[keystone_authtoken]
auth_type = password
auth_url = {url}
username = karbor
password = service-secret
user_domain_name = Default
project_name = service
project_domain_name = Default
"""

PLAN = {
    "name": "plan",
    "provider_id": PROVIDER_ID,
    "parameters": {},
    "resources": [{"id": IMAGE_ID, "type": IMAGE, "name": "cirros"}],
}


class Client(falcon.testing.TestClient):
    """A caller of REST v1, in one project."""

    def __init__(self, app, project=PROJECT, headers=None):
        super().__init__(app, headers=headers)
        self.project = project

    def call(self, method, path, **kwargs):
        """``path`` is below ``/v1/{project}``."""
        return self.simulate_request(method, f"/v1/{self.project}{path}", **kwargs)

    def get(self, path, key):
        """What is there; fails for anything but 200."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json[key]

    def post(self, path, **body):
        """Create something from ``{name: {…}}`` and return it."""
        [name] = body
        answer = self.call("POST", path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json[name]

    def create_plan(self, **fields):
        return self.post("/plans", plan={**PLAN, **fields})

    def protect(self, plan_id):
        path = f"/providers/{PROVIDER_ID}/checkpoints"
        return self.post(path, checkpoint={"plan_id": plan_id})


def fault(answer, name, code):
    """The message of an answer that must be this fault."""
    assert answer.status_code == code, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    [(found, content)] = answer.json.items()
    assert found == name
    assert content["code"] == code
    return content["message"]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A migrated SQLite file, to be copied: migrating takes longer than a test."""
    path = tmp_path_factory.mktemp("database") / "empty.sqlite"
    conf = make_conf(path)
    migration.sync(conf)
    return path.read_bytes()


def make_conf(path, text=""):
    """A configuration with the records in the given SQLite file."""
    file = path.with_suffix(".conf")
    file.write_text(text, encoding="utf-8")
    conf = cfg.ConfigOpts()
    config.register_opts(conf)
    conf(["--config-file", str(file)], project="karbor")
    options.register_opts(conf)
    api_options.register_opts(conf)
    conf.set_override("connection", f"sqlite:///{path}", group="database")
    conf.set_override("sqlite_synchronous", False, group="database")
    return conf


@pytest.fixture
def conf(tmp_path):
    conf = make_conf(tmp_path / "karbor.sqlite")
    conf.set_override("auth_strategy", "noauth")
    return conf


@pytest.fixture
def database(conf, tmp_path, empty_database):
    (tmp_path / "karbor.sqlite").write_bytes(empty_database)
    database = Database(conf)
    yield database
    database.close()


@pytest.fixture
def protection():
    return FakeProtectionAPI()


@pytest.fixture
def client(conf, protection, database):
    """Without Keystone: everybody is an admin of the URL's project."""
    return Client(create_app(conf, protection, database))


class Cloud:
    """The API behind a Keystone, as three users see it."""

    def __init__(self, app, identity):
        self.app = app
        self.identity = identity
        self.alice = self.user("alice", PROJECT)
        self.bob = self.user("bob", PROJECT_OF_BOB)
        self.root = self.user("root", PROJECT_OF_ROOT)

    def user(self, name, project):
        return Client(self.app, project, {"X-Auth-Token": self.token(name)})

    def token(self, name):
        user = {"name": name, "password": f"{name}-secret"}
        asked = {"auth": {"identity": {"password": {"user": user}}}}
        return self.identity.log_in(asked)[2]["X-Subject-Token"]


@pytest.fixture
def identity():
    users = [
        User("alice", "alice-secret", PROJECT),
        User("bob", "bob-secret", PROJECT_OF_BOB),
        User("root", "root-secret", PROJECT_OF_ROOT, roles=("admin",)),
        User("karbor", "service-secret", "f" * 32, "service", roles=("service",)),
    ]
    with IdentityServer(users, []).running() as identity:
        identity.catalog.append(catalog_entry("identity", "keystone", identity.url))
        yield identity


@pytest.fixture
def cloud(tmp_path, protection, database, identity):
    conf = make_conf(
        tmp_path / "karbor.sqlite", KEYSTONE_OPTIONS.format(url=identity.url)
    )
    return Cloud(create_app(conf, protection, database), identity)
