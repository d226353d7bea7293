# SPDX-License-Identifier: Apache-2.0
"""Many writers at once: nothing is lost and nobody gets an error."""

import concurrent.futures
import multiprocessing
import os
import threading

from karbor.context import get_admin_context
from karbor.db import migration
from karbor.db.database import Database

WRITERS = 16
ROUNDS = 15


def write(database, writer):
    """What services do all the time: create, update, report."""
    context = get_admin_context()
    for number in range(ROUNDS):
        plan = database.plans.create(
            context, {"id": f"{writer}-{number}", "name": "new", "project_id": "p"}
        )
        database.plans.update(context, plan["id"], {"name": "changed"})
        database.services.heartbeat(context, "host", "karbor-protection", "t")
        database.plans.list(context, limit=5)


def check(database):
    context = get_admin_context()
    plans = database.plans.list(context)
    assert {plan["id"] for plan in plans} == {
        f"{writer}-{number}" for writer in range(WRITERS) for number in range(ROUNDS)
    }
    assert {plan["name"] for plan in plans} == {"changed"}
    [service] = database.services.list(context)
    assert service["report_count"] == WRITERS * ROUNDS


def test_sixteen_threads_write_and_lose_nothing(database):
    start = threading.Barrier(WRITERS)

    def work(writer):
        start.wait()
        write(database, writer)

    with concurrent.futures.ThreadPoolExecutor(WRITERS) as threads:
        for result in [threads.submit(work, writer) for writer in range(WRITERS)]:
            result.result()
    check(database)


def _run_in_fork(database, start, writer):
    start.wait()
    write(database, writer)


def test_sixteen_forked_processes_write_and_lose_nothing(database):
    """The parent's database is in use when they fork, and stays usable."""
    database.plans.list(get_admin_context())
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(WRITERS)
    children = [
        fork.Process(target=_run_in_fork, args=(database, start, writer))
        for writer in range(WRITERS)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * WRITERS
    check(database)


def _sync_and_open(conf, start):
    start.wait()
    migration.sync(conf)
    database = Database(conf)
    database.check_schema()
    database.services.heartbeat(get_admin_context(), "host", "karbor-api", "t")


def test_processes_that_create_the_database_together_do_not_collide(conf):
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(4)
    children = [
        fork.Process(target=_sync_and_open, args=(conf, start)) for _ in range(4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    [service] = Database(conf).services.list(get_admin_context())
    assert service["report_count"] == 4


def test_a_writer_that_is_killed_leaves_whole_rows(database):
    fork = multiprocessing.get_context("fork")
    reader, writer = os.pipe()

    def write_until_killed():
        context = get_admin_context()
        for number in range(10_000):
            database.plans.create(context, {"id": str(number), "resources": [number]})
            os.write(writer, f"{number}\n".encode())

    child = fork.Process(target=write_until_killed)
    child.start()
    with os.fdopen(reader) as lines:
        reported = [int(next(lines)) for _ in range(20)]
        child.kill()
        child.join()
    os.close(writer)
    plans = {row["id"]: row for row in database.plans.list(get_admin_context())}
    for number in reported:
        assert plans[str(number)]["resources"] == [number]
    database.plans.create(get_admin_context(), {"id": "after"})
