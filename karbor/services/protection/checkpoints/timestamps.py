# SPDX-License-Identifier: Apache-2.0
"""Moments as text that sorts as time does."""

import datetime

_TIMESTAMP = "%Y%m%dT%H%M%S.%fZ"
_SECONDS = "%Y-%m-%dT%H:%M:%SZ"


def format_timestamp(moment: datetime.datetime) -> str:
    """An aware moment as UTC text of fixed width that sorts as time does.

    For example ``20261120T133850.123456Z``.
    """
    return moment.astimezone(datetime.UTC).strftime(_TIMESTAMP)


def parse_timestamp(text: str) -> datetime.datetime:
    """The moment that :func:`format_timestamp` wrote.

    :raises ValueError: when it is something else
    """
    return datetime.datetime.strptime(text, _TIMESTAMP).replace(tzinfo=datetime.UTC)


def format_seconds(moment: datetime.datetime) -> str:
    """An aware moment as people and other programs read it, not earlier than it is.

    For example ``2026-11-20T13:38:50Z``.
    """
    if moment.microsecond:
        moment += datetime.timedelta(seconds=1)
    return moment.astimezone(datetime.UTC).strftime(_SECONDS)


def parse_seconds(text: str) -> datetime.datetime:
    """The moment that :func:`format_seconds` wrote.

    :raises ValueError: when it is something else
    """
    return datetime.datetime.strptime(text, _SECONDS).replace(tzinfo=datetime.UTC)
