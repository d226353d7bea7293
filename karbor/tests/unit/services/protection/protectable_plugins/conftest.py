# SPDX-License-Identifier: Apache-2.0
"""A small cloud that lists, and who asks it."""

import pytest

from karbor.context import RequestContext
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.listing.cinder import CinderLists
from karbor.tests.fakes.listing.glance import GlanceLists
from karbor.tests.fakes.listing.manila import ManilaLists
from karbor.tests.fakes.listing.neutron import NeutronLists
from karbor.tests.fakes.listing.service import ADMIN
from karbor.tests.fakes.listing.trove import TroveLists
from karbor.tests.fakes.nova import NovaServer
from karbor.tests.unit.services.protection.protectable_plugins.cloud import (
    OTHER,
    PROJECT,
)


@pytest.fixture
def conf():
    """Names the endpoints of those services that the test asks for."""
    return empty_configuration()


@pytest.fixture
def context():
    return RequestContext("alice", PROJECT, overwrite=False)


@pytest.fixture
def admin():
    return RequestContext(ADMIN, PROJECT, is_admin=True, overwrite=False)


@pytest.fixture
def visitor():
    """An admin who asks about another project than the token is for."""
    visitor = RequestContext(ADMIN, PROJECT, is_admin=True, overwrite=False)
    visitor.project_id = OTHER
    return visitor


def service_fixture(service):
    """A service that runs for a test, with pages of three things."""

    @pytest.fixture
    def running(conf):
        with service(page=3).running() as started:
            started.configure(conf)
            yield started

    return running


cinder = service_fixture(CinderLists)
glance = service_fixture(GlanceLists)
manila = service_fixture(ManilaLists)
neutron = service_fixture(NeutronLists)
nova = service_fixture(NovaServer)
trove = service_fixture(TroveLists)
