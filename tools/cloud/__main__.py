# SPDX-License-Identifier: Apache-2.0
"""The command line of the executables beside this."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lab

from cloud import services
from cloud.installing import install
from cloud.processes import Process, Processes
from cloud.settings import Settings
from cloud.starting import bring_up


def main() -> int:
    """Do what the command line says; 0 when it was done."""
    said = _arguments()
    base = Path(os.environ["KARBOR_CLOUD"])
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        if said.command == "status":
            return _status(Settings.load(base))
        with lab.lock(base / "lock"):
            _change(base, said)
    except lab.LabError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd} failed with status {error.returncode}.", file=sys.stderr)
        return 1
    return 0


def _change(base: Path, said: argparse.Namespace) -> None:
    if said.command == "install":
        install(Settings.load(base))
    elif said.command == "up":
        _up(base, said)
    else:
        _down(Settings.load(base), said.names, said.wipe)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/cloud/…",
        description="A real OpenStack on one machine. Its folder is $KARBOR_CLOUD, by "
        "default $KARBOR_CACHE/cloud.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install what is missing")
    up = commands.add_parser("up", help="install and start what does not run")
    up.add_argument(
        "--port", type=int, help="the first of its ports; cannot be changed afterwards"
    )
    up.add_argument(
        "--token-seconds",
        type=int,
        help="how long tokens live from now on; Keystone is started anew",
    )
    down = commands.add_parser("down", help="stop what 'up' started, and nothing else")
    down.add_argument("--wipe", action="store_true", help="remove all data too")
    for command in (up, down):
        command.add_argument(
            "names", nargs="*", help="only these, as 'status' names them"
        )
    commands.add_parser("status", help="exit 1 when something is down")
    return parser.parse_args()


def _up(base: Path, said: argparse.Namespace) -> None:
    began = time.monotonic()
    settings = Settings.load(base, said.port, said.token_seconds)
    if said.token_seconds and said.names:
        said.names.append("keystone")
    wanted = _named(settings, said.names)
    if not said.names:
        install(settings)
    if said.token_seconds and (base / "settings.json").exists():
        Processes(settings).stop(["keystone"])
    settings.save()
    bring_up(settings, wanted if said.names else None)
    print(f"ready after {time.monotonic() - began:.0f} s: . {base}/openrc")


def _down(settings: Settings, names: list[str], wipe: bool) -> None:
    if wipe and names:
        raise lab.LabError("'--wipe' takes the data of all: name no process.")
    wanted = _named(settings, names)
    below = {process.name for process in services.infrastructure(settings)}
    processes = Processes(settings)
    # What stands on another goes first.
    processes.stop([one.name for one in wanted if one.name not in below])
    processes.stop([one.name for one in wanted if one.name in below])
    if wipe:
        for folder in (settings.data, settings.etc, settings.log, settings.run):
            _remove(folder)
        for name in ("settings.json", "cloud.json", "openrc", "openrc-demo"):
            (settings.base / name).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Remove a folder, if it is there.

    :raises lab.LabError: naming what is in the way, such as a mounted file system
    """

    def refuse(_function: object, path: str, problem: tuple[Any, Any, Any]) -> None:
        _, error, _ = problem
        raise lab.LabError(
            f"{path} cannot be removed: {error.strerror}. If a file system is mounted "
            "there, unmount it; then run 'down --wipe' again."
        ) from error

    if folder.exists():
        shutil.rmtree(folder, onerror=refuse)


def _status(settings: Settings) -> int:
    processes = Processes(settings)
    down = 0
    for process in services.all_processes(settings):
        is_up = processes.is_up(process)
        down += not is_up
        print(f"{process.name:24}{process.port or '':<8}{'up' if is_up else 'DOWN'}")
    return 1 if down else 0


def _named(settings: Settings, names: list[str]) -> list[Process]:
    known = {process.name: process for process in services.all_processes(settings)}
    unknown = set(names) - known.keys()
    if unknown:
        raise lab.LabError(
            f"No process is called {', '.join(sorted(unknown))}; there are "
            f"{', '.join(known)}."
        )
    return [known[name] for name in names] if names else list(known.values())


if __name__ == "__main__":
    sys.exit(main())
