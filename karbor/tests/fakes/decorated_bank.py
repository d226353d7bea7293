# SPDX-License-Identifier: Apache-2.0
"""A decorator with a configuration made on the spot, and time that a test moves."""

import threading
from typing import Any, TypeVar

from oslo_config import cfg

from karbor.services.protection.bank_decorators.decorator import BankDecorator
from karbor.services.protection.bank_plugin import BankPlugin

Decorator = TypeVar("Decorator", bound=BankDecorator)


def decorated(
    cls: type[Decorator], wrapped: BankPlugin, *, clock: Any = None, **options: Any
) -> Decorator:
    """A decorator around a bank; options of its group as keywords."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    if cls.group is not None:
        conf.register_opts(cls.opts, group=cls.group)
    for name, value in options.items():
        conf.set_override(name, value, cls.group)
    return cls(wrapped, conf, **({} if clock is None else {"clock": clock}))


class FakeClock:
    """Time that passes only when somebody sleeps, at once; thread-safe.

    :ivar slept: the seconds of every sleep
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        with self._lock:
            return self._now

    def sleep(self, seconds: float, /) -> None:
        with self._lock:
            self._now += seconds
            self.slept.append(seconds)
