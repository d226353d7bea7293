# SPDX-License-Identifier: Apache-2.0
"""Asking a service for what need not exist."""

import urllib.parse
from collections.abc import Callable
from typing import TypeVar

from karbor.services.protection.clients.faults import ServiceFailed, calling

_T = TypeVar("_T")


def found_or_none(
    service: str,
    action: str,
    ask: Callable[[], _T],
    *,
    also: tuple[type[Exception], ...] = (),
) -> _T | None:
    """What a call gives; None when the service answers that there is no such thing.

    :param action: as :func:`~karbor.services.protection.clients.faults.calling` takes
    :param also: likewise
    :raises ServiceFailed: for any other failure
    """
    try:
        with calling(service, action, also=also):
            return ask()
    except ServiceFailed as error:
        if error.is_missing:
            return None
        raise


def is_done_or_missing(
    service: str,
    action: str,
    do: Callable[[], object],
    *,
    also: tuple[type[Exception], ...] = (),
) -> bool:
    """Make a call that has nothing to do when the thing is gone.

    :returns: whether the thing existed
    :raises ServiceFailed: for any other failure
    """
    return found_or_none(service, action, lambda: (do(),), also=also) is not None


def as_path(name: str) -> str:
    """An id as one part of a URL's path; the client libraries take it as it is."""
    return urllib.parse.quote(name, safe="")
