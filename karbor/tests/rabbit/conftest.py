# SPDX-License-Identifier: Apache-2.0
"""A broker for all tests; sites and daemons on it for one module or one test."""

import pytest

from karbor.tests.fakes.listing.glance import EveryImage
from karbor.tests.rabbit.client import NOWHERE, Caller
from karbor.tests.rabbit.daemon import Site
from karbor.tests.servers.rabbitmq import RabbitMQ


@pytest.fixture(scope="session")
def rabbitmq():
    with RabbitMQ() as server:
        yield server


@pytest.fixture(scope="session")
def glance():
    """A Glance that has whatever image a plan names, and no project's own."""
    with EveryImage().running() as server:
        server.missing = frozenset({NOWHERE})
        yield server


@pytest.fixture
def site(tmp_path, rabbitmq, glance):
    """A site of the test's own, without a daemon yet."""
    site = Site(tmp_path, rabbitmq.url, glance.url)
    yield site
    site.close()


@pytest.fixture
def caller(site, rabbitmq):
    caller = Caller(rabbitmq.url, site.topic)
    yield caller
    caller.close()


@pytest.fixture
def database(site):
    """The records of the site."""
    database = site.database()
    yield database
    database.close()


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory, rabbitmq, glance):
    site = Site(tmp_path_factory.mktemp("site"), rabbitmq.url, glance.url)
    yield site
    site.close()


@pytest.fixture(scope="module")
def shared_daemon(shared_site):
    """One daemon for all tests of a module that harm none."""
    with shared_site.daemon() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def shared_caller(shared_site, shared_daemon, rabbitmq):
    caller = Caller(rabbitmq.url, shared_site.topic)
    yield caller
    caller.close()
