# SPDX-License-Identifier: Apache-2.0
"""Stopping a hook in the middle."""

from collections.abc import Callable
from typing import Any

from karbor.services.protection.waiting.course import Course, WaitCancelled
from karbor.services.protection.waiting.watcher import Watcher


def cut(call: Callable[[], Any], watcher: Watcher, waits: int) -> bool:
    """Call a hook and stop it at one of its waits, as the end of its process does.

    :param waits: how many it comes to the end of before
    :returns: False when it ended before
    """
    course = Course(call)
    until = course.advance(None)
    for _wait in range(waits):
        if until is None:
            return False
        future = watcher.watch(until)
        future.exception(timeout=10)
        until = course.advance(future)
    if until is None:
        return False
    try:
        course.advance(None)
    except WaitCancelled:
        return True
    raise AssertionError("a hook goes on after its operation was stopped")
