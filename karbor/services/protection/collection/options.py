# SPDX-License-Identifier: Apache-2.0
"""When a provider's bank is collected, as its file says."""

import dataclasses
import datetime

from oslo_config import cfg

from karbor.services.protection.bank.chunks import condemned
from karbor.services.protection.collection.collector import (
    DEFAULT_SETTLE,
    DEFAULT_STRONG_SETTLE,
    SettleTimes,
)

GROUP = "bank_garbage"
OPTS = [
    cfg.IntOpt(
        "interval",
        default=6 * 3600,
        min=0,
        help="Seconds between two collections of all garbage in the bank by this "
        "service. Each reads what all checkpoints refer to, so raise it when a bank is "
        "large and its store slow. 0: only what deletions leave is collected, and what "
        "'karbor-manage bank gc' finds.",
    ),
    cfg.IntOpt(
        "after_deletion",
        default=10,
        min=-1,
        help="Seconds from a deletion until its project is collected; longer when that "
        "takes long, so that it is no more than a tenth of the time. -1: not before "
        "the interval.",
    ),
    cfg.IntOpt(
        "settle",
        default=int(DEFAULT_SETTLE.total_seconds()),
        min=0,
        help="Seconds to wait between the phases of a collection, on a bank that may "
        "list late or answer with what was a moment ago, such as Swift. At "
        "least twice what the store needs to show a change to everyone and to be done "
        "with a late request, and by how much the clocks of the services may differ. "
        "Too little loses data.",
    ),
    cfg.IntOpt(
        "strong_settle",
        default=int(DEFAULT_STRONG_SETTLE.total_seconds()),
        min=0,
        help="The same on a bank that promises that what was done is seen at once, but "
        "where a request that timed out may still be carried out, such as S3 or SQL: "
        "as long as that takes, and by how much clocks may differ. A filesystem bank "
        "on a local disk needs neither time.",
    ),
    cfg.IntOpt(
        "max_names",
        default=condemned.MAX_NAMES,
        min=1,
        help="Objects that may be condemned in a project at once; when there are more, "
        "a collection takes several rounds. Each takes 150 bytes of the service's "
        "memory while it is collected, and 8 in every service that writes.",
    ),
]


@dataclasses.dataclass(frozen=True)
class GarbageOptions:
    """The same values, without a configuration.

    :param interval: None: no collection by time
    :param after_deletion: None: no collection after deletions
    """

    interval: datetime.timedelta | None
    after_deletion: datetime.timedelta | None
    settle: SettleTimes
    max_names: int

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "GarbageOptions":
        """The values of a provider's file.

        :raises ValueError: when an option is wrong
        """
        conf.register_opts(OPTS, group=GROUP)
        group = conf[GROUP]
        return cls(
            interval=_seconds(group.interval) if group.interval else None,
            after_deletion=(
                None if group.after_deletion < 0 else _seconds(group.after_deletion)
            ),
            settle=SettleTimes(_seconds(group.settle), _seconds(group.strong_settle)),
            max_names=group.max_names,
        )


def _seconds(number: int) -> datetime.timedelta:
    return datetime.timedelta(seconds=number)
