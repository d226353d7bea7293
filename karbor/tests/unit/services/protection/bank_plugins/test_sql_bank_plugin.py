# SPDX-License-Identifier: Apache-2.0
"""A bank in SQLite; and what every database is asked through the same code."""

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg
from sqlalchemy import exc
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import make_url

from karbor import exception
from karbor.services.protection.bank_decorators.errors import may_pass
from karbor.services.protection.bank_plugins.sql import (
    errors,
    objects,
    settings,
    statements,
)
from karbor.services.protection.bank_plugins.sql.errors import Remedy
from karbor.services.protection.bank_plugins.sql.tables import Tables
from karbor.services.protection.provider import ProviderRegistry
from karbor.tests.fakes.sql_bank import sql_bank


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/folder/bank.sqlite"


@pytest.fixture
def make_bank(url):
    made = []

    def make_bank(**options):
        made.append(sql_bank(url, **options))
        return made[-1]

    yield make_bank
    for bank in made:
        bank.close()


@pytest.fixture
def bank(make_bank):
    return make_bank()


def scalar(bank, statement):
    with bank._transactions.engine.connect() as connection:
        return connection.exec_driver_sql(statement).scalar_one()


def change(bank, statement):
    bank._transactions.write(
        lambda connection, _may_be_done: connection.exec_driver_sql(statement)
    )


def test_every_commit_is_synced_to_a_log(bank):
    assert scalar(bank, "PRAGMA journal_mode") == "wal"
    assert scalar(bank, "PRAGMA synchronous") == 2


def test_the_file_is_its_owners_alone(bank, tmp_path):
    folder = tmp_path / "folder"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "bank.sqlite").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("options", "option", "reason"),
    [
        ({"connection": None}, "connection", "not set"),
        ({"connection": ""}, "connection", "not set"),
        ({"connection": "karbor:the-secret"}, "connection", "no URL"),
        ({"connection": "oracle://u:the-secret@h/d"}, "connection", "'oracle'"),
        ({"connection": "nosuchdb://u:the-secret@h/d"}, "connection", "nosuchdb"),
        (
            {"connection": "postgresql+nodriver://u:the-secret@h/d"},
            "connection",
            "nodriver",
        ),
        ({"connection": "sqlite://"}, "connection", "absolute path"),
        ({"connection": "sqlite:///relative.sqlite"}, "connection", "absolute path"),
        ({"connection": "sqlite:////proc/no/bank.sqlite"}, "connection", "/proc/no"),
        ({"connection": "sqlite:////dev/null"}, "connection", "cannot be used"),
        (
            {"connection": "postgresql+psycopg2://u:the-secret@127.0.0.1:1/d"},
            "connection",
            "refused",
        ),
        (
            {"connection": "postgresql+psycopg2://u:the-secret@127.0.0.1:1"},
            "connection",
            "no database",
        ),
        (
            {"connection": "mysql+pymysql://u:the-secret@127.0.0.1:1/d"},
            "connection",
            "refused",
        ),
        (
            {"connection": "mysql+pymysql://u@127.0.0.1:1/d?nonsense=the-secret"},
            "connection",
            "nonsense",
        ),
        ({"table_prefix": "x; drop table"}, "table_prefix", "up to 40"),
        ({"table_prefix": "X" * 41}, "table_prefix", "up to 40"),
        ({"lease_renew_window": 600}, "lease_renew_window", "lease_expire_window"),
        ({"lease_validity_window": 0}, "lease_validity_window", "more than 0"),
    ],
)
def test_a_mistake_is_named_without_secrets(url, options, option, reason):
    options = {"connection": url, **options}
    with pytest.raises(exception.InvalidInput) as raised:
        sql_bank(**options)
    assert raised.value.kwargs["option"] == f"[sql_bank_plugin]/{option}"
    assert reason in str(raised.value)
    assert "the-secret" not in str(raised.value)
    assert raised.value.__cause__ is None or "the-secret" not in str(
        raised.value.__cause__
    )


