# SPDX-License-Identifier: Apache-2.0
"""What a running service does when a part of it fails, and when requests collide."""

import contextlib
import datetime
import threading
import uuid

import pytest
from oslo_config import cfg
from oslo_utils import timeutils

from karbor import exception, rpc
from karbor.common import config, constants
from karbor.context import RequestContext, get_admin_context
from karbor.db import migration
from karbor.resource import Resource
from karbor.services.protection import messages, orphans, service
from karbor.services.protection.graph import ResourceGraph

PROVIDER = "11111111-d011-4026-8228-28730d734a3f"
PROJECT = "abcd" * 8
TYPE = "OS::Keystone::Project"
OWNER = RequestContext("owner", PROJECT, is_admin=False, overwrite=False)
LATER = datetime.timedelta(hours=2)

PROVIDER_FILE = f"""\
[provider]
name = one
id = {PROVIDER}
plugin = karbor-noop-protection-plugin
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {{bank}}
"""


class Running:
    """A service that takes requests, and what is behind it."""

    def __init__(self, of):
        self.service = of
        self.database = of.database
        self.admission = of._endpoint._admission
        self.provider = of.providers.get(PROVIDER)

    def plan(self, **fields):
        return messages.Plan.parse(
            {
                "id": str(uuid.uuid4()),
                "provider_id": PROVIDER,
                "project_id": PROJECT,
                "resources": [{"type": TYPE, "id": PROJECT, "name": "p"}],
                **fields,
            }
        )

    def checkpoint(self, plan=None):
        """An available checkpoint, made without an operation."""
        made = self.provider.checkpoints.create(
            (plan or self.plan()).to_dict(),
            provider_id=PROVIDER,
            project_id=PROJECT,
        )
        made.save_graph(ResourceGraph((Resource(TYPE, PROJECT, "p"),), ((),)))
        made.transition("available")
        return made

    def request(self, checkpoint, record_id=None):
        return messages.RecordRequest.parse(
            {
                "id": record_id or str(uuid.uuid4()),
                "provider_id": PROVIDER,
                "checkpoint_id": checkpoint.id,
                "project_id": PROJECT,
            },
            "restore",
        )

    def record(self, repository, checkpoint, **fields):
        """A record that says that an operation of this service is in progress."""
        values = {
            "project_id": PROJECT,
            "provider_id": PROVIDER,
            "checkpoint_id": checkpoint.id,
            "status": "in_progress",
            "owner_id": self.provider.owner_id,
            **fields,
        }
        return repository.create(get_admin_context(), values)["id"]

    def status(self, repository, record_id):
        return repository.get(get_admin_context(), record_id)["status"]

    def reaper(self):
        return self.service._reaper

    def sweeper(self):
        return self.service._sweeper


@pytest.fixture
def start(tmp_path):
    started = []

    def start(options=""):
        (tmp_path / "providers.d").mkdir()
        (tmp_path / "providers.d" / "one.conf").write_text(
            PROVIDER_FILE.format(bank=tmp_path / "bank")
        )
        (tmp_path / "karbor.conf").write_text(
            f"[DEFAULT]\nstate_path = {tmp_path}\n{options}"
        )
        conf = cfg.ConfigOpts()
        service.register_opts(conf)
        config.init(["--config-file", str(tmp_path / "karbor.conf")], "test", conf)
        migration.sync(conf)
        of = service.ProtectionService(conf, rpc.get_transport(conf, "fake://"))
        of.start()
        started.append(of)
        return Running(of)

    yield start
    for of in started:
        of.stop()


@pytest.fixture
def running(start):
    return start()


def refuse(*args, **kwargs):
    raise exception.BankGetObjectFailed(key="a", reason="a test cut it off")


def no_database(*args, **kwargs):
    raise RuntimeError("the database is away")


def only_checkpoint(running):
    (found,) = running.provider.checkpoints.list(PROJECT, provider_id=PROVIDER)
    return found


def test_a_protection_that_cannot_begin_leaves_a_checkpoint_that_can_be_deleted(
    running, monkeypatch
):
    monkeypatch.setattr(running.database.operation_logs, "create", no_database)
    with pytest.raises(RuntimeError, match="database is away"):
        running.admission.protect(OWNER, running.plan(), {})
    left = only_checkpoint(running)
    assert left.status == "error"
    assert "could not begin" in left.status_reason
    assert list(running.provider.checkpoints.working()) == []


