# SPDX-License-Identifier: Apache-2.0
"""karbor-manage bank lock-checkpoint: keep a checkpoint until a date."""

import argparse
import datetime
import sys
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from karbor.cmd import providers
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints.lock_policy import parse_moment

LOCKED = 0

_Add = Callable[[str, Callable[[cfg.ConfigOpts], int], str], Any]


def bank_lock_checkpoint(conf: cfg.ConfigOpts) -> int:
    """Let nobody delete a checkpoint before a date."""
    provider = providers.loaded(conf)
    # It works on nothing that another service could take over, so it has no lease.
    checkpoints = CheckpointCollection(provider.bank.uncached, provider_id=provider.id)
    checkpoint = checkpoints.get(conf.command.checkpoint)
    locked = checkpoint.lock(conf.command.until)
    until = locked.until.isoformat(timespec="seconds")
    if locked.objects:
        print(
            f"Checkpoint {checkpoint.id} is locked until {until}, and {locked.objects} "
            "objects with it"
        )
    else:
        print(
            "Warning: the bank cannot lock objects, or is not told to: only Karbor "
            "keeps to the date.",
            file=sys.stderr,
        )
        print(f"Checkpoint {checkpoint.id} is locked until {until}")
    return LOCKED


def add_commands(add: _Add) -> None:
    """Add the command to those of ``bank``.

    :param add: makes one of a name, what it runs and what it is for
    """
    lock = add(
        "lock-checkpoint",
        bank_lock_checkpoint,
        "Let nobody delete a checkpoint before a date: neither users nor "
        "administrators, by any way through Karbor, and where the bank can lock "
        "objects, by the bank itself. A lock can be extended, and never taken back. "
        "Interrupted, run it again.",
    )
    lock.add_argument("--checkpoint", required=True, help="The checkpoint's id.")
    lock.add_argument(
        "--until",
        required=True,
        type=_moment,
        help="A date as 2026-12-24, which begins at midnight UTC, or a moment as "
        "2026-12-24T18:30:00+01:00.",
    )


def _moment(text: str) -> datetime.datetime:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"it {error}") from error