def test_the_url_is_a_secret_option():
    [opt] = [opt for opt in settings.OPTS if opt.name == "connection"]
    assert opt.secret


def test_what_the_store_can_do(bank):
    can = bank.capabilities
    assert (can.atomic_create, can.compare_and_swap, can.strong_read) == (True,) * 3
    assert not can.object_lock


def test_two_prefixes_are_two_banks(make_bank):
    one, other = make_bank(table_prefix="one"), make_bank(table_prefix="other")
    one.update_object("/a", 1)
    one.acquire_lease()
    assert other.list_objects() == []
    assert not other.check_lease_existence(one.get_owner_id())


def test_a_bank_outlives_its_plugin(make_bank):
    make_bank().update_object("/a", {"b": 1})
    assert make_bank().get_object("/a") == {"b": 1}


def test_tables_of_another_format_are_left_alone(make_bank, bank):
    change(bank, "UPDATE karbor_bank_format SET format = 99")
    with pytest.raises(exception.InvalidInput, match="format 99"):
        make_bank()


def test_an_object_of_an_unknown_kind_cannot_be_read(bank):
    bank.update_object("/a", 1)
    change(bank, "UPDATE karbor_bank_objects SET kind = 99")
    with pytest.raises(exception.BankGetObjectFailed, match=r"/a.*kind is 99"):
        bank.get_object("/a")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM karbor_bank_parts WHERE number = 1",
        "DELETE FROM karbor_bank_parts",
        "UPDATE karbor_bank_parts SET content = x'00' WHERE number = 2",
    ],
)
def test_a_lost_part_is_noticed(make_bank, statement):
    bank = make_bank(part_size=1024)
    bank.update_object("/a", b"x" * 4000)
    change(bank, statement)
    with pytest.raises(exception.BankGetObjectFailed, match=r"/a.*bytes"):
        bank.get_object("/a")


def test_the_size_of_bytes_is_told_and_is_what_is_there(make_bank):
    bank = make_bank(part_size=1024)
    for size in (0, 1, 1024, 1025, 4000):
        bank.update_object("/a", b"x" * size)
        assert bank.stored_size("/a") == size
    change(bank, "DELETE FROM karbor_bank_parts WHERE number = 1")
    assert bank.stored_size("/a") == 4000 - 1024
    bank.update_object("/b", "text")
    assert bank.stored_size("/b") is None
    with pytest.raises(exception.BankGetObjectFailed, match=r"/c.*no such object"):
        bank.stored_size("/c")


def test_no_part_is_left_behind(make_bank):
    bank = make_bank(part_size=1024)
    count = "SELECT count(*) FROM karbor_bank_parts"
    bank.update_object("/a", b"x" * 4000)
    assert scalar(bank, count) == 4
    bank.update_object("/a", b"x" * 2000)
    assert scalar(bank, count) == 2
    bank.update_object("/a", b"x" * 1024)
    assert scalar(bank, count) == 0
    bank.update_object("/a", b"x" * 4000)
    bank.delete_object("/a")
    assert scalar(bank, count) == 0


def test_what_json_cannot_say_is_refused(bank):
    with pytest.raises(exception.BankUpdateObjectFailed, match=r"/a.*cannot be kept"):
        bank.update_object("/a", {1, 2})
    assert bank.list_objects() == []


def test_a_wrong_key_is_refused(bank):
    for call in (bank.get_object, bank.delete_object):
        with pytest.raises(exception.InvalidParameterValue):
            call("/a/../b")
    with pytest.raises(exception.InvalidParameterValue):
        bank.update_object("a", 1)


def test_a_damaged_file_is_an_error_that_does_not_pass(bank, make_bank, url):
    bank.update_object("/a", b"x" * 100_000)
    bank.close()
    with open(make_url(url).database, "r+b") as file:
        file.seek(0)
        file.write(os.urandom(50_000))
    with pytest.raises(exception.BankGetObjectFailed) as raised:
        bank.get_object("/a")
    assert not may_pass(raised.value)


