# SPDX-License-Identifier: Apache-2.0
"""From installed programs to a cloud that is ready."""

import datetime
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import lab

from cloud import services
from cloud.configuring import write_configuration
from cloud.databases import Databases
from cloud.processes import Process, Processes
from cloud.settings import REGION, Settings

_OPENRC = """\
export OS_AUTH_URL={auth_url} OS_IDENTITY_API_VERSION=3 OS_REGION_NAME={region}
export OS_USERNAME={user} OS_PASSWORD={password} OS_PROJECT_NAME={user}
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default OS_INTERFACE=public
export no_proxy={host} NO_PROXY={host} PATH={programs}:$PATH
"""


def bring_up(settings: Settings, wanted: list[Process] | None = None) -> None:
    """Start what does not run, and wait until it is ready.

    :param wanted: only these processes; None starts all, makes what is missing in
        them, and waits until all services answer
    :raises lab.LabError: when something does not start, with the end of its output
    """
    write_configuration(settings)
    processes = Processes(settings)
    if wanted is not None:
        _start(processes, wanted)
        return
    since = _trusted_heartbeats(settings, processes)
    databases = Databases(settings)
    databases.create_folder()
    infrastructure = services.infrastructure(settings)
    for process in infrastructure:
        processes.start(process)
    if databases.are_complete():
        _start(processes, [*infrastructure, *services.all_processes(settings)])
    else:
        _start_first(settings, processes, databases)
    _write_facts(settings)
    image_id = _in_venv(settings, "contents", since)
    if not databases.are_complete():
        databases.add_datastore(image_id)
        databases.complete()


def _start_first(
    settings: Settings, processes: Processes, databases: Databases
) -> None:
    """Make tables and catalogue, and start everything as soon as it can be."""
    mariadb, *_ = services.infrastructure(settings)
    processes.wait(mariadb)
    keystone = services.identity(settings)
    with ThreadPoolExecutor() as threads:
        filling = databases.fill(threads)
        databases.bootstrap_keystone()
        _start(processes, [keystone])
        _in_venv(settings, "catalogue")
        for future in filling:
            future.result()
    _start(processes, services.all_processes(settings))


def _start(processes: Processes, wanted: list[Process]) -> None:
    for process in wanted:
        processes.start(process)
    for process in wanted:
        processes.wait(process)


def _trusted_heartbeats(settings: Settings, processes: Processes) -> str:
    """Since when heartbeats show that a service runs: for a new one, from now on."""
    if all(processes.is_running(one.name) for one in services.others(settings)):
        return ""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _in_venv(settings: Settings, module: str, *arguments: str) -> str:
    """Run a module of this package with openstacksdk; gives what it prints."""
    ended = subprocess.run(
        [settings.programs / "python", "-m", f"cloud.{module}", *arguments],
        cwd=lab.TOOLS,
        env={**settings.environment, "KARBOR_CLOUD": str(settings.base)},
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise lab.LabError(f"cloud.{module} failed:\n{ended.stderr[-3000:]}")
    return ended.stdout.strip()


def _write_facts(settings: Settings) -> None:
    """For people, ``openrc`` and ``openrc-demo``; for tests, ``cloud.json``."""
    for user, name in (("admin", "openrc"), ("demo", "openrc-demo")):
        text = _OPENRC.format(
            auth_url=settings.auth_url,
            region=REGION,
            user=user,
            password=settings.password,
            host=lab.HOST,
            programs=settings.programs,
        )
        settings.write_secret(name, text)
    facts = {
        "auth_url": settings.auth_url,
        "region": REGION,
        "password": settings.password,
        "transport_url": settings.transport_url,
        "database_url": settings.database_url,
        "swift_url": f"http://{settings.address('swift')}",
        "volumes": f"{settings.data}/cinder/localfile",
        "programs": str(settings.programs),
    }
    settings.write_secret("cloud.json", json.dumps(facts, indent=2) + "\n")
