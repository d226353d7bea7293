# SPDX-License-Identifier: Apache-2.0
"""The plugin author's example, installed and tested as a third party's would be."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

import pytest

from karbor.common import constants

EXAMPLE = (
    pathlib.Path(__file__).resolve().parents[3] / "doc/source/plugin_author/example"
)
LOADED = """
import json
from oslo_config import cfg
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.services.protection.provider import ProviderRegistry
conf = cfg.ConfigOpts()
conf([], default_config_files=["karbor.conf"])
providers = ProviderRegistry(conf)
providers.load()
print(json.dumps({
    "failures": [str(failure) for failure in providers.failures],
    "types": [provider.resource_types for provider in providers.list()],
    "children": ProtectableRegistry(conf).dependent_types("OS::Keystone::Project"),
}))
"""
PROVIDER = """\
[provider]
name = files
id = 8f5c3d60-9a6e-4d0c-9a32-3d8f6f6a2c11
plugin = example-file-protection-plugin
bank = example-sqlite-bank-plugin
enabled = True
[example_sqlite_bank]
path = {base}/bank.sqlite
[example_files]
path = {base}/files
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An environment that has the example beside what these tests run with."""
    base = tmp_path_factory.mktemp("third-party")
    source = base / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    venv.create(base / "venv", with_pip=False)
    binary = base / "venv" / "bin" / "python"
    folder = _output(
        binary, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
    )
    # What is installed here is installed there too, without asking a package index.
    ours = [path for path in sys.path if path.endswith("site-packages")]
    ours.append(str(pathlib.Path(__file__).resolve().parents[3]))
    pathlib.Path(folder, "beside.pth").write_text("\n".join(ours) + "\n")
    _output(
        binary,
        *("-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"),
        *("--quiet", str(source)),
    )
    return binary


def _output(binary, *arguments, cwd=None):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    ended = subprocess.run(
        [str(binary), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.strip()


def test_its_own_tests_pass(python, tmp_path):
    # Without its package, which is installed; its pyproject.toml keeps pytest from
    # looking for a configuration in the folders above.
    own = tmp_path / "example"
    shutil.copytree(EXAMPLE / "tests", own / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", own)
    said = _output(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=own)
    assert " passed" in said
    assert "skipped" not in said


def test_karbor_finds_its_plugins(python, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "karbor.conf").write_text("[DEFAULT]\n")
    (tmp_path / "providers.d").mkdir()
    (tmp_path / "providers.d" / "files.conf").write_text(PROVIDER.format(base=tmp_path))
    loaded = json.loads(_output(python, "-c", LOADED, cwd=tmp_path).splitlines()[-1])
    assert loaded == {
        "failures": [],
        "types": [["Example::File"]],
        "children": sorted(
            {"Example::File", *constants.RESOURCE_TYPES}
            - {constants.PROJECT_RESOURCE_TYPE}
        ),
    }
