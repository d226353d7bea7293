# SPDX-License-Identifier: Apache-2.0
"""karbor-manage, as an administrator types it."""

import subprocess
import sys

import pytest
from oslo_config import cfg

from karbor.context import get_admin_context
from karbor.db import migration, options
from karbor.db.database import Database


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "karbor.conf"
    path.write_text(
        f"[DEFAULT]\nstate_path = {tmp_path}/state\nhost = me\n", encoding="utf-8"
    )
    return path


@pytest.fixture
def manage(config_file):
    def run(*arguments):
        return subprocess.run(
            [
                *(sys.executable, "-m", "karbor.cmd.manage"),
                *("--config-file", str(config_file), *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_db_sync_creates_the_tables_and_version_names_them(manage, tmp_path):
    before = manage("db", "version")
    assert before.returncode == 0
    assert "karbor-manage db sync" in before.stdout
    for _ in range(2):
        done = manage("db", "sync")
        assert (done.returncode, done.stdout.strip()) == (0, migration.head())
    assert manage("db", "version").stdout.strip() == migration.head()
    assert (tmp_path / "state" / "karbor.sqlite").exists()


def test_a_revision_that_is_unknown_is_an_error_without_a_traceback(manage):
    done = manage("db", "sync", "no-such")
    assert done.returncode == 1
    assert "Known are: 0001" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_be_opened_is_named(manage, config_file):
    config_file.write_text(
        "[database]\nconnection = sqlite:////proc/karbor.sqlite\n", encoding="utf-8"
    )
    done = manage("db", "sync")
    assert done.returncode == 1
    assert "/proc/karbor.sqlite" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("db",), ("db", "drop"), ("service",)])
def test_wrong_arguments_show_the_usage(manage, arguments):
    done = manage(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_services_are_listed_and_removed(manage, config_file):
    assert "karbor-manage db sync" in manage("service", "list").stderr
    manage("db", "sync")
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("state_path")])
    conf(["--config-file", str(config_file)], project="karbor")
    options.register_opts(conf)
    database = Database(conf)
    service = database.services.heartbeat(
        get_admin_context(), "host-1", "karbor-protection", "t"
    )
    listed = manage("service", "list").stdout
    assert service["id"] in listed
    assert "up" in listed
    removed = manage("service", "remove", "karbor-protection", "host-1")
    assert (removed.returncode, removed.stderr) == (0, "")
    assert database.services.list(get_admin_context()) == []
    again = manage("service", "remove", "karbor-protection", "host-1")
    assert again.returncode == 1
    assert "karbor-protection on host-1" in again.stderr


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ("nosuch://u:secret@h/d", "[database] connection"),
        ("postgresql+psycopg2://u:secret@127.0.0.1:1/d", "refused"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_a_sentence(
    manage, config_file, connection, said
):
    config_file.write_text(
        f"[database]\nconnection = {connection}\nmax_retries = 0\n", encoding="utf-8"
    )
    done = manage("db", "version")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
