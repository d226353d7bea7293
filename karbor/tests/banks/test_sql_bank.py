# SPDX-License-Identifier: Apache-2.0
"""A bank in a real PostgreSQL and a real MariaDB."""

import concurrent.futures
import contextlib
import multiprocessing
import threading

import psycopg2
import pymysql
import pytest
import sqlalchemy

from karbor import exception
from karbor.services.protection.bank_decorators.errors import may_pass
from karbor.tests.conformance.bank import BankConformance, LeaseConformance
from karbor.tests.fakes.sql_bank import sql_bank

#: What drivers must escape, in every order that matters to them.
AWKWARD = b"'\\\"\0\x1a\n\r%;--\xff\x80" * 500_000


@pytest.fixture
def bank(make_sql_bank):
    return make_sql_bank()


class TestBank(BankConformance):
    @pytest.fixture
    def bank_plugin(self, make_sql_bank):
        return make_sql_bank()


class TestBankOfSmallParts(BankConformance):
    @pytest.fixture
    def bank_plugin(self, make_sql_bank):
        return make_sql_bank(part_size=64 * 1024)


class TestLease(LeaseConformance):
    @pytest.fixture
    def bank_plugin(self, make_sql_bank):
        return make_sql_bank()

    @pytest.fixture
    def second_instance(self, make_sql_bank):
        return make_sql_bank()


def test_bytes_that_drivers_escape_come_back(bank):
    bank.update_object("/awkward", AWKWARD)
    assert bank.get_object("/awkward") == AWKWARD


def test_the_size_of_an_object_is_told(make_sql_bank):
    bank = make_sql_bank(part_size=1024)
    for size in (0, 1024, 5000):
        bank.update_object("/a", b"x" * size)
        assert bank.stored_size("/a") == size


@pytest.mark.parametrize("sql_kind", ["mariadb"], indirect=True)
def test_a_small_packet_limit_makes_smaller_rows(make_sql_bank, ask_sql):
    before = ask_sql("SELECT @@global.max_allowed_packet")
    ask_sql(f"SET GLOBAL max_allowed_packet = {1024 * 1024}")
    try:
        bank = make_sql_bank()
        assert bank._objects.part_size < 1024 * 1024 // 2
        for value in (AWKWARD, b"'" * bank._objects.part_size, b"x"):
            bank.update_object("/value", value)
            assert bank.get_object("/value") == value
    finally:
        ask_sql(f"SET GLOBAL max_allowed_packet = {before}")


@pytest.mark.parametrize("sql_kind", ["mariadb"], indirect=True)
def test_a_packet_limit_under_which_nothing_fits_is_told(sql_url, ask_sql):
    before = ask_sql("SELECT @@global.max_allowed_packet")
    ask_sql("SET GLOBAL max_allowed_packet = 65536")
    try:
        with pytest.raises(exception.InvalidInput, match="max_allowed_packet"):
            sql_bank(sql_url)
    finally:
        ask_sql(f"SET GLOBAL max_allowed_packet = {before}")


def create_and_write(sql_url, number):
    """In a process of its own."""
    bank = sql_bank(sql_url)
    bank.update_object(f"/made/{number}", number)
    bank.acquire_lease()
    found = bank.list_objects("/made/")
    bank.close()
    return found


def test_processes_may_create_the_tables_at_once(sql_url, make_sql_bank):
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(6, mp_context=spawn) as processes:
        tasks = [processes.submit(create_and_write, sql_url, n) for n in range(12)]
        for number, task in enumerate(tasks):
            assert f"/made/{number}" in task.result(120)
    assert len(make_sql_bank().list_objects("/made/")) == 12


def test_many_threads_share_few_connections(make_sql_bank):
    bank = make_sql_bank(pool_size=3)

    def work(number):
        bank.update_object(f"/threads/{number}", number)
        return bank.get_object(f"/threads/{number}")

    with concurrent.futures.ThreadPoolExecutor(24) as threads:
        assert list(threads.map(work, range(200))) == list(range(200))
    assert bank._transactions.engine.pool.checkedout() == 0


def test_a_lease_is_renewed_while_every_connection_is_in_use(make_sql_bank):
    bank = make_sql_bank(pool_size=1, timeout=5)
    with bank._transactions.engine.connect():
        bank.acquire_lease()
        bank.renew_lease()
    assert bank.check_lease_existence(bank.get_owner_id())


