# SPDX-License-Identifier: Apache-2.0
"""A cloud and a Karbor in it for all tests, a project of its own for each."""

import contextlib
import os
import uuid
from pathlib import Path

import pytest

from karbor.tests.cloud.cloud import Cloud, run_tool
from karbor.tests.cloud.ownership import NotOurs, taken
from karbor.tests.cloud.project import Project
from karbor.tests.cloud.providers import VOLUME_PLUGINS, installed_choices, provider_id
from karbor.tests.cloud.service import KarborService

#: The folder of a cloud that runs, for work by hand; it is left running.
BY_HAND = "KARBOR_CLOUD"

#: The first of the ports of a cloud that is started afresh, unless it is 18000.
FIRST_PORT = "KARBOR_CLOUD_PORT"

#: Seconds for one test, the first one with the start of the cloud.
_PATIENCE = 1200


@pytest.fixture(scope="session")
def cloud():
    """The cloud that ``KARBOR_CLOUD`` names, else one that is started afresh."""
    if os.environ.get(BY_HAND):
        yield Cloud.at(Path(os.environ[BY_HAND]).resolve())
        return
    top = Path(__file__).resolve().parents[3]
    base = Path(os.environ.get("KARBOR_CACHE", top / ".karbor")) / "cloud"
    port = os.environ.get(FIRST_PORT)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(taken(base))
        except NotOurs as error:
            pytest.fail(str(error))
        # Its logs stay.
        stack.callback(run_tool, base, "down")
        run_tool(base, "up", *(("--port", port) if port else ()))
        yield Cloud.at(base)


@pytest.fixture(scope="session")
def karbor_service(cloud, tmp_path_factory):
    """``karbor-api`` and two daemons, which no test may leave stopped."""
    # In a region of its own, as others may test on a cloud by hand.
    by_hand = os.environ.get(BY_HAND)
    region = f"karbor-{uuid.uuid4().hex[:8]}" if by_hand else cloud.region
    with cloud.database() as database_url:
        service = KarborService(
            tmp_path_factory.mktemp("karbor"), cloud, database_url, region
        )
        try:
            service.start()
            yield service
        finally:
            service.stop()


@pytest.fixture
def make_project(cloud, karbor_service):
    """``make_project()`` gives a fresh project; at the end all of them go."""
    with contextlib.ExitStack() as projects:
        yield lambda: projects.enter_context(Project(cloud, karbor_service.region))


@pytest.fixture
def project(make_project):
    """A project that only this test uses."""
    return make_project()


@pytest.fixture
def server(project):
    """One that runs, with two volumes."""
    server = project.server(name="victim")
    for name in ("first", "second"):
        project.attach(server.id, project.volume(name=name).id)
    return server


@pytest.fixture
def karbor(project):
    """The real client, as the project's member."""
    return project.karbor


@pytest.fixture(scope="session")
def provider():
    """``provider(volume, bank)`` gives a provider's id.

    Without a volume plugin named, it has any that is installed.
    """

    def find(volume=None, bank="swift"):
        choices = installed_choices()
        volume = volume or choices[0]
        assert volume in choices, f"not installed: {VOLUME_PLUGINS[volume]}"
        return provider_id(volume, bank)

    return find


def pytest_configure(config):
    # openstacksdk warns of its own calls.
    config.addinivalue_line("filterwarnings", "ignore::PendingDeprecationWarning")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(_PATIENCE))