def test_a_copy_that_cannot_begin_leaves_a_checkpoint_that_can_be_deleted(
    running, monkeypatch
):
    plan = running.plan()
    source = running.checkpoint(plan)
    monkeypatch.setattr(running.database.operation_logs, "create", no_database)
    with pytest.raises(RuntimeError, match="database is away"):
        running.admission.copy(OWNER, plan)
    found = running.provider.checkpoints.list(PROJECT, provider_id=PROVIDER)
    assert {one.id == source.id: one.status for one in found} == {
        True: "available",
        False: "error",
    }


def test_a_deletion_that_cannot_begin_can_be_asked_for_again(running, monkeypatch):
    checkpoint = running.checkpoint()
    monkeypatch.setattr(running.database.operation_logs, "create", no_database)
    with pytest.raises(RuntimeError, match="database is away"):
        running.admission.delete(OWNER, PROVIDER, checkpoint.id)
    assert only_checkpoint(running).status == "error-deleting"


def test_a_stopping_service_leaves_no_record_in_progress(running):
    checkpoint = running.checkpoint()
    request = running.request(checkpoint)
    running.service._runner.drain(0)
    with pytest.raises(exception.FlowError, match="stopping"):
        running.admission.verify(OWNER, request)
    assert running.status(running.database.verifications, request.id) == "fail"
    (log,) = running.database.operation_logs.list(OWNER)
    assert log["status"] == constants.OPERATION_EXE_STATE_FAILED
    assert "stopping" in log["error_info"]


def test_a_request_that_comes_twice_begins_once(running):
    checkpoint = running.checkpoint()
    record_id = running.record(running.database.restores, checkpoint)
    with pytest.raises(exception.InvalidInput, match="already"):
        running.admission.restore(OWNER, running.request(checkpoint, record_id), None)
    assert running.database.operation_logs.list(OWNER) == []


@pytest.mark.parametrize("kind", ["restores", "verifications"])
def test_a_checkpoint_that_is_read_is_not_deleted(running, kind):
    checkpoint = running.checkpoint()
    repository = getattr(running.database, kind)
    record_id = running.record(repository, checkpoint)
    with pytest.raises(exception.CheckpointNotBeDeleted, match=record_id):
        running.admission.delete(OWNER, PROVIDER, checkpoint.id)
    assert only_checkpoint(running).status == "available"
    repository.update(get_admin_context(), record_id, {"status": "success"})
    running.admission.delete(OWNER, PROVIDER, checkpoint.id)


def test_a_checkpoint_that_is_copied_is_not_deleted(running, monkeypatch):
    plan = running.plan()
    source = running.checkpoint(plan)
    submitted = []
    monkeypatch.setattr(
        running.service._runner, "submit", lambda *of: submitted.append(of)
    )
    (pair,) = running.admission.copy(OWNER, plan)
    copy_id = pair["checkpoint_copy_id"]
    with pytest.raises(exception.CheckpointNotBeDeleted, match=copy_id):
        running.admission.delete(OWNER, PROVIDER, source.id)
    monkeypatch.undo()
    assert running.service._runner.submit(*submitted[0]).result(60)
    running.admission.delete(OWNER, PROVIDER, source.id)


def test_two_requests_to_copy_at_once_make_one_copy(running, monkeypatch):
    plan = running.plan()
    running.checkpoint(plan)
    create = running.provider.checkpoints.create
    both = threading.Barrier(2)

    def slowly(*args, **kwargs):
        # Whoever gets here gives the other request time to look as well.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return create(*args, **kwargs)

    monkeypatch.setattr(running.provider.checkpoints, "create", slowly)
    made = []
    requests = [
        threading.Thread(
            target=lambda: made.extend(running.admission.copy(OWNER, plan))
        )
        for _ in range(2)
    ]
    for request in requests:
        request.start()
    for request in requests:
        request.join()
    assert len(made) == 1


def test_records_that_could_not_be_ended_are_ended_by_a_later_sweep(
    running, monkeypatch
):
    checkpoint = running.checkpoint()
    left = running.record(running.database.restores, checkpoint)
    assert running.reaper().reap() == 0
    monkeypatch.setattr(orphans, "SAFE_AGE", datetime.timedelta(0))
    assert running.reaper().reap() == 1
    assert running.status(running.database.restores, left) == "fail"