def test_a_lease_expires(make_bank):
    mine, other = make_bank(), make_bank()
    mine.acquire_lease()
    left = scalar(
        mine,
        "SELECT expires - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) "
        "FROM karbor_bank_leases",
    )
    assert 0 < left <= 600 * 1000
    change(mine, f"UPDATE karbor_bank_leases SET expires = expires - {601 * 1000}")
    assert not other.check_lease_existence(mine.get_owner_id())
    mine.renew_lease()
    assert other.check_lease_existence(mine.get_owner_id())


def test_an_owner_stops_believing_before_others_do(bank, monkeypatch):
    assert not bank.check_lease_validity()
    bank.acquire_lease()
    assert bank.check_lease_validity()
    bank._lease_written -= 600 - 100
    assert not bank.check_lease_validity()


def test_long_expired_leases_are_cleaned_up(make_bank):
    dead, late, mine = make_bank(), make_bank(), make_bank()
    dead.acquire_lease()
    change(dead, f"UPDATE karbor_bank_leases SET expires = expires - {1201 * 1000}")
    late.acquire_lease()
    owner = late.get_owner_id().encode().hex()
    change(
        late,
        f"UPDATE karbor_bank_leases SET expires = expires - {601 * 1000} "
        f"WHERE owner = x'{owner}'",
    )
    mine.acquire_lease()
    assert scalar(mine, "SELECT count(*) FROM karbor_bank_leases") == 2


def test_leases_are_no_objects(bank):
    bank.acquire_lease()
    assert bank.list_objects() == []


def test_a_writer_that_waits_too_long_fails_and_may_pass(make_bank):
    bank, other = make_bank(), make_bank(timeout=1)
    holding, release = threading.Event(), threading.Event()

    def hold(connection, _may_be_done):
        holding.set()
        release.wait(60)

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(bank._transactions.write, hold)
        assert holding.wait(30)
        try:
            with pytest.raises(exception.BankUpdateObjectFailed) as raised:
                other.update_object("/a", 1)
            assert may_pass(raised.value)
            # Readers never wait.
            assert other.list_objects() == []
        finally:
            release.set()
        held.result(30)
    other.update_object("/a", 1)


def write_some(url, number):
    """In a process of its own."""
    bank = sql_bank(url)
    for step in range(10):
        bank.update_object(f"/shared/{number}/{step}", step)
    bank.acquire_lease()
    bank.close()
    return True


def test_processes_may_create_and_write_at_once(url, make_bank):
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=spawn) as processes:
        tasks = [processes.submit(write_some, url, number) for number in range(8)]
        assert all(task.result(120) for task in tasks)
    assert len(make_bank().list_objects("/shared/")) == 80


