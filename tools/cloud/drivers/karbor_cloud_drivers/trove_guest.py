# SPDX-License-Identifier: Apache-2.0
"""Trove's own fake guest agent, made fit for today's calls.

The task manager talks to it in its own process. The server, the volume and the port of
an instance are real ones of this cloud; the database in it is not, and its backups
become COMPLETED without moving a byte.
"""

import inspect
import sys
import threading
import types
from urllib import parse


def _unquote_user_host(name):
    user, at, host = parse.unquote(name).rpartition("@")
    return (user, host or "%") if at else (host, "%")


# The fake imports this from a module that Trove no longer has.
_util = sys.modules.setdefault("trove.tests.util", types.ModuleType("trove.tests.util"))
_util.unquote_user_host = _unquote_user_host

from trove.tests.fakes import guestagent  # noqa: E402

_guests: dict[str, "Guest"] = {}
_lock = threading.Lock()


class Guest(guestagent.FakeGuest):
    """Takes the calls that are newer than the fake too."""

    def prepare(self, memory_mb, packages, databases, users, **more):
        known = inspect.signature(guestagent.FakeGuest.prepare).parameters
        return super().prepare(
            memory_mb,
            packages,
            databases or [],
            users or [],
            **{name: value for name, value in more.items() if name in known},
        )

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments, **named: {}


def client(context, id, manager=None):
    """What Trove's ``remote_guest_client`` names: the guest of an instance."""
    with _lock:
        return _guests.setdefault(id, Guest(id))