def test_the_trust_of_an_operation_whose_service_died_is_taken_back(
    running, monkeypatch
):
    taken_back = []
    monkeypatch.setattr(running.reaper(), "_forget_trust", taken_back.append)
    logs, checkpoint = running.database.operation_logs, running.checkpoint()
    for owner_id in ("dead", running.provider.owner_id):
        running.record(
            logs,
            checkpoint,
            owner_id=owner_id,
            operation_type="protect",
            extra_info={"trust_id": f"of the {owner_id} one"},
        )
    running.record(logs, checkpoint, owner_id="dead", operation_type="protect")
    assert running.reaper().reap() == 2
    assert taken_back == ["of the dead one"]


@pytest.mark.parametrize(
    ("kind", "working"), [("restores", "restoring"), ("verifications", "verifying")]
)
def test_a_resource_in_the_middle_is_in_error_when_its_service_died(
    running, kind, working
):
    repository = getattr(running.database, kind)
    left = running.record(
        repository,
        running.checkpoint(),
        owner_id="dead",
        resources_status={"T#done": "available", "T#begun": working},
        resources_reason={"T#done": "as it was", "T#begun": ""},
    )
    assert running.reaper().reap() == 1
    ended = repository.get(OWNER, left)
    assert ended["resources_status"] == {"T#done": "available", "T#begun": "error"}
    assert ended["resources_reason"]["T#done"] == "as it was"
    assert "died" in ended["resources_reason"]["T#begun"]


def test_a_record_that_no_service_ever_took_is_ended(running, monkeypatch):
    left = running.record(
        running.database.restores, running.checkpoint(), owner_id=None
    )
    assert running.reaper().reap() == 0
    monkeypatch.setattr(orphans, "SAFE_AGE", datetime.timedelta(0))
    assert running.reaper().reap() == 1
    assert running.status(running.database.restores, left) == "fail"


def test_records_of_running_operations_are_left_alone(running, monkeypatch):
    monkeypatch.setattr(orphans, "SAFE_AGE", datetime.timedelta(0))
    checkpoint = running.checkpoint()
    for owner_id in (running.provider.owner_id, "of a provider that was replaced"):
        running.record(running.database.restores, checkpoint, owner_id=owner_id)
    monkeypatch.setattr(running.reaper(), "_is_running", lambda record_id: True)
    assert running.reaper().reap() == 0


def test_checkpoints_that_could_not_be_ended_are_ended_by_a_later_sweep(
    running, monkeypatch
):
    made = running.provider.checkpoints.create(
        running.plan().to_dict(), provider_id=PROVIDER, project_id=PROJECT
    )
    assert running.sweeper().sweep().ended == ()
    now = timeutils.utcnow(with_timezone=True)
    monkeypatch.setattr(
        running.provider.checkpoints.store, "clock", lambda: now + LATER
    )
    assert running.sweeper().sweep().ended == ((made.id, "error"),)


def test_a_sweep_that_hangs_keeps_no_service_from_giving_its_leases_back(
    start, monkeypatch
):
    monkeypatch.setattr(service, "_CLOSE_TIME", 0.1)
    running = start("zombie_sweep_interval = 1\n")
    hangs, goes_on = threading.Event(), threading.Event()

    def sweep():
        hangs.set()
        goes_on.wait(60)

    monkeypatch.setattr(running.sweeper(), "sweep", sweep)
    assert hangs.wait(60)
    running.service.stop()
    assert not goes_on.is_set()
    assert not running.provider.lease.is_valid()
    goes_on.set()


def test_orphans_behind_many_living_records_are_found(start):
    running = start("osapi_max_limit = 3\n")
    checkpoint = running.checkpoint()
    gone = running.record(running.database.restores, checkpoint, owner_id="dead")
    for _ in range(7):
        running.record(running.database.restores, checkpoint)
    assert running.reaper().reap() == 1
    assert running.status(running.database.restores, gone) == "fail"


def test_a_bank_that_does_not_answer_keeps_no_service_from_sweeping(
    running, monkeypatch
):
    left = running.record(
        running.database.restores, running.checkpoint(), owner_id="dead"
    )
    monkeypatch.setattr(running.provider, "is_alive", refuse)
    assert running.reaper().reap() == 0
    assert running.status(running.database.restores, left) == "in_progress"
