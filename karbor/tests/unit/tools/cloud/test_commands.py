# SPDX-License-Identifier: Apache-2.0
"""What the commands do to a folder that something runs in, or is mounted in."""

import argparse
import errno
import json
import os
import shutil

import lab
import pytest
from cloud import __main__ as command
from cloud import installing


@pytest.fixture
def keystone_runs(settings):
    """As far as its file says: it is this process."""
    state = {"pid": os.getpid(), "started": lab.started(os.getpid())}
    (settings.run / "keystone.json").write_text(json.dumps(state))


@pytest.mark.usefixtures("keystone_runs")
def test_the_programs_of_what_runs_are_not_taken_away(settings):
    settings.venv.mkdir()
    (settings.venv / "pyvenv.cfg").touch()
    with pytest.raises(lab.LabError, match="keystone of the cloud"):
        installing._install_openstack(settings)
    assert (settings.venv / "pyvenv.cfg").exists()


def test_only_an_up_of_all_installs(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(command, "install", lambda _settings: done.append("install"))
    monkeypatch.setattr(
        command,
        "bring_up",
        lambda _settings, wanted: done.append(wanted and [one.name for one in wanted]),
    )
    for names in (["rabbitmq"], []):
        said = argparse.Namespace(port=None, token_seconds=None, names=names)
        command._up(tmp_path, said)
    assert done == [["rabbitmq"], "install", None]


def test_what_keeps_a_folder_from_being_wiped_is_named(settings, monkeypatch):
    settings.save()
    busy = str(settings.data / "glance/images")

    def rmtree(path, onerror):
        error = OSError(errno.EBUSY, "Device or resource busy", "images")
        onerror(os.rmdir, busy, (OSError, error, None))

    settings.data.mkdir()
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.raises(lab.LabError, match=f"{busy} cannot be removed: Device"):
        command._down(settings, [], wipe=True)
    assert (settings.base / "settings.json").exists()
