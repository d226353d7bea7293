# SPDX-License-Identifier: Apache-2.0
"""How long, and how often, one plugin looks for what it waits for."""

import dataclasses
from collections.abc import Collection

from karbor.services.protection.waiting.until import (
    Judge,
    Things,
    Until,
    until_gone,
    until_status,
)


@dataclasses.dataclass(frozen=True)
class Patience:
    """What the waits of a plugin have in common.

    :param timeout: seconds after which waiting fails
    :param interval: seconds between two looks at most
    :param hint: what to do when the time is over, such as an option to raise
    """

    timeout: float
    interval: float
    hint: str = ""

    def until_status(
        self,
        things: Things,
        thing_id: str,
        *ready: str,
        pending: Collection[str] = (),
    ) -> Until:
        """As :func:`~karbor.services.protection.waiting.until.until_status`."""
        return until_status(
            things, thing_id, *ready, pending=pending, **dataclasses.asdict(self)
        )

    def until_gone(
        self, things: Things, thing_id: str, pending: Collection[str] = ()
    ) -> Until:
        """As :func:`~karbor.services.protection.waiting.until.until_gone`."""
        return until_gone(things, thing_id, pending=pending, **dataclasses.asdict(self))

    def until(self, things: Things, thing_id: str, judge: Judge, goal: str) -> Until:
        """The wait for what a judge says; the goal is that, as people read it."""
        return Until(
            things=things,
            id=thing_id,
            judge=judge,
            goal=goal,
            **dataclasses.asdict(self),
        )
