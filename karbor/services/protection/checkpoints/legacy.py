# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that the retired Karbor 1.x made.

Its ``index.json`` has the graph inside, a number of seconds as its ``timestamp``, and
no digest. Its listings have other keys, which this release does not read: an
administrator has them written anew once, with ``karbor-manage bank rebuild-index``.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from karbor.services.protection.checkpoints.timestamps import format_timestamp

VERSION = "0.9"


def convert(value: Mapping[str, Any]) -> dict[str, Any]:
    """What an index of Karbor 1.x says, in the words of this release.

    :raises ValueError: saying what is wrong with it
    """
    seconds = value.get("timestamp")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"'timestamp' is {seconds!r}, not a number of seconds")
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"'timestamp' is {seconds!r}: {error}") from error
    graph = value.get("resource_graph")
    if not isinstance(graph, str | None):
        raise ValueError("'resource_graph' is no text")
    return {
        **value,
        "timestamp": format_timestamp(moment),
        "resource_graph": None,
        "legacy": {"timestamp": seconds, "resource_graph": graph},
    }


def listing_keys(
    provider_id: str, project_id: str, plan_id: str, created_at: str, seconds: float
) -> tuple[str, ...]:
    """The keys, in the section of the indices, that Karbor 1.x gave a checkpoint.

    :param seconds: its ``timestamp``, an int or a float as it was
    """
    return (
        f"by-provider/{provider_id}/{project_id}/{seconds}",
        f"by-plan/{plan_id}/{project_id}/{created_at}/{seconds}",
        f"by-date/{created_at}/{project_id}/{seconds}",
    )
