# SPDX-License-Identifier: Apache-2.0
"""A SQL bank whose connections the server ends at every moment of a call."""

import time

import psycopg2
import pymysql
import pytest
import sqlalchemy

from karbor import exception
from karbor.services.protection.bank_decorators.errors import may_pass

OLD, NEW = b"old" * 1000, b"new" * 2000
ALWAYS = 1000
#: When a call loses its connection: before a statement, by its number, at its commit,
#: or after it was committed.
BEFORE_COMMIT, AFTER_COMMIT = "commit", "answer"
MOMENTS = [0, 1, 3, BEFORE_COMMIT, AFTER_COMMIT]


class Cutter:
    """Ends the connections of a bank at a moment of its transactions.

    :param end: ends a connection, given its number in the server
    """

    def __init__(self, bank, kind, end):
        self.left = 0
        self.moment = None
        self._statements = 0
        self._kind = kind
        self._end = end
        for transactions in (bank._transactions, bank._lease_transactions):
            engine = transactions.engine
            sqlalchemy.event.listen(engine, "begin", self._begin)
            sqlalchemy.event.listen(engine, "before_cursor_execute", self._execute)
            sqlalchemy.event.listen(engine, "commit", self._commit)
            commit = engine.dialect.do_commit
            engine.dialect.do_commit = lambda c, commit=commit: self._done(commit, c)

    def at(self, moment, times):
        self.moment, self.left = moment, times

    def _begin(self, _connection):
        self._statements = 0

    def _execute(self, connection, _cursor, _statement, _values, _context, _many):
        self._cut(self._statements, connection)
        self._statements += 1

    def _commit(self, connection):
        self._cut(BEFORE_COMMIT, connection)

    def _cut(self, moment, connection):
        if self.left and moment == self.moment:
            self.left -= 1
            driver = connection.connection.dbapi_connection
            self._end(
                driver.get_backend_pid()
                if self._kind == "postgresql"
                else driver.thread_id()
            )

    def _done(self, commit, driver):
        commit(driver)
        if self.left and self.moment == AFTER_COMMIT:
            self.left -= 1
            raise (
                psycopg2.OperationalError("server closed the connection unexpectedly")
                if self._kind == "postgresql"
                else pymysql.err.OperationalError(2013, "Lost connection to server")
            )


@pytest.fixture
def bank(make_sql_bank):
    bank = make_sql_bank(part_size=1024)
    bank.update_object("/value", OLD)
    return bank


@pytest.fixture
def cut(bank, sql_kind, ask_sql):
    """``cut(moment, times)`` ends connections of the bank at that moment."""

    def end(number):
        if sql_kind == "postgresql":
            ask_sql(f"SELECT pg_terminate_backend({number}, 30000)")
            return
        ask_sql(f"KILL {number}")
        there = f"SELECT count(*) FROM information_schema.processlist WHERE id={number}"
        give_up = time.monotonic() + 30
        while ask_sql(there) and time.monotonic() < give_up:
            time.sleep(0.01)

    cutter = Cutter(bank, sql_kind, end)
    yield cutter.at
    cutter.left = 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_call_survives_one_cut(bank, cut, moment):
    cut(moment, 1)
    assert bank.get_object("/value") == OLD
    cut(moment, 1)
    bank.update_object("/value", NEW)
    cut(moment, 0)
    assert bank.get_object("/value") == NEW
    cut(moment, 1)
    assert bank.list_objects("/") == ["/value"]
    cut(moment, 1)
    bank.delete_object("/value")
    cut(moment, 1)
    bank.acquire_lease()
    cut(moment, 1)
    assert bank.check_lease_existence(bank.get_owner_id())
    cut(moment, 0)
    assert bank.list_objects("/") == []
    assert bank.check_lease_validity()


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_update_that_fails_leaves_old_or_new(bank, cut, moment):
    cut(moment, ALWAYS)
    with pytest.raises(exception.BankUpdateObjectFailed, match="/value") as raised:
        bank.update_object("/value", NEW)
    assert may_pass(raised.value)
    cut(moment, 0)
    assert bank.get_object("/value") == (NEW if moment == AFTER_COMMIT else OLD)


@pytest.mark.parametrize("moment", [0, 1, BEFORE_COMMIT, AFTER_COMMIT])
def test_a_deletion_that_fails_may_pass(bank, cut, moment):
    cut(moment, ALWAYS)
    with pytest.raises(exception.BankDeleteObjectFailed, match="/value") as raised:
        bank.delete_object("/value")
    assert may_pass(raised.value)
    cut(moment, 0)
    left = [] if moment == AFTER_COMMIT else ["/value"]
    assert bank.list_objects() == left


@pytest.mark.parametrize("moment", [0, BEFORE_COMMIT])
def test_other_calls_that_fail_may_pass(bank, cut, moment):
    bank.release_lease()
    cut(moment, ALWAYS)
    for call, error in (
        (lambda: bank.get_object("/value"), exception.BankGetObjectFailed),
        (lambda: bank.list_objects(), exception.BankListObjectsFailed),
        (lambda: bank.acquire_lease(), exception.AcquireLeaseFailed),
        (lambda: bank.check_lease_existence("x"), exception.BankException),
    ):
        with pytest.raises(error) as raised:
            call()
        assert may_pass(raised.value)
    assert not bank.check_lease_validity()
