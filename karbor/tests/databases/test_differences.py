# SPDX-License-Identifier: Apache-2.0
"""Where databases differ by themselves, Karbor's records do not."""

import concurrent.futures
import contextlib
import threading

import pytest
from oslo_db import exception as db_exception
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from karbor.context import RequestContext
from karbor.db import migration, models
from karbor.db.database import Database

#: Of one, two, three and four bytes in UTF-8, and of two code points.
WORDS = ["a", "ä", "語", "\U0001f600", "e\u0301", "👩\u200d🚀"]

only_servers = pytest.mark.parametrize("kind", ["postgresql", "mariadb"], indirect=True)


@pytest.mark.parametrize("word", WORDS)
def test_a_text_of_any_script_comes_back_and_is_found(database, alice, word):
    text = word * (255 // len(word))
    resources = [{"id": "1", "type": "t", "name": text, "extra_info": {word: text}}]
    plan = database.plans.create(
        alice, {"name": text, "description": text, "resources": resources}
    )
    log = database.operation_logs.create(alice, {"error_info": text})
    assert (plan["name"], plan["description"]) == (text, text)
    assert plan["resources"] == resources
    assert database.operation_logs.get(alice, log["id"])["error_info"] == text
    assert database.plans.list(alice, filters={"name": text}) == [plan]
    assert database.plans.list(alice, filters={"resources": resources}) == [plan]


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "A"), ("a", "ä"), ("a", "a "), ("ss", "ß"), ("é", "e\u0301"), ("", " ")],
)
def test_texts_that_look_alike_are_two(database, alice, one, other):
    for text in (one, other):
        database.plans.create(alice, {"id": f"id-{text}", "name": text})
    for text in (one, other):
        [found] = database.plans.list(alice, filters={"name": text})
        assert (found["id"], found["name"]) == (f"id-{text}", text)
        assert database.plans.get(alice, f"id-{text}") == found


@pytest.mark.parametrize("other", ["Project-A", "project-a ", "prøject-a"])
def test_projects_whose_names_look_alike_are_two(database, alice, other):
    plan = database.plans.create(alice, {})
    stranger = RequestContext(project_id=other, overwrite=False)
    assert database.plans.list(stranger) == []
    assert [row["id"] for row in database.plans.list(alice)] == [plan["id"]]


def test_names_sort_by_code_point(database, alice):
    names = ["Z", "a", "B", "ä", "b", "_", "10", "9", "a ", "", "\U0001f600", "語"]
    for name in [*names, None]:
        database.plans.create(alice, {"name": name})
    listed = [
        row["name"]
        for row in database.plans.list(alice, sort_keys=["name"], sort_dirs=["asc"])
    ]
    assert listed == [None, *sorted(names)]


@only_servers
def test_transactions_that_deadlock_are_done_again(database, alice):
    """Two transactions that change two rows in opposite order, both half-way."""
    for record_id in ("one", "two"):
        database.plans.create(alice, {"id": record_id, "name": ""})
    both_half_way = threading.Barrier(2)
    attempts = []

    def change(order):
        def work(connection):
            attempts.append(order)
            for record_id in order:
                connection.execute(
                    update(models.plans)
                    .where(models.plans.c.id == record_id)
                    .values(name=models.plans.c.name + "x")
                )
                # Broken by the first time out: a second attempt does not wait.
                with contextlib.suppress(threading.BrokenBarrierError):
                    both_half_way.wait(5)
                both_half_way.abort()

        database.plans._write(work)

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        orders = [("one", "two"), ("two", "one")]
        for result in [threads.submit(change, order) for order in orders]:
            result.result(60)
    assert len(attempts) > 2
    assert {row["name"] for row in database.plans.list(alice)} == {"xx"}


@only_servers
def test_a_server_that_was_restarted_is_connected_to_again(database, alice, server):
    plan = database.plans.create(alice, {"name": "before"})
    server.restart()
    assert database.plans.get(alice, plan["id"]) == plan
    server.restart()
    assert database.plans.update(alice, plan["id"], {"name": "after"})["name"] == (
        "after"
    )


@only_servers
def test_a_call_while_the_server_is_down_fails_and_a_later_one_succeeds(
    database, alice, server
):
    plan = database.plans.create(alice, {})
    server.stop()
    try:
        # oslo.db does not know PostgreSQL's refusal, and leaves SQLAlchemy's error.
        with pytest.raises((db_exception.DBConnectionError, OperationalError)):
            database.plans.get(alice, plan["id"])
    finally:
        server.start()
    assert database.plans.get(alice, plan["id"]) == plan


@pytest.mark.parametrize("kind", ["mariadb"], indirect=True)
def test_with_use_db_reconnect_a_call_waits_for_the_server(conf, alice, server):
    conf.set_override("use_db_reconnect", True, group="database")
    migration.sync(conf)
    database = Database(conf)
    plan = database.plans.create(alice, {})
    server.stop()
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        answer = threads.submit(database.plans.get, alice, plan["id"])
        server.start()
        assert answer.result(60) == plan
    database.close()


@only_servers
def test_what_was_answered_is_there_after_the_server_was_killed(
    database, alice, server
):
    plans = [database.plans.create(alice, {"resources": [n]}) for n in range(20)]
    server.kill()
    server.start()
    database.check_schema()
    found = database.plans.list(alice, sort_keys=["created_at"], sort_dirs=["asc"])
    assert found == plans


@only_servers
def test_a_transaction_that_fails_leaves_nothing(database, alice):
    class Failure(Exception):
        pass

    def work(connection):
        connection.execute(update(models.plans).values(name="changed"))
        raise Failure

    database.plans.create(alice, {"name": "as it was"})
    with pytest.raises(Failure):
        database.plans._write(work)
    with database.transactions.read() as connection:
        assert connection.execute(select(models.plans.c.name)).scalars().all() == [
            "as it was"
        ]
