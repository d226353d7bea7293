# SPDX-License-Identifier: Apache-2.0
"""Installs servers, OpenStack and the drivers of this cloud; idempotent."""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import lab

from cloud import services
from cloud.processes import Processes
from cloud.settings import Settings

_HERE = Path(__file__).parent
_CONSTRAINTS = _HERE / "constraints.txt"
_DRIVERS = _HERE / "drivers"

_PACKAGES = (
    *("keystone", "glance", "openstack-placement", "swift", "cinder", "nova"),
    *("neutron", "manila", "trove", "freezer-api", "freezer"),
    *("PyMySQL", "python-memcached", "pyuwsgi"),
    # Some services still import pkg_resources, which comes with setuptools.
    *("setuptools", "wheel"),
    *("python-openstackclient", "python-swiftclient", "python-cinderclient"),
    *("python-glanceclient", "python-novaclient", "python-neutronclient"),
    *("python-manilaclient", "python-troveclient", "python-freezerclient"),
)

#: Services call 'sudo'; here they are already who they want to be.
_SUDO = """\
#!/bin/sh
while [ "${1#-}" != "$1" ]; do
    [ "$1" = -u ] && shift
    shift
done
exec "$@"
"""


def install(settings: Settings) -> None:
    """Install what is missing.

    :raises lab.LabError: when pip fails, with the end of its output; and when another
        OpenStack is to be installed while the cloud runs
    :raises subprocess.CalledProcessError: when a server cannot be installed; what is
        to be done has been printed
    """
    subprocess.run([lab.TOOLS / "install_servers.sh"], check=True)
    settings.log.mkdir(parents=True, exist_ok=True)
    _install_openstack(settings)
    _install_drivers(settings)
    settings.shims.mkdir(exist_ok=True)
    sudo = settings.shims / "sudo"
    sudo.write_text(_SUDO)
    sudo.chmod(0o755)


def _install_openstack(settings: Settings) -> None:
    wanted = _digest(_CONSTRAINTS.read_bytes(), " ".join(_PACKAGES).encode())
    stamp = settings.venv / "karbor-cloud"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _refuse_below_what_runs(settings)
    print(f"Installing OpenStack into {settings.venv} …", file=sys.stderr)
    if (settings.venv / "pyvenv.cfg").exists():
        shutil.rmtree(settings.venv)
    venv.create(settings.venv, with_pip=True)
    _pip(settings, "pip", "-U", "pip", "wheel", "setuptools")
    _pip(settings, "openstack", *_PACKAGES)
    stamp.write_text(wanted)


def _refuse_below_what_runs(settings: Settings) -> None:
    processes = Processes(settings)
    names = [one.name for one in services.all_processes(settings)]
    running = [name for name in names if processes.is_running(name)]
    if running:
        raise lab.LabError(
            "OpenStack is to be installed anew, as its packages or constraints.txt "
            f"have changed, but {', '.join(running)} of the cloud in {settings.base} "
            "run with what is installed. Run 'down' first."
        )


def _install_drivers(settings: Settings) -> None:
    """From a copy, as pip builds in the folder of the sources."""
    files = sorted(
        path for path in _DRIVERS.rglob("*") if path.suffix in (".py", ".toml")
    )
    wanted = _digest(*(path.read_bytes() for path in files))
    stamp = settings.venv / "karbor-cloud-drivers"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    sources = settings.base / "drivers"
    if sources.exists():
        shutil.rmtree(sources)
    shutil.copytree(_DRIVERS, sources)
    _pip(settings, "drivers", "--no-deps", "--no-build-isolation", str(sources))
    # Nova loads drivers from its own package only.
    [nova] = settings.venv.glob("lib/python3*/site-packages/nova/virt")
    shutil.copyfile(_DRIVERS / "nova_virt_karbor_cloud.py", nova / "karbor_cloud.py")
    stamp.write_text(wanted)


def _pip(settings: Settings, name: str, *arguments: str) -> None:
    output = settings.log / f"pip-{name}.out"
    command = [settings.programs / "python", "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "--constraint", _CONSTRAINTS]
    with output.open("wb") as log:
        ended = subprocess.run(
            [*command, *arguments], stdout=log, stderr=subprocess.STDOUT
        )
    if ended.returncode:
        raise lab.LabError(
            f"pip failed. Its output is {output}:\n"
            + output.read_text(errors="replace")[-2000:]
        )


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()
