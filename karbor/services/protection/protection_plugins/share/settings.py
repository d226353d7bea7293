# SPDX-License-Identifier: Apache-2.0
"""What the operations on shares are configured with."""

import dataclasses
from collections.abc import Collection

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.manila_shares import (
    AccessRules,
    Shares,
    Snapshots,
)
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.settings import WaitingSettings
from karbor.services.protection.waiting.patience import Patience
from karbor.services.protection.waiting.until import Until, Waits

OPTS: list[cfg.Opt] = [
    cfg.FloatOpt(
        "poll_interval",
        default=15.0,
        min=0.01,
        help="Seconds between two looks at most at a share or snapshot that is not "
        "ready yet; the first looks follow each other faster, see [waiting] "
        "first_interval.",
    ),
    cfg.FloatOpt(
        "status_timeout",
        default=1800.0,
        min=0.0,
        help="Seconds to wait for a share, its snapshot or its access rules to be "
        "ready or gone. Raise it where Manila copies the data of a share that is "
        "made from a snapshot.",
    ),
]


@dataclasses.dataclass(frozen=True)
class ShareSettings(WaitingSettings):
    """The plugin's options, and how its operations reach Manila."""

    group = "manila_snapshot_plugin"
    opts = OPTS
    service = "Manila"

    def manila(self, context: RequestContext) -> "Manila":
        """The shares and snapshots that the caller sees."""
        client = ClientFactory.create_client("manila", context, self.conf)
        return Manila(
            Shares(client, context),
            AccessRules(client, context),
            Snapshots(client, context),
            self.patience,
        )


@dataclasses.dataclass(frozen=True)
class Manila:
    """A caller's shares and snapshots, and how to wait for them."""

    shares: Shares
    access_rules: AccessRules
    snapshots: Snapshots
    patience: Patience

    def until_share(self, share_id: str, pending: Collection[str]) -> Until:
        """The wait for an available share."""
        return self.patience.until_status(
            self.shares, share_id, "available", pending=pending
        )

    def until_snapshot(self, snapshot_id: str) -> Until:
        """The wait for an available snapshot."""
        return self.patience.until_status(
            self.snapshots, snapshot_id, "available", pending=("creating",)
        )

    def until_access(self, share_id: str) -> Until:
        """The wait for a share whose access rules are all in force or refused."""
        return self.patience.until_status(
            self.access_rules, share_id, "active", "error"
        )

    def remove_share(self, share_id: str) -> Waits:
        """Delete a share, whole or half made; one that is gone is good.

        :raises KarborException: when Manila refuses it, or it does not go
        """
        yield from self._remove(self.shares, share_id)

    def remove_snapshot(self, snapshot_id: str) -> Waits:
        """Delete a snapshot, whole or half made; one that is gone is good.

        :raises KarborException: when Manila refuses it, or it does not go
        """
        yield from self._remove(self.snapshots, snapshot_id)

    def _remove(self, things: Shares | Snapshots, thing_id: str) -> Waits:
        yield from removal.remove(
            things,
            things.delete,
            thing_id,
            patience=self.patience,
            busy=self.patience,
            going=(),
        )
