# SPDX-License-Identifier: Apache-2.0
"""A plugin written for Karbor 1.x loads and works unchanged."""

import sys
import uuid

import pytest
from oslo_config import cfg
from stevedore import extension

from karbor.common import constants
from karbor.context import RequestContext
from karbor.db import migration
from karbor.db.database import Database
from karbor.resource import Resource
from karbor.services.protection import service
from karbor.services.protection.flows.environment import Environment
from karbor.services.protection.flows.inputs import OperationInputs, OperationSecrets
from karbor.services.protection.flows.runner import OperationRunner
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.services.protection.provider import ProviderRegistry
from karbor.tests.fakes import distribution

MODULE = "karbor.tests.fakes.legacy_plugin"
PROVIDER_ID = "b766f37c-d011-4026-8228-28730d734a3f"
TYPE = "OS::Kubernetes::Pod"
PROVIDER = """\
[provider]
name = legacy
id = {id}
plugin = legacy-pod-plugin
plugin = karbor-noop-protection-plugin
bank = karbor-fs-bank-plugin
enabled = True
[file_system_bank_plugin]
file_system_bank_path = {base}/bank
[pod_backup_plugin]
poll_interval = 7
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    distribution.install(
        tmp_path / "site",
        {
            "karbor.protections": {
                "legacy-pod-plugin": f"{MODULE}:PodProtectionPlugin"
            },
            "karbor.protectables": {"pod": f"{MODULE}:PodProtectablePlugin"},
        },
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    monkeypatch.setattr(extension.ExtensionManager, "ENTRY_POINT_CACHE", {})
    (tmp_path / "providers.d").mkdir()
    (tmp_path / "providers.d" / "legacy.conf").write_text(
        PROVIDER.format(id=PROVIDER_ID, base=tmp_path)
    )
    (tmp_path / "karbor.conf").write_text(
        f"[DEFAULT]\nstate_path = {tmp_path}\n"
        f"[database]\nconnection = sqlite:///{tmp_path}/karbor.sqlite\n"
    )
    conf = cfg.ConfigOpts()
    service.register_opts(conf)
    conf([], default_config_files=[str(tmp_path / "karbor.conf")])
    migration.sync(conf)
    providers = ProviderRegistry(conf)
    providers.load()
    assert providers.failures == []
    providers.start()
    made = Environment(
        providers=providers,
        protectables=ProtectableRegistry(conf),
        database=Database(conf),
        conf=conf,
    )
    yield made
    providers.stop()
    made.database.close()


@pytest.fixture
def context():
    return RequestContext("someone", uuid.uuid4().hex, overwrite=False)


def run(environment, context, operation, checkpoint, **values):
    runner = OperationRunner(environment.conf, environment)
    inputs = OperationInputs(
        operation=operation,
        provider_id=PROVIDER_ID,
        checkpoint_id=checkpoint.id,
        context=context.to_plain(),
        **values,
    )
    succeeded = runner.submit(inputs, OperationSecrets(context)).result(60)
    runner.drain(10)
    checkpoint.reload()
    return succeeded


def test_its_resources_are_found(environment, context):
    protectables = environment.protectables
    assert TYPE in protectables.resource_types()
    (found,) = protectables.list_resources(context, TYPE)
    assert found.extra_info == {"namespace": "default"}
    assert protectables.show_resource(context, TYPE, "pod-1") == found


def test_its_options_and_schemas_are_read(environment):
    plugin = environment.provider(PROVIDER_ID).plugin_for(TYPE)
    assert plugin._poll_interval == 7
    schemas = environment.provider(PROVIDER_ID).extended_info_schema
    assert schemas["options_schema"][TYPE]["title"] == "Pod Protection Options"


def test_it_protects_restores_verifies_and_deletes(environment, context):
    provider = environment.provider(PROVIDER_ID)
    pod = Resource(TYPE, "pod-1", "pod")
    plan = {"id": str(uuid.uuid4()), "name": "p", "resources": [pod.to_dict()]}
    checkpoint = provider.checkpoints.create(
        plan, provider_id=PROVIDER_ID, project_id=context.project_id
    )
    assert run(environment, context, "protect", checkpoint, plan=plan)
    assert checkpoint.status == constants.CHECKPOINT_STATUS_AVAILABLE
    section = checkpoint.get_resource_bank_section("pod-1")
    assert section.get_object("data_1") == b"the pod's data"

    for operation in ("restore", "verify"):
        repositories = environment.database
        repository = (
            repositories.restores
            if operation == "restore"
            else repositories.verifications
        )
        row = repository.create(
            context,
            {
                "provider_id": PROVIDER_ID,
                "checkpoint_id": checkpoint.id,
                "project_id": context.project_id,
                "status": "in_progress",
                "parameters": {},
            },
        )
        assert run(environment, context, operation, checkpoint, record_id=row["id"])
        ended = repository.get(context, row["id"])
        assert ended["status"] == constants.RESTORE_STATUS_SUCCESS
        assert ended["resources_status"] == {f"{TYPE}#pod-1": "available"}

    checkpoint.transition(constants.CHECKPOINT_STATUS_DELETING)
    inputs = OperationInputs(
        operation="delete",
        provider_id=PROVIDER_ID,
        checkpoint_id=checkpoint.id,
        context=context.to_plain(),
    )
    runner = OperationRunner(environment.conf, environment)
    assert runner.submit(inputs, OperationSecrets(context)).result(60)
    runner.drain(10)
    assert section.list_objects() == []
