# SPDX-License-Identifier: Apache-2.0
"""Every operation once with a real provider, bank on disk and database."""

import uuid

import pytest
from oslo_config import cfg

from karbor.common import constants
from karbor.context import RequestContext
from karbor.db import migration, options
from karbor.db.database import Database
from karbor.services.protection.flows.environment import Environment
from karbor.services.protection.flows.inputs import OperationInputs, OperationSecrets
from karbor.services.protection.flows.runner import OperationRunner
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.services.protection.provider import ProviderRegistry
from karbor.tests.fakes.listing.glance import EveryImage

PROVIDER = """\
[provider]
name = noop
description = protects nothing
id = 11111111-1111-4111-8111-111111111111
plugin = karbor-noop-protection-plugin
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {bank}
"""

IMAGES = [
    {"type": "OS::Glance::Image", "id": str(uuid.uuid4()), "name": name}
    for name in ("one", "two")
]


@pytest.fixture
def house(tmp_path):
    (tmp_path / "providers.d").mkdir()
    (tmp_path / "providers.d/noop.conf").write_text(
        PROVIDER.format(bank=tmp_path / "bank")
    )
    (tmp_path / "karbor.conf").write_text("[DEFAULT]\n")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(tmp_path / "karbor.conf")])
    options.register_opts(conf)
    conf.set_override("connection", f"sqlite:///{tmp_path}/k.sqlite", group="database")
    migration.sync(conf)
    providers = ProviderRegistry(conf)
    providers.load()
    providers.start()
    database = Database(conf)
    with EveryImage().running() as glance:
        glance.configure(conf)
        yield Environment(providers, ProtectableRegistry(conf), database, conf)
    providers.stop()
    database.close()


def test_protect_verify_restore_copy_and_delete(house, tmp_path):
    context = RequestContext("user", "project", auth_token="t", overwrite=False)
    (provider,) = house.providers.list()
    runner = OperationRunner(house.conf, house)
    plan = {
        "id": str(uuid.uuid4()),
        "name": "plan",
        "provider_id": provider.id,
        "resources": IMAGES,
    }

    def make(**kwargs):
        return provider.checkpoints.create(
            plan, provider_id=provider.id, project_id="project", **kwargs
        )

    def run(operation, checkpoint, **kwargs):
        log = house.database.operation_logs.create(
            context,
            {
                "operation_type": operation,
                "status": constants.OPERATION_EXE_STATE_IN_PROGRESS,
                "extra_info": {},
            },
        )
        inputs = OperationInputs(
            operation=operation,
            provider_id=provider.id,
            checkpoint_id=checkpoint.id,
            context=context.to_plain(),
            operation_log_id=log["id"],
            **kwargs,
        )
        assert runner.submit(inputs, OperationSecrets(context)).result(60)
        log = house.database.operation_logs.get(context, log["id"])
        assert log["status"] == constants.OPERATION_EXE_STATE_SUCCESS
        assert log["extra_info"]["progress"]["hooks_done"] == 8
        assert log["ended_at"] is not None

    def record(repository):
        fields = {
            "provider_id": provider.id,
            "checkpoint_id": checkpoint.id,
            "status": constants.RESTORE_STATUS_IN_PROGRESS,
            "parameters": {},
        }
        return repository.create(context, fields)["id"]

    checkpoint = make()
    run("protect", checkpoint, plan=plan)
    for operation, repository in (
        ("verify", house.database.verifications),
        ("restore", house.database.restores),
    ):
        record_id = record(repository)
        run(operation, checkpoint, record_id=record_id)
        row = repository.get(context, record_id)
        assert row["status"] == constants.RESTORE_STATUS_SUCCESS
        assert len(row["resources_status"]) == 2
    copied = make(status="wait_copying", copied_from=checkpoint.id)
    run("copy", checkpoint, copy_checkpoint_id=copied.id)
    assert provider.checkpoints.get(copied.id).status == "available"
    for done in (checkpoint, copied):
        run("delete", provider.checkpoints.get(done.id))

    assert runner.drain(60)
    left = [path for path in (tmp_path / "bank").rglob("*") if path.is_file()]
    kept = {path.parent.name for path in left if path.name != "reserve"}
    assert kept <= {"leases"}
