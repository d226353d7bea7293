# SPDX-License-Identifier: Apache-2.0
"""Operations that run for longer than their callers' tokens live."""

import contextlib
import os
import types
import uuid
from pathlib import Path

import pytest

from karbor.tests.cloud.client import PATIENCE, CloudKarbor
from karbor.tests.cloud.keystone import ShortLivedKeystone
from karbor.tests.cloud.project import Project
from karbor.tests.cloud.service import KarborService
from karbor.tests.fakes import distribution, sleeping_plugin
from karbor.tests.rabbit.daemon import wait_until

TOKEN_SECONDS = 60
PROVIDER = "6d9c3a0c-6d5b-4a54-9f0e-6f2f3f1d7a11"

_PROVIDER_FILE = f"""\
[provider]
name = sleepers
description = resources that are protected slowly
id = {PROVIDER}
plugin = test-sleeping-plugin
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {{bank}}
lease_expire_window = 20
lease_renew_window = 4
lease_validity_window = 4
"""


class SleepyService(KarborService):
    """One daemon with the sleeping plugin, whose own tokens live for a minute too.

    Its user has the one role that trusts and tokens of the service need.

    :param auth_url: where it gets them
    :param options: what its configuration has besides
    """

    user = "karbor-sleepy"
    roles = ("service",)

    def __init__(self, folder, cloud, database_url, region, auth_url, options=""):
        self._auth_url = auth_url
        self._options = options
        super().__init__(folder, cloud, database_url, region)
        del self.daemons[1:]
        distribution.install(folder / "plugins", sleeping_plugin.ENTRY_POINTS)
        for path in (folder / "providers.d").iterdir():
            path.unlink()
        path = folder / "providers.d" / "sleepers.conf"
        path.write_text(_PROVIDER_FILE.format(bank=folder / "bank"))

    def _delete_containers(self):
        """It has no bank in Swift."""

    def environment(self):
        path = [str(self.folder / "plugins"), os.environ.get("PYTHONPATH", "")]
        return super().environment() | {
            "PYTHONPATH": os.pathsep.join(part for part in path if part),
            "KARBOR_TEST_SLEEP": str(TOKEN_SECONDS + 5),
        }

    def config(self, host, **more):
        arguments = super().config(host, **more)
        path = Path(arguments[-1])
        before, group, own = path.read_text().rpartition("[service_auth]")
        own = own.replace(self.cloud.auth_url, self._auth_url)
        path.write_text(before + group + own + self._options)
        return arguments


class HurriedProject(Project):
    """Its member's ``karbor`` logs in where tokens live for a minute."""

    def __init__(self, cloud, karbor_region, auth_url):
        super().__init__(cloud, karbor_region)
        self._auth_url = auth_url

    def _client(self):
        return CloudKarbor(
            *("--os-auth-url", self._auth_url),
            *("--os-username", self.name, "--os-password", self.password),
            *("--os-user-domain-name", "Default"),
            *("--os-project-name", self.name, "--os-project-domain-name", "Default"),
            *("--os-region-name", self._karbor_region),
        )


@pytest.fixture(scope="module")
def make_site(cloud, tmp_path_factory):
    """``make_site(options)`` gives a service, and a project that uses it."""
    with contextlib.ExitStack() as stack:
        keystone = stack.enter_context(ShortLivedKeystone(cloud, TOKEN_SECONDS))

        def make(options=""):
            service = SleepyService(
                tmp_path_factory.mktemp("karbor"),
                cloud,
                stack.enter_context(cloud.database()),
                f"karbor-{uuid.uuid4().hex[:8]}",
                keystone.url,
                options,
            )
            stack.callback(service.stop)
            service.start()
            project = HurriedProject(cloud, service.region, keystone.url)
            return service, stack.enter_context(project)

        yield make


def begin(project):
    """Begin to protect a sleeper; gives the checkpoint's id."""
    sleeper = types.SimpleNamespace(id=str(uuid.uuid4()), name="sleeper")
    plan_id = project.karbor.plan(PROVIDER, (sleeping_plugin.TYPE, sleeper))
    return project.karbor.properties("checkpoint-create", PROVIDER, plan_id)["id"]


def trusts(project):
    return list(project.connection.identity.trusts(trustor_user_id=project.user_id))


def test_an_operation_that_takes_longer_than_a_token_lives_ends_well(make_site):
    """And needs its trust for that: beside it, one that has none fails."""
    service, project = make_site()
    other_service, other_project = make_site("[delegation]\nenabled = False\n")

    checkpoint_id = begin(project)
    wait_until(lambda: trusts(project), "a trust", PATIENCE)
    other_id = begin(other_project)
    shown = project.karbor.wait_for_checkpoint(PROVIDER, checkpoint_id)
    other_project.karbor.wait_for_checkpoint(PROVIDER, other_id, "error")

    assert shown["status"] == "available"
    # It is given back a moment after the checkpoint is available.
    wait_until(lambda: not trusts(project), "no trust", PATIENCE)
    assert "401 Unauthorized" in other_service.log
    assert "401 Unauthorized" not in service.log


def test_a_trust_is_not_left_behind_by_a_service_that_is_killed(make_site):
    service, project = make_site()
    checkpoint_id = begin(project)
    wait_until(lambda: trusts(project), "a trust", PATIENCE)
    [daemon] = service.daemons

    daemon.kill()
    assert len(trusts(project)) == 1
    daemon.launch()
    wait_until(
        lambda: daemon.log.count("serves") == 2, "a daemon that serves", PATIENCE
    )

    project.karbor.wait_for_checkpoint(PROVIDER, checkpoint_id, "error")
    wait_until(lambda: not trusts(project), "no trust", PATIENCE)
