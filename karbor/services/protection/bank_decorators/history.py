# SPDX-License-Identifier: Apache-2.0
"""What a bank was a few changes ago."""

import contextlib
import copy
import dataclasses
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from karbor import exception
from karbor.services.protection.bank_plugin import BankPlugin


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    key: str
    was_there: bool
    value: Any


class History:
    """Remembers the latest changes, one at a time, to answer as if they were not.

    For tests: every change first reads what it replaces, and a listing of the past
    lists all that begins with the prefix.

    :param plugin: whose changes
    :param most: changes that are remembered
    """

    def __init__(self, plugin: BankPlugin, most: int) -> None:
        self._plugin = plugin
        self._lock = threading.Lock()
        self._changes: deque[_Change] = deque(maxlen=most)

    @contextlib.contextmanager
    def change(self, key: str) -> Iterator[None]:
        """Around a change; remembered when it raises nothing."""
        with self._lock:
            try:
                before = _Change(key, True, self._plugin.get_object(key))
            except exception.BankGetObjectFailed:
                before = _Change(key, False, None)
            yield
            self._changes.append(before)

    def old_value(self, key: str, lag: int) -> Any:
        """The value before the last ``lag`` changes.

        :raises BankGetObjectFailed: when it was not there
        """
        past = self._undone(lag).get(key)
        if past is None:
            return self._plugin.get_object(key)
        if not past.was_there:
            raise exception.BankGetObjectFailed(
                key=key, reason="no such object (an old answer)"
            )
        return copy.deepcopy(past.value)

    def old_listing(
        self,
        lag: int,
        prefix: str | None,
        limit: int | None,
        marker: str | None,
        sort_dir: str | None,
    ) -> list[str]:
        """The listing before the last ``lag`` changes."""
        found = set(self._plugin.list_objects(prefix=prefix))
        for key, past in self._undone(lag).items():
            if not key.startswith(prefix or ""):
                continue
            if past.was_there:
                found.add(key)
            else:
                found.discard(key)
        descending = sort_dir == "desc"
        listed = sorted(found, reverse=descending)
        if marker is not None:
            listed = [
                key for key in listed if (key < marker if descending else key > marker)
            ]
        return listed if limit is None else listed[:limit]

    def _undone(self, lag: int) -> dict[str, _Change]:
        """What each key was before the last ``lag`` changes."""
        with self._lock:
            latest = list(self._changes)[-lag:]
        undone: dict[str, _Change] = {}
        for change in latest:
            undone.setdefault(change.key, change)
        return undone
