# SPDX-License-Identifier: Apache-2.0
"""Records of running operations: cheap to change, seldom written, never lost."""

import threading

import pytest

from karbor import exception
from karbor.services.protection.records import (
    OperationLogRecord,
    RestoreRecord,
    VerificationRecord,
)
from karbor.tests.fakes.operations import MemoryRepository


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def repository():
    return MemoryRepository()


def restore(repository, clock=None, **values):
    row = repository.create(None, {"status": "in_progress", **values})
    return RestoreRecord(repository, row, clock=clock or Clock())


def test_fields_read_as_attributes(repository):
    record = restore(repository, parameters={"a": 1}, restore_target=None)

    assert record.status == "in_progress"
    assert record.parameters == {"a": 1}
    assert record.restore_target is None
    with pytest.raises(AttributeError, match="RestoreRecord has no field 'nonsense'"):
        _ = record.nonsense


@pytest.mark.parametrize("kind", [RestoreRecord, VerificationRecord])
def test_the_status_of_a_resource_is_kept_under_its_type_and_id(repository, kind):
    row = repository.create(None, {"status": "in_progress", "resources_status": None})
    record = kind.load(repository, row["id"])

    record.update_resource_status("OS::Glance::Image", "1", "error", "no space")
    record.update_resource_status("OS::Glance::Image", "2", "restored")
    record.flush()

    stored = repository.rows[row["id"]]
    assert stored["resources_status"] == {
        "OS::Glance::Image#1": "error",
        "OS::Glance::Image#2": "restored",
    }
    assert stored["resources_reason"]["OS::Glance::Image#1"] == "no space"
    assert record.resource_status("OS::Glance::Image", "2") == "restored"
    assert record.resource_status("OS::Glance::Image", "3") is None


def test_ten_thousand_saves_within_a_second_are_few_writes(repository):
    record = restore(repository)

    for number in range(10_000):
        record.update_resource_status("t", str(number), "restoring")
        record.save()
    assert repository.writes == 1
    record.flush()

    assert repository.writes == 2
    assert len(repository.rows[record.id]["resources_status"]) == 10_000


def test_a_save_after_a_second_writes_again(repository):
    clock = Clock()
    record = restore(repository, clock)
    for _ in range(3):
        record.change(status="x")
        record.save()
        clock.now += 1.0

    assert repository.writes == 3


def test_what_did_not_change_is_not_written(repository):
    record = restore(repository)

    record.flush()
    record.flush()

    assert repository.writes == 0


def test_a_write_that_fails_is_made_good_by_the_next(repository):
    record = restore(repository)
    repository.error = exception.KarborException("the database is away")
    record.change(status="success")

    record.save()
    with pytest.raises(exception.KarborException):
        record.flush()
    repository.error = None
    record.flush()

    assert repository.rows[record.id]["status"] == "success"


def test_reasons_hide_passwords(repository):
    record = restore(repository)
    log = OperationLogRecord(repository, repository.create(None, {}))

    record.update_resource_status("t", "1", "error", "{'password': 'abc'}")
    log.end("failed", "adminPass=abc")
    record.flush()
    log.flush()

    assert "abc" not in str(repository.rows)


def test_many_threads_lose_nothing(repository):
    record = restore(repository)

    def work(thread):
        for number in range(200):
            record.update_resource_status("t", f"{thread}-{number}", "restored")
            record.flush()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(repository.rows[record.id]["resources_status"]) == 1600


def test_an_operation_log_ends_with_status_time_and_reason(repository):
    log = OperationLogRecord(repository, repository.create(None, {"extra_info": None}))
    log.note(progress={"hooks_done": 1})
    log.end("failed", "no space")
    log.flush()

    stored = repository.rows[log.id]
    assert stored["status"] == "failed"
    assert stored["error_info"] == "no space"
    assert stored["ended_at"].tzinfo is not None
    assert stored["extra_info"] == {"progress": {"hooks_done": 1}}


def test_a_record_that_is_kept_nowhere_takes_changes():
    log = OperationLogRecord(None, {"id": None})
    log.note(progress={})
    log.end("success")
    log.flush()

    assert log.status == "success"


def test_loading_a_record_that_is_gone_is_an_error(repository):
    with pytest.raises(exception.NotFound):
        RestoreRecord.load(repository, "gone")
