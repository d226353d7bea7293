# SPDX-License-Identifier: Apache-2.0
"""Until when a provider's new checkpoints are locked."""

import dataclasses
import datetime
import json
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from karbor import exception

GROUP = "bank_lock"

#: A lock cannot be taken back, so a slip of the finger must not last for ages.
_LONGEST_DAYS = 36500

OPTS = [
    cfg.IntOpt(
        "days",
        default=0,
        min=0,
        max=_LONGEST_DAYS,
        help="Days for which every new checkpoint of the provider is locked, copies "
        "among them: until then nobody can delete it. 0 locks none by itself.",
    ),
    cfg.IntOpt(
        "max_days",
        default=366,
        min=0,
        max=_LONGEST_DAYS,
        help="Days for which who makes a checkpoint may lock it at most, by lock_days "
        "or lock_until in its extra_info. A lock cannot be taken back, so what is "
        "locked takes space for as long. 0 leaves it to 'days' alone.",
    ),
]

#: What of a checkpoint's extra_info asks for a lock.
LOCK_DAYS = "lock_days"
LOCK_UNTIL = "lock_until"

#: Nothing else may begin like them: who misspells one would have no lock.
_PREFIX = "lock_"


@dataclasses.dataclass(frozen=True)
class LockPolicy:
    """What a provider's file says.

    :param days: for which every new checkpoint is locked; 0: none is
    :param max_days: for which a caller may lock one at most
    """

    days: int = 0
    max_days: int = 366

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "LockPolicy":
        """The policy of a provider's file.

        :raises ValueError: when an option is wrong
        """
        conf.register_opts(OPTS, group=GROUP)
        options = conf[GROUP]
        return cls(options.days, options.max_days)

    def default(self, now: datetime.datetime) -> datetime.datetime | None:
        """Until when a checkpoint is locked that is made now; None: it is not."""
        return now + datetime.timedelta(days=self.days) if self.days else None

    def asked(
        self, extra_info: Any, now: datetime.datetime
    ) -> datetime.datetime | None:
        """Until when a caller wants a checkpoint locked; None: nothing is said.

        :param extra_info: an object, or its JSON: ``lock_days`` is a number of days;
            ``lock_until`` a date, which begins at midnight UTC, or a moment with its
            zone
        :raises InvalidInput: when that is no date, or not one to lock until; or when
            something else begins with ``lock_``
        """
        wanted = _parse(extra_info)
        for name in wanted:
            if name.startswith(_PREFIX) and name not in (LOCK_DAYS, LOCK_UNTIL):
                raise _refuse(f"{name!r} is neither {LOCK_DAYS} nor {LOCK_UNTIL}")
        days, until = wanted.get(LOCK_DAYS), wanted.get(LOCK_UNTIL)
        if days is None and until is None:
            return None
        if days is not None and until is not None:
            raise _refuse(f"{LOCK_DAYS} and {LOCK_UNTIL} exclude each other")
        if days is not None:
            moment = _after_days(days, now)
        else:
            try:
                moment = parse_moment(until)
            except ValueError as error:
                raise _refuse(f"{LOCK_UNTIL} {error}") from error
        if moment <= now:
            raise _refuse(f"a lock until {moment.isoformat()} would be over already")
        if moment > now + datetime.timedelta(days=self.max_days):
            raise _refuse(
                f"the provider allows locks of {self.max_days} days at most "
                f"([{GROUP}]/max_days), and {moment.isoformat()} is later"
            )
        return moment


def parse_moment(text: Any) -> datetime.datetime:
    """A moment from its text.

    :param text: ``2026-12-24``, midnight UTC, or ``2026-12-24T18:30:00+01:00``
    :raises ValueError: when it is neither; tells what is wrong with it
    """
    try:
        moment = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError(
            f"is {text!r}, not a date as 2026-12-24 or a moment as "
            "2026-12-24T18:30:00+01:00"
        ) from None
    if moment.tzinfo is not None:
        try:
            return moment.astimezone(datetime.UTC)
        except OverflowError:
            raise ValueError(f"is {text!r}, out of the range of dates") from None
    if moment.time() != datetime.time() or len(text) > len("2026-12-24"):
        raise ValueError(f"is {text!r}; say its zone: append Z for UTC, or +01:00")
    return moment.replace(tzinfo=datetime.UTC)


def _parse(extra_info: Any) -> Mapping[str, Any]:
    if isinstance(extra_info, str):
        try:
            extra_info = json.loads(extra_info)
        except ValueError:
            return {}
    return extra_info if isinstance(extra_info, Mapping) else {}


def _after_days(days: Any, now: datetime.datetime) -> datetime.datetime:
    # The karbor command sends what it is given as text.
    try:
        if isinstance(days, bool | float):
            raise ValueError
        number = int(days)
        if number < 1:
            raise ValueError
        return now + datetime.timedelta(days=number)
    except (TypeError, ValueError, OverflowError):
        raise _refuse(f"{LOCK_DAYS} is {days!r}, not a number of days") from None


def _refuse(reason: str) -> exception.InvalidInput:
    return exception.InvalidInput(reason=f"extra_info: {reason}")
