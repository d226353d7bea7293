# SPDX-License-Identifier: Apache-2.0
"""The migrations make exactly the tables that the models describe."""

import os
import stat

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from oslo_config import cfg
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from karbor.db import migration, models, options
from karbor.db.database import Database
from karbor.db.engine import Transactions


def test_a_new_database_is_brought_to_the_head(conf):
    assert migration.version(conf) is None
    assert migration.sync(conf) == migration.head()
    assert migration.version(conf) == migration.head()
    assert migration.sync(conf) == migration.head()


def test_a_migrated_database_has_the_tables_of_the_models(conf):
    migration.sync(conf)
    with Transactions(conf).read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, models.metadata) == []


def test_an_empty_database_is_told_from_one_that_is_ready(conf):
    database = Database(conf)
    with pytest.raises(migration.DatabaseOutOfDate, match="karbor-manage db sync"):
        database.check_schema()
    migration.sync(conf)
    database.check_schema()


def test_a_revision_that_does_not_exist_is_refused(conf):
    with pytest.raises(migration.MigrationError, match="0001"):
        migration.sync(conf, "no-such")
    assert migration.version(conf) is None


def test_a_database_of_a_newer_version_is_left_alone(conf):
    migration.sync(conf)
    with Transactions(conf).write() as connection:
        connection.execute(
            sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'")
        )
    with pytest.raises(migration.MigrationError, match="Upgrade Karbor"):
        migration.sync(conf)


def test_going_back_is_refused(conf):
    migration.sync(conf)
    with pytest.raises(migration.MigrationError, match="backup"):
        migration.sync(conf, "base")


def test_big_fields_are_longtext_on_mariadb():
    for table in models.metadata.sorted_tables:
        statement = str(CreateTable(table).compile(dialect=mysql.dialect()))
        assert " TEXT" not in statement
        assert "utf8mb4_nopad_bin" in statement
    statement = str(CreateTable(models.plans).compile(dialect=mysql.dialect()))
    assert "resources LONGTEXT" in statement
    assert "created_at DATETIME(6)" in statement


@pytest.fixture
def sqlite_conf(tmp_path):
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("state_path")])
    conf([], project="karbor", default_config_files=[], default_config_dirs=[])
    options.register_opts(conf)
    conf.set_override("state_path", str(tmp_path / "state"))
    return conf


def test_without_a_connection_the_records_are_in_the_state_folder(sqlite_conf):
    migration.sync(sqlite_conf)
    path = os.path.join(sqlite_conf.state_path, "karbor.sqlite")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(sqlite_conf.state_path).st_mode) == 0o700
    Database(sqlite_conf).check_schema()


def test_sqlite_runs_with_a_write_ahead_log_and_foreign_keys(sqlite_conf):
    with Transactions(sqlite_conf).read() as connection:
        pragma = connection.exec_driver_sql
        assert pragma("PRAGMA journal_mode").scalar() == "wal"
        assert pragma("PRAGMA foreign_keys").scalar() == 1
        assert pragma("PRAGMA busy_timeout").scalar() == 60_000


def test_a_database_in_memory_is_one_database_for_all_threads(sqlite_conf):
    sqlite_conf.set_override("connection", "sqlite://", group="database")
    transactions = Transactions(sqlite_conf)
    with transactions.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    with transactions.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0


def test_a_connection_that_is_no_url_is_refused_without_quoting_it(sqlite_conf):
    sqlite_conf.set_override("connection", "user:hunter2@host", group="database")
    with pytest.raises(ValueError, match=r"\[database\] connection") as caught:
        Database(sqlite_conf)
    assert "hunter2" not in str(caught.value)


def test_mariadb_is_spoken_to_in_four_byte_utf8(sqlite_conf):
    sqlite_conf.set_override("connection", "mysql+pymysql://host/k", group="database")
    assert options.connection_url(sqlite_conf).query["charset"] == "utf8mb4"