WRITER = """\
import sys
from karbor.services.protection.provider import ProviderRegistry
from karbor.tests.fakes.sql_bank import sql_bank
bank = sql_bank(sys.argv[1], part_size=1024)
for number in range(1_000_000):
    bank.update_object("/value", bytes([number % 251]) * (1 + number % 9 * 700))
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_the_old_value_or_the_new_one(url, make_bank):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True
    )
    for _ in range(25):
        written = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait(30)
    process.stdout.close()
    last = int(rest[-1]) if rest else written
    assert make_bank(part_size=1024).get_object("/value") in [
        bytes([number % 251]) * (1 + number % 9 * 700) for number in (last, last + 1)
    ]


def test_a_forked_process_has_connections_of_its_own(bank):
    bank.update_object("/a", 1)
    child = os.fork()
    if child == 0:
        try:
            bank.update_object("/child", bank.get_object("/a"))
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert bank.get_object("/child") == 1


@given(st.binary(max_size=6), st.lists(st.binary(max_size=8)))
def test_the_end_of_a_prefix_is_where_its_names_end(prefix, names):
    end = objects._after(prefix)
    for name in [*names, *(prefix + name for name in names)]:
        is_in_range = name >= prefix and (end is None or name < end)
        assert is_in_range == name.startswith(prefix)


class DriverError(Exception):
    def __init__(self, *args, pgcode=None):
        super().__init__(*args)
        self.pgcode = pgcode


def failed(cls, *args, pgcode=None, is_disconnect=False):
    return cls("SELECT 1", {}, DriverError(*args, pgcode=pgcode), False, is_disconnect)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (failed(exc.OperationalError, "deadlock", pgcode="40P01"), Remedy.REPEAT),
        (failed(exc.OperationalError, "serialize", pgcode="40001"), Remedy.REPEAT),
        (failed(exc.OperationalError, 1213, "deadlock"), Remedy.REPEAT),
        (failed(exc.OperationalError, "gone", is_disconnect=True), Remedy.RECONNECT),
        (failed(exc.OperationalError, 2003, "refused"), Remedy.LATER),
        (failed(exc.OperationalError, "database is locked"), Remedy.LATER),
        (exc.TimeoutError("the pool is empty"), Remedy.LATER),
        (failed(exc.IntegrityError, "duplicate"), Remedy.NONE),
        (failed(exc.ProgrammingError, "no such table"), Remedy.NONE),
        (failed(exc.DataError, "too long"), Remedy.NONE),
        (exc.InvalidRequestError("a defect"), Remedy.NONE),
    ],
)
def test_an_error_has_its_remedy(error, expected):
    assert errors.remedy(error) is expected


def test_an_error_is_told_without_values_and_passwords():
    url = make_url("postgresql+psycopg2://u:p4ss@h/d?sslpassword=k3y")
    error = failed(exc.OperationalError, "no: p4ss and k3y\nmore")
    assert errors.describe(error, url) == "no: *** and *** more"


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("sqlite", sqlite.dialect()),
        ("postgresql", postgresql.dialect()),
        ("mysql", mysql.dialect()),
        ("mariadb", mysql.dialect()),
    ],
)
def test_each_database_can_be_asked_to_replace_a_row(name, dialect):
    table = Tables.named("x").leases
    upsert = statements.upsert(name, table, {"owner": b"", "expires": 1})
    text = str(upsert.compile(dialect=dialect))
    assert text.startswith("INSERT INTO x_leases")
    assert "UPDATE" in text


PROVIDER = """\
[provider]
name = In a database
id = 6659007d-6f66-4a0f-9cb4-17d6aded0bb9
plugin = karbor-noop-protection-plugin
bank = karbor-sql-bank-plugin
bank_decorator = retry
enabled = True

[sql_bank_plugin]
connection = {connection}
"""


@pytest.fixture
def load(tmp_path):
    """Load a provider whose bank is at this URL."""

    def load(connection):
        (tmp_path / "providers.d").mkdir()
        (tmp_path / "karbor.conf").write_text("[DEFAULT]\n")
        (tmp_path / "providers.d" / "sql.conf").write_text(
            PROVIDER.format(connection=connection)
        )
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(tmp_path / "karbor.conf")])
        registry = ProviderRegistry(conf)
        registry.load()
        registry.start()
        return registry

    return load


def test_a_provider_keeps_streams_in_a_database(load, url):
    registry = load(url)
    [provider] = registry.list()
    assert provider.lease.is_valid()
    section = provider.bank.get_sub_section("checkpoints/1")
    data = os.urandom(5_000_000)
    section.write_stream("disk", iter([data]))
    with section.open_stream("disk") as stream:
        assert stream.read() == data
    registry.stop()
    assert not provider.bank.plugin.check_lease_existence(provider.owner_id)


def test_a_provider_whose_database_is_away_tells_so_without_the_password(load):
    registry = load("postgresql+psycopg2://karbor:the-secret@127.0.0.1:1/bank")
    [failure] = registry.failures
    assert failure.option == "[sql_bank_plugin]/connection"
    assert "refused" in failure.reason
    assert "the-secret" not in str(failure)
