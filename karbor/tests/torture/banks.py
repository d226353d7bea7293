# SPDX-License-Identifier: Apache-2.0
"""The banks that are tortured, and how the processes get to them."""

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from karbor.services.protection.bank.encryption.bank_keyring import BankKeyring
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_decorators.decorator import (
    Answer,
    BankDecorator,
    Call,
)
from karbor.services.protection.bank_plugin import BankCapabilities, BankPlugin
from karbor.services.protection.bank_plugins import file_system_bank_plugin
from karbor.services.protection.bank_plugins.file_system_bank_plugin import (
    FileSystemBankPlugin,
)
from karbor.tests.fakes.late_bank import LateBank, Lateness
from karbor.tests.torture.content import BLOCK, RUN
from karbor.tests.torture.store_server import RemoteStore

FILE_SYSTEM = "filesystem"
LATE = "late"
KINDS = (FILE_SYSTEM, LATE)

#: Small, so that little data is many objects; and some of it is inside of pages.
OPTIONS = StreamOptions(
    chunk_size=BLOCK,
    max_bytes_in_flight=3 * BLOCK,
    worker_threads=2,
    inline_limit=100,
)
#: Chunks on a page: so few that pages are objects, too, and shared.
PAGE_CHUNKS = RUN
#: What the late bank does; seconds are real ones.
LATENESS = Lateness(bound=0.3, step=0.0)


@dataclasses.dataclass(frozen=True)
class Place:
    """A bank that several processes share.

    :param kind: one of :data:`KINDS`
    :param path: its folder, or the socket of its server
    :param lease_seconds: how long a lease is good that is not renewed
    :param settle_seconds: how long a collector waits until what it reads is true
    :param master_keys: the file of the master keys; None: nothing is encrypted
    """

    kind: str
    path: str
    lease_seconds: float = 1.2
    settle_seconds: float = 0.0
    master_keys: str | None = None

    @property
    def bound_seconds(self) -> float:
        """How long an answer of the bank may be late."""
        return LATENESS.bound if self.kind == LATE else 0.0

    @property
    def reads(self) -> int:
        """How often a read may fail before something is wrong."""
        return 20 if self.kind == LATE else 1

    def plugin(self, skew: float = 0.0) -> BankPlugin:
        """The bank as one process sees it, as an owner of its own.

        :param skew: seconds by which the process's clock is ahead
        """
        if self.kind == LATE:
            return LateBank(
                RemoteStore(self.path), lease_seconds=self.lease_seconds, skew=skew
            )
        return _LocalBank.opened(self, skew)

    def bank(self, plugin: Any) -> Bank:
        """The bank over one of its plugins, with small chunks and pages."""
        manifest.PAGE_CHUNKS = PAGE_CHUNKS
        keyring = None
        if self.master_keys is not None:
            keyring = BankKeyring(Bank(plugin), KeyFile(self.master_keys))
        return Bank(plugin, OPTIONS, keyring)

    def exact_plugin(self) -> BankPlugin:
        """The bank as it really is, for who checks."""
        if self.kind == LATE:
            return LateBank(
                RemoteStore(self.path, exact=True),
                lease_seconds=self.lease_seconds,
                capabilities=BankCapabilities(strong_read=True),
            )
        return _LocalBank.opened(self)


class _LocalBank(FileSystemBankPlugin):
    """On a filesystem of the machine itself, whoever reads sees what was written."""

    @classmethod
    def opened(cls, place: Place, skew: float = 0.0) -> "_LocalBank":
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        file_system_bank_plugin.register_opts(conf)
        conf.set_override(
            "file_system_bank_path", place.path, file_system_bank_plugin.GROUP
        )
        if skew:
            # Its own time of day goes into its leases and decides about others'.
            file_system_bank_plugin.time = _SkewedTime(skew)
        plugin = cls(conf)
        plugin.lease_expire_window = place.lease_seconds
        plugin.lease_renew_window = place.lease_seconds / 4
        plugin.lease_validity_window = place.lease_seconds / 4
        return plugin

    @property
    def capabilities(self) -> BankCapabilities:
        return BankCapabilities(atomic_create=True, strong_read=True)


class _SkewedTime:
    def __init__(self, skew: float) -> None:
        self._skew = skew

    def time(self) -> float:
        return time.time() + self._skew

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class Interrupted(BankDecorator):
    """Kills or pauses its own process at a chosen call of the bank, before or after.

    Leases are left alone: their calls come from another thread, at any time.
    """

    def __init__(self, wrapped: BankPlugin) -> None:
        super().__init__(wrapped, cfg.ConfigOpts())
        self._lock = threading.Lock()
        self._left = 0
        self._after = False
        self._signal = signal.SIGKILL

    def arm(self, calls: int, *, after: bool, sent: signal.Signals) -> None:
        """Send the process a signal at its so-manieth call from now."""
        with self._lock:
            self._left, self._after, self._signal = calls, after, sent

    def disarm(self) -> None:
        """Send no signal any more."""
        with self._lock:
            self._left = 0

    def _perform(self, call: Call, act: Callable[[], Answer]) -> Answer:
        if "lease" in call.method:
            return act()
        with self._lock:
            is_hit = self._left == 1
            self._left = max(0, self._left - 1)
        if is_hit and not self._after:
            os.kill(os.getpid(), self._signal)
        answer = act()
        if is_hit and self._after:
            os.kill(os.getpid(), self._signal)
        return answer
