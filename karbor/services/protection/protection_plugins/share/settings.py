# SPDX-License-Identifier: Apache-2.0
"""What the operations on shares are configured with."""

import dataclasses
from collections.abc import Collection

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.manila_shares import (
    AccessRules,
    Shares,
    Snapshots,
)
from karbor.services.protection.protection_plugins.settings import WaitingSettings
from karbor.services.protection.waiting.patience import Patience
from karbor.services.protection.waiting.until import Thing, Until, Verdict

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

    def until_snapshot_settled(self, snapshot_id: str) -> Until:
        """The wait for a snapshot that is no longer being made, however that went."""
        return self.patience.until(
            self.snapshots, snapshot_id, _is_settled, goal=_("made or in error")
        )

    def until_access(self, share_id: str) -> Until:
        """The wait for a share whose access rules are all in force or refused."""
        return self.patience.until_status(
            self.access_rules, share_id, "active", "error"
        )

    def until_share_gone(self, share_id: str) -> Until:
        """The wait for a share that is being deleted."""
        return self.patience.until_gone(self.shares, share_id)

    def until_snapshot_gone(self, snapshot_id: str) -> Until:
        """The wait for a snapshot that is being deleted."""
        return self.patience.until_gone(self.snapshots, snapshot_id)


def _is_settled(status: str | None, snapshot: Thing | None) -> Verdict:
    return Verdict.NOT_YET if status == "creating" else Verdict.READY
