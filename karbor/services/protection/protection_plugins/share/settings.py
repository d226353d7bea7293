# SPDX-License-Identifier: Apache-2.0
"""What the operations on shares are configured with."""

import dataclasses
from collections.abc import Collection

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.manila_shares import (
    AccessThings,
    Shares,
    ShareThings,
    Snapshots,
    SnapshotThings,
)
from karbor.services.protection.waiting.until import (
    Thing,
    Things,
    Until,
    Verdict,
    until_gone,
    until_status,
)

GROUP = "manila_snapshot_plugin"

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


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the group ``[manila_snapshot_plugin]`` known to a configuration."""
    conf.register_opts(OPTS, group=GROUP)


@dataclasses.dataclass(frozen=True)
class ShareSettings:
    """The plugin's options, and how its operations reach Manila.

    :param conf: the provider's configuration
    :param poll_interval: seconds between two looks at most
    :param status_timeout: seconds to wait for one thing
    """

    conf: cfg.ConfigOpts
    poll_interval: float
    status_timeout: float

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "ShareSettings":
        """Read the plugin's group of a provider's configuration."""
        register_opts(conf)
        group = conf[GROUP]
        return cls(
            conf=conf,
            poll_interval=group.poll_interval,
            status_timeout=group.status_timeout,
        )

    def manila(self, context: RequestContext) -> "Manila":
        """The shares and snapshots that the caller sees."""
        client = ClientFactory.create_client("manila", context, self.conf)
        return Manila(self, context, Shares(client), Snapshots(client))


@dataclasses.dataclass(frozen=True)
class Manila:
    """A caller's shares and snapshots, and how to wait for them."""

    settings: ShareSettings
    context: RequestContext
    shares: Shares
    snapshots: Snapshots

    def until_share(self, share_id: str, pending: Collection[str]) -> Until:
        """The wait for an available share."""
        things = ShareThings(self.shares, self.context)
        return self._until(things, share_id, "available", pending)

    def until_snapshot(self, snapshot_id: str) -> Until:
        """The wait for an available snapshot."""
        things = SnapshotThings(self.snapshots, self.context)
        return self._until(things, snapshot_id, "available", ("creating",))

    def until_snapshot_settled(self, snapshot_id: str) -> Until:
        """The wait for a snapshot that is no longer being made, however that went."""
        return Until(
            things=SnapshotThings(self.snapshots, self.context),
            id=snapshot_id,
            judge=_is_settled,
            goal=_("made or in error"),
            timeout=self.settings.status_timeout,
            interval=self.settings.poll_interval,
            hint=_HINT,
        )

    def until_access(self, share_id: str) -> Until:
        """The wait for a share whose access rules are all in force or refused."""
        things = AccessThings(self.shares, self.context)
        return until_status(
            things,
            share_id,
            "active",
            "error",
            timeout=self.settings.status_timeout,
            interval=self.settings.poll_interval,
            hint=_HINT,
        )

    def until_share_gone(self, share_id: str) -> Until:
        """The wait for a share that is being deleted."""
        return self._until_gone(ShareThings(self.shares, self.context), share_id)

    def until_snapshot_gone(self, snapshot_id: str) -> Until:
        """The wait for a snapshot that is being deleted."""
        things = SnapshotThings(self.snapshots, self.context)
        return self._until_gone(things, snapshot_id)

    def _until(
        self, things: Things, name: str, status: str, pending: Collection[str]
    ) -> Until:
        return until_status(
            things,
            name,
            status,
            pending=pending,
            timeout=self.settings.status_timeout,
            interval=self.settings.poll_interval,
            hint=_HINT,
        )

    def _until_gone(self, things: Things, name: str) -> Until:
        return until_gone(
            things,
            name,
            timeout=self.settings.status_timeout,
            interval=self.settings.poll_interval,
            hint=_HINT,
        )


def _is_settled(status: str | None, snapshot: Thing | None) -> Verdict:
    return Verdict.NOT_YET if status == "creating" else Verdict.READY


_HINT = f"Raise [{GROUP}] status_timeout where Manila takes longer"
