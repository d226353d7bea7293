# SPDX-License-Identifier: Apache-2.0
"""karbor-manage bank make-key, rotate-key: the master keys of a provider's bank."""

import datetime
import sys
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from karbor import exception
from karbor.cmd import providers
from karbor.services.protection.bank.encryption import loading, options
from karbor.services.protection.bank.encryption.rotation import KeyRotation, Rotated

DONE, NOT_ALL = 0, 1

_Add = Callable[[str, Callable[[cfg.ConfigOpts], int], str], Any]


def bank_make_key(conf: cfg.ConfigOpts) -> int:
    """Make a master key where the provider's file says they are."""
    file = providers.file_of(conf)
    name = (
        conf.command.key_name or f"karbor-{datetime.datetime.now(datetime.UTC):%Y%m%d}"
    )
    key_id = loading.load_master_keys(file, making=True).make(name)
    group = file.conf[options.GROUP]
    print(f"Made the master key {key_id}")
    if group.key_manager == options.KEY_FILE:
        print(f"It is the first one in {group.key_file}")
    if group.key_manager != options.KEY_FILE or group.master_key_id is not None:
        print(
            f"To use it, set master_key_id = {key_id} in [{options.GROUP}] of "
            f"{file.path}, wherever there is such a file, and reload the services"
        )
    print("Keep a copy of it where the bank is not: what it guards is lost without it")
    return DONE


def bank_rotate_key(conf: cfg.ConfigOpts) -> int:
    """Wrap the keys of projects with the active master key."""
    provider = providers.loaded(conf)
    if not loading.is_enabled(provider.file):
        raise exception.InvalidInput(
            reason=f"provider {provider.id} does not encrypt: its file "
            f"{provider.file.path} has no 'enabled = true' in [{options.GROUP}]"
        )
    rotation = KeyRotation(provider.bank, loading.load_master_keys(provider.file))
    project = conf.command.project
    done = rotation.run(project)
    if project is not None and not (done.rewrapped or done.kept or done.failed):
        raise exception.InvalidInput(
            reason=f"the bank of provider {provider.id} has no keys of project "
            f"{project}"
        )
    print(_rotated(done))
    for reason in done.failed:
        print(f"karbor-manage: {reason}", file=sys.stderr)
    return NOT_ALL if done.failed else DONE


def add_commands(add: _Add) -> None:
    """Add the commands to those of ``bank``.

    :param add: makes one of a name, what it runs and what it is for
    """
    make = add(
        "make-key",
        bank_make_key,
        "Make a master key in the key file or key manager that the provider's file "
        "names. The provider need not load yet.",
    )
    make.add_argument(
        "--name", dest="key_name", help="For people. Default: karbor- and the date."
    )
    rotate = add(
        "rotate-key",
        bank_rotate_key,
        "Wrap the keys of all projects with the master key that is active now. Writes "
        "no data; services may go on working; may be interrupted and run again. Exits "
        "with 1 when a key could not be rewrapped.",
    )
    rotate.add_argument("--project", help="Only this project's keys.")


def _rotated(done: Rotated) -> str:
    lines = [
        f"{done.projects} projects: {done.rewrapped} keys rewrapped with the master "
        f"key {done.master_key_id}, {done.kept} wrapped with it already, "
        f"{len(done.failed)} failed"
    ]
    if done.failed:
        lines.append("Keep every master key, and run it again")
    elif done.rewrapped:
        lines.append(
            "Run it again when every service has the new master key. Once it finds "
            "nothing to rewrap, the old one can go"
        )
    return "\n".join(lines)