def test_writers_of_one_object_leave_it_whole(make_sql_bank):
    bank = make_sql_bank(part_size=1024)
    candidates = [bytes([n]) * (512 + 1024 * n) for n in range(8)]

    def write(number):
        for _ in range(10):
            bank.update_object("/value", candidates[number])
            assert bank.get_object("/value") in candidates

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    rows = sqlalchemy.text("SELECT count(*) FROM karbor_bank_parts")
    value = bank.get_object("/value")
    with bank._transactions.engine.connect() as connection:
        parts = connection.execute(rows).scalar_one()
    assert parts == (-(-len(value) // 1024) if len(value) > 1024 else 0)


def test_transactions_that_deadlock_are_made_again(bank):
    """Two transactions that change two objects in opposite order, both half-way."""
    for key in ("/one", "/two"):
        bank.update_object(key, b"")
    both_half_way = threading.Barrier(2)
    attempts = []

    def change(order):
        def work(connection, _may_be_done):
            attempts.append(order)
            for name in order:
                bank._objects.put(connection, name, 1, memoryview(b"changed"))
                # Broken by the first time out: a second attempt does not wait.
                with contextlib.suppress(threading.BrokenBarrierError):
                    both_half_way.wait(30)
                both_half_way.abort()

        bank._transactions.write(work)

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        orders = [(b"/one", b"/two"), (b"/two", b"/one")]
        for result in [threads.submit(change, order) for order in orders]:
            result.result(60)
    assert len(attempts) > 2
    assert bank.get_object("/one") == bank.get_object("/two") == b"changed"


@pytest.fixture
def lose_the_answer(bank, sql_kind, monkeypatch):
    """The next commit is done, and then its connection is lost."""

    def lose():
        dialect = bank._transactions.engine.dialect
        commit = dialect.do_commit

        def do_commit(connection):
            monkeypatch.setattr(dialect, "do_commit", commit)
            commit(connection)
            raise (
                psycopg2.OperationalError("server closed the connection unexpectedly")
                if sql_kind == "postgresql"
                else pymysql.err.OperationalError(2013, "Lost connection to server")
            )

        monkeypatch.setattr(dialect, "do_commit", do_commit)

    return lose


def test_a_change_whose_answer_was_lost_is_done_once(bank, lose_the_answer):
    bank.update_object("/a", 1)
    lose_the_answer()
    bank.update_object("/a", 2)
    assert bank.get_object("/a") == 2
    lose_the_answer()
    bank.delete_object("/a")
    assert bank.list_objects() == []
    with pytest.raises(exception.BankDeleteObjectFailed, match="no such object"):
        bank.delete_object("/a")


def test_a_server_that_was_restarted_is_connected_to_again(bank, sql_server):
    bank.update_object("/a", b"before")
    bank.acquire_lease()
    sql_server.restart()
    assert bank.get_object("/a") == b"before"
    sql_server.restart()
    bank.update_object("/a", b"after")
    assert bank.get_object("/a") == b"after"
    assert bank.check_lease_existence(bank.get_owner_id())


def test_a_call_while_the_server_is_away_fails_and_may_pass(bank, sql_server):
    bank.update_object("/a", 1)
    password = sqlalchemy.make_url(sql_server.url).password
    sql_server.stop()
    try:
        for call in (
            lambda: bank.get_object("/a"),
            lambda: bank.update_object("/a", 2),
            lambda: bank.delete_object("/a"),
            lambda: bank.list_objects(),
            lambda: bank.acquire_lease(),
            lambda: bank.check_lease_existence("owner"),
        ):
            with pytest.raises(exception.BankException) as raised:
                call()
            assert may_pass(raised.value)
            assert password not in str(raised.value)
    finally:
        sql_server.start()
    assert bank.get_object("/a") == 1


def test_what_was_written_is_there_after_the_server_was_killed(bank, sql_server):
    values = {f"/{number}": bytes([number]) * 100_000 for number in range(20)}
    for key, value in values.items():
        bank.update_object(key, value)
    sql_server.kill()
    sql_server.start()
    assert {key: bank.get_object(key) for key in bank.list_objects()} == values


def test_a_wrong_password_is_told_without_it(sql_url):
    wrong = sqlalchemy.make_url(sql_url).set(password="the-wrong-secret")
    with pytest.raises(exception.InvalidInput, match="connection") as raised:
        sql_bank(wrong.render_as_string(hide_password=False))
    assert "the-wrong-secret" not in str(raised.value)
    assert raised.value.kwargs["option"] == "[sql_bank_plugin]/connection"


@pytest.mark.parametrize("sql_kind", ["postgresql"], indirect=True)
def test_a_database_that_cannot_be_written_is_told(sql_url, make_sql_bank, ask_sql):
    make_sql_bank()
    name = sqlalchemy.make_url(sql_url).database
    ask_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(exception.InvalidInput, match="read-only"):
        sql_bank(sql_url)


@pytest.mark.parametrize("sql_kind", ["postgresql"], indirect=True)
def test_commits_are_durable_though_the_database_says_otherwise(
    sql_url, make_sql_bank, ask_sql
):
    name = sqlalchemy.make_url(sql_url).database
    ask_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with make_sql_bank()._transactions.engine.connect() as connection:
        found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
    assert found == "on"


def test_a_lease_expires_by_the_time_of_the_database(make_sql_bank):
    mine, other = make_sql_bank(), make_sql_bank()
    mine.acquire_lease()
    with mine._transactions.engine.begin() as connection:
        # As if it was written so much earlier.
        connection.exec_driver_sql(
            f"UPDATE karbor_bank_leases SET expires = expires - {601 * 1000}"
        )
    assert not other.check_lease_existence(mine.get_owner_id())
    mine.renew_lease()
    assert other.check_lease_existence(mine.get_owner_id())
