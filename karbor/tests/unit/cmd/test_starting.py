# SPDX-License-Identifier: Apache-2.0
"""Executables that cannot start say why in a sentence, and end."""

import socket
import subprocess
import sys

import pytest

START = "import sys; from karbor.cmd import {0}; sys.exit({0}.main())"

#: Each executable with arguments that let it do something harmless.
EXECUTABLES = {
    "api": [],
    "protection": [],
    "standalone": [],
    "status": ["providers"],
}


def run(executable, *arguments):
    """Its exit code and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", START.format(executable), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


@pytest.fixture
def config_file(tmp_path):
    def write(default="", **groups):
        (tmp_path / "providers.d").mkdir(exist_ok=True)
        path = tmp_path / "karbor.conf"
        lines = [f"[DEFAULT]\nstate_path = {tmp_path}\nauth_strategy = noauth", default]
        lines += [f"[{name}]\n{text}" for name, text in groups.items()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("executable", EXECUTABLES)
def test_a_configuration_file_that_is_missing_is_named(executable, tmp_path):
    path = str(tmp_path / "nowhere.conf")
    code, output = run(executable, "--config-file", path, *EXECUTABLES[executable])
    assert code == 1
    assert path in output
    assert "Traceback" not in output


@pytest.mark.parametrize("executable", EXECUTABLES)
def test_a_value_that_an_option_does_not_take_is_named_with_its_file(
    executable, config_file
):
    path = config_file("max_parallel_hooks = lots")
    code, output = run(executable, "--config-file", path, *EXECUTABLES[executable])
    assert code == 1
    assert "max_parallel_hooks" in output
    assert path in output
    assert "Traceback" not in output


def test_the_daemon_names_a_broker_url_without_quoting_its_password(config_file):
    path = config_file("transport_url = rabit://karbor:geheim@localhost/")
    code, output = run("protection", "--config-file", path)
    assert code == 1
    assert "transport_url" in output
    assert "geheim" not in output
    assert "Traceback" not in output


def test_the_daemon_says_how_the_tables_are_made(config_file):
    path = config_file("transport_url = fake://")
    code, output = run("protection", "--config-file", path)
    assert code == 1
    assert "karbor-manage db sync" in output
    assert "Traceback" not in output


def test_a_database_driver_that_is_not_known_is_named(config_file):
    path = config_file(
        "transport_url = fake://", database="connection = oracel://karbor@db/karbor"
    )
    code, output = run("protection", "--config-file", path)
    assert code == 1
    assert "oracel" in output
    assert "[database] connection" in output
    assert "Traceback" not in output


def test_standalone_names_the_address_that_is_taken(config_file, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        path = config_file(f"osapi_karbor_listen_port = {port}")
        code, output = run(
            "standalone", "--config-file", path, "--base-dir", str(tmp_path / "base")
        )
    assert code == 1
    assert str(port) in output
    assert "osapi_karbor_listen_port" in output
    assert "Traceback" not in output


def test_standalone_names_the_folder_that_it_cannot_make(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file", encoding="utf-8")
    code, output = run("standalone", "--base-dir", str(taken))
    assert code == 1
    assert str(taken) in output
    assert "Traceback" not in output


def test_the_upgrade_check_says_that_the_database_cannot_be_asked(
    config_file, tmp_path
):
    (tmp_path / "karbor.sqlite").write_text("no database at all", encoding="utf-8")
    code, output = run("status", "--config-file", config_file(), "upgrade", "check")
    assert code == 2
    assert "The database cannot be asked" in output


def test_status_says_that_no_provider_is_enabled(config_file):
    code, output = run("status", "--config-file", config_file(), "providers")
    assert code == 0
    assert "No provider is enabled" in output
