# SPDX-License-Identifier: Apache-2.0
"""Leases: their windows, and the thread that keeps one alive."""

import dataclasses
import math
import threading
import time
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank_plugin import BankPlugin, LeasePlugin

LOG = logging.getLogger(__name__)

#: For plugins that do not say how often they want to be renewed.
DEFAULT_RENEW_WINDOW = 120
# A renewal that failed is tried again after this part of the renew window.
_RETRY_PART = 8
# Goes on while the machine sleeps, as the clocks of others do.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# How long stopping waits for a renewal that hangs in the store.
_STOP_SECONDS = 10.0

#: The options of every lease plugin; each registers them in its own group.
LEASE_OPTS = [
    cfg.IntOpt(
        "lease_expire_window",
        default=600,
        help="Seconds for which a lease is good after it was written. When a service "
        "dies, others wait as long before they take over its checkpoints.",
    ),
    cfg.IntOpt(
        "lease_renew_window",
        default=120,
        help="Seconds between two renewals of the lease. Must be less than "
        "lease_expire_window; a quarter of it or less survives renewals that fail.",
    ),
    cfg.IntOpt(
        "lease_validity_window",
        default=100,
        help="Seconds that must be left of the lease for the service to commit a "
        "checkpoint. Must not be more than lease_renew_window.",
    ),
]


@dataclasses.dataclass(frozen=True)
class LeaseWindows:
    """How long a lease lasts; all in seconds.

    :param expire: from writing it to when others count the owner as dead
    :param renew: between renewals; less than ``expire``
    :param validity: what must be left for the owner to go on; at most ``renew``
    """

    expire: int
    renew: int
    validity: int

    @classmethod
    def from_options(cls, options: Any, group: str) -> "LeaseWindows":
        """The windows of a provider's configuration, checked.

        :param options: has the three options of :data:`LEASE_OPTS` as attributes
        :param group: their group, for the error
        :raises InvalidInput: naming the option that is out of order; the error's
            ``kwargs["option"]`` is ``[group]/option``
        """
        windows = cls(
            expire=options.lease_expire_window,
            renew=options.lease_renew_window,
            validity=options.lease_validity_window,
        )
        for name in ("expire", "renew", "validity"):
            if getattr(windows, name) <= 0:
                raise _out_of_order(
                    group,
                    f"lease_{name}_window",
                    f"is {getattr(windows, name)}; it must be more than 0 seconds",
                )
        if windows.renew >= windows.expire:
            raise _out_of_order(
                group,
                "lease_renew_window",
                f"is {windows.renew}; it must be less than lease_expire_window, which "
                f"is {windows.expire}",
            )
        if windows.validity > windows.renew:
            raise _out_of_order(
                group,
                "lease_validity_window",
                f"is {windows.validity}; it must not be more than lease_renew_window, "
                f"which is {windows.renew}",
            )
        return windows


def _out_of_order(group: str, option: str, problem: str) -> exception.InvalidInput:
    name = f"[{group}]/{option}"
    return exception.InvalidInput(reason=f"option {name} {problem}", option=name)


class LeaseKeeper:
    """Holds a bank plugin's lease for as long as the service runs.

    A plugin that is no :class:`LeasePlugin` has no lease to lose: it counts as
    always valid. :meth:`is_valid` and :meth:`check` may be called from any thread,
    :meth:`start` and :meth:`stop` from one.

    :param plugin: the bank's plugin; its attribute ``lease_renew_window`` (seconds)
        says how often to renew
    """

    def __init__(self, plugin: BankPlugin) -> None:
        self._owner = plugin
        self._plugin: LeasePlugin | None = (
            plugin if isinstance(plugin, LeasePlugin) else None
        )
        self._renew_window = float(
            getattr(plugin, "lease_renew_window", None) or DEFAULT_RENEW_WINDOW
        )
        # How long others believe in it, less what its owner keeps back.
        self._good_for = float(
            getattr(plugin, "lease_expire_window", math.inf)
        ) - float(getattr(plugin, "lease_validity_window", 0.0))
        self._held_since = self._written = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem = "it was never acquired"

    def start(self) -> None:
        """Acquire the lease, and renew it in the background from now on.

        :raises AcquireLeaseFailed: when it cannot be acquired
        """
        if self._plugin is None or self._thread is not None:
            return
        self._held_since = self._written = _now()
        self._plugin.acquire_lease()
        self._problem = "it was not renewed in time"
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._renew_until_stopped,
            args=(self._plugin,),
            name="bank-lease",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing, and give the lease up so that others know at once."""
        if self._plugin is None or self._thread is None:
            return
        self._stopping.set()
        self._problem = "the service is stopping"
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            LOG.warning(
                "The renewal of the lease of owner %s hangs in the bank; the lease is "
                "left to expire.",
                self._owner.get_owner_id(),
            )
            return
        self._thread = None
        # Plugins of Karbor 1.x have no release_lease; their leases expire.
        release = getattr(self._plugin, "release_lease", None)
        if release is None:
            return
        try:
            release()
        except exception.KarborException as error:
            LOG.warning(
                "The lease of owner %s could not be given up; it is left to expire: %s",
                self._owner.get_owner_id(),
                error,
            )

    def is_valid(self) -> bool:
        """Whether the owner may still commit."""
        if self._plugin is None:
            return True
        return self._is_held() and self._plugin.check_lease_validity()

    def check(self, held_for: float = 0.0) -> None:
        """Stop an owner that may no longer commit.

        :param held_for: seconds for which the lease must have been held without a
            break: somebody who saw a break may take over what was begun before it at
            any time, also when the lease is renewed since
        :raises LeaseLost: saying why
        """
        reason = None
        if not self.is_valid():
            reason = self._problem
        elif self._was_broken(held_for):
            reason = "it had expired, and was renewed too late, since the work began"
        if reason is not None:
            raise exception.LeaseLost(
                owner_id=self._owner.get_owner_id(), reason=reason
            )

    def _was_broken(self, held_for: float) -> bool:
        if self._plugin is None:
            return False
        # A renewal that is on its way tells of a break only when it has ended: what
        # was written last is read before what it changes first.
        present, written = _now(), self._written
        return present - written > self._good_for or (
            held_for > present - self._held_since
        )

    def _is_held(self) -> bool:
        return self._thread is not None and not self._stopping.is_set()

    def _renew_until_stopped(self, plugin: LeasePlugin) -> None:
        pause = self._renew_window
        failures = 0
        while not self._stopping.wait(pause):
            begun = _now()
            try:
                plugin.renew_lease()
            # Whatever a third party's plugin raises, the next renewal may succeed.
            except Exception as error:  # noqa: BLE001
                self._problem = f"renewing it failed: {error}"
                pause = self._renew_window / _RETRY_PART
                failures += 1
                # Once for each renew window: a bank may be away for days.
                log = LOG.warning if failures % _RETRY_PART == 1 else LOG.debug
                log(
                    "Renewing the lease of owner %s failed %d times; trying again "
                    "every %.1f seconds: %s",
                    self._owner.get_owner_id(),
                    failures,
                    pause,
                    error,
                )
            else:
                ended = _now()
                # Others may have seen it expire, before it was renewed.
                if ended - self._written > self._good_for:
                    self._held_since = ended
                self._written = begun
                if failures:
                    LOG.info(
                        "The lease of owner %s is renewed again after %d failures",
                        self._owner.get_owner_id(),
                        failures,
                    )
                    failures = 0
                self._problem = "it was not renewed in time"
                pause = self._renew_window


def _now() -> float:
    return time.clock_gettime(_CLOCK)
