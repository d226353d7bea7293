# SPDX-License-Identifier: Apache-2.0
"""Things to wait for, whose states a test sets."""

import threading
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from karbor.services.protection.waiting.until import Things


class FakeThings(Things):
    """Shows what the test says, and counts how often it was asked.

    :ivar states: status by id; an id that is not there is gone
    :ivar asked: the ids of each question
    :ivar error: raised instead of an answer
    """

    kind = "thing"

    def __init__(self, key: Hashable = "things") -> None:
        self._key = key
        self._lock = threading.Lock()
        self.states: dict[str, str] = {}
        self.asked: list[list[str]] = []
        self.error: Exception | None = None
        self.fault: str | None = None

    @property
    def key(self) -> Hashable:
        return self._key

    def find(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        with self._lock:
            self.asked.append(list(ids))
            if self.error is not None:
                raise self.error
            return {
                name: {"id": name, "status": self.states[name].upper()}
                for name in ids
                if name in self.states
            }

    def fault_of(self, thing: Mapping[str, Any]) -> str | None:
        return self.fault
