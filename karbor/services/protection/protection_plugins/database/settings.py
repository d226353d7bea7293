# SPDX-License-Identifier: Apache-2.0
"""What the operations on databases are configured with."""

import dataclasses

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.trove_databases import (
    Backups,
    Instances,
)
from karbor.services.protection.protection_plugins.settings import WaitingSettings
from karbor.services.protection.waiting.patience import Patience
from karbor.services.protection.waiting.until import (
    Thing,
    Things,
    Until,
    Verdict,
)

OPTS: list[cfg.Opt] = [
    cfg.FloatOpt(
        "poll_interval",
        default=15.0,
        min=0.01,
        help="Seconds between two looks at most at a database instance or backup that "
        "is not ready yet; the first looks follow each other faster, see [waiting] "
        "first_interval.",
    ),
    cfg.FloatOpt(
        "status_timeout",
        default=7200.0,
        min=0.0,
        help="Seconds to wait for a database instance or backup to be ready or gone. "
        "Raise it where databases are so large that Trove needs longer.",
    ),
]

#: States in which Trove backs an instance up.
#: https://docs.openstack.org/trove/latest/user/instance-status.html
READY = ("active", "healthy", "restart_required")

#: States that turn into one of those by themselves.
ON_THE_WAY = frozenset(
    {"build", "reboot", "resize", "backup", "promote", "eject", "upgrade", "detach"}
)

#: What a backup is before it has ended; Trove deletes none in such a state.
RUNNING = frozenset({"new", "building", "saving"})


@dataclasses.dataclass(frozen=True)
class DatabaseSettings(WaitingSettings):
    """The plugin's options, and how its operations reach Trove."""

    group = "database_backup_plugin"
    opts = OPTS
    service = "Trove"

    def trove(self, context: RequestContext) -> "Trove":
        """The instances and backups that the caller sees."""
        client = ClientFactory.create_client("trove", context, self.conf)
        return Trove(
            Instances(client, context), Backups(client, context), self.patience
        )


@dataclasses.dataclass(frozen=True)
class Trove:
    """A caller's instances and backups, and how to wait for them."""

    instances: Instances
    backups: Backups
    patience: Patience

    def until_instance(self, instance_id: str) -> Until:
        """The wait for an instance that can be used."""
        return self.patience.until_status(
            self.instances, instance_id, *READY, pending=ON_THE_WAY
        )

    def until_backup(self, backup_id: str) -> Until:
        """The wait for a complete backup."""
        return self.patience.until_status(
            self.backups, backup_id, "completed", pending=RUNNING
        )

    def until_backup_settled(self, backup_id: str) -> Until:
        """The wait for a backup that is no longer being made, however that went."""
        return self._until_settled(self.backups, backup_id, RUNNING)

    def until_instance_settled(self, instance_id: str) -> Until:
        """The wait for an instance that is no longer being made or changed."""
        return self._until_settled(self.instances, instance_id, ON_THE_WAY)

    def until_backup_gone(self, backup_id: str) -> Until:
        """The wait for a backup that is being deleted; it keeps its old status."""
        return self._until_gone(self.backups, backup_id, "delete_failed")

    def until_instance_gone(self, instance_id: str) -> Until:
        """The wait for an instance that is being deleted, whatever it was before."""
        return self._until_gone(self.instances, instance_id, None)

    def _until_settled(
        self, things: Things, name: str, unsettled: frozenset[str]
    ) -> Until:
        def judge(status: str | None, thing: Thing | None) -> Verdict:
            return Verdict.NOT_YET if status in unsettled else Verdict.READY

        return self.patience.until(things, name, judge, goal=_("made or failed"))

    def _until_gone(self, things: Things, name: str, failed: str | None) -> Until:
        def judge(status: str | None, thing: Thing | None) -> Verdict:
            if status is None:
                return Verdict.READY
            return Verdict.FAILED if status == failed else Verdict.NOT_YET

        return self.patience.until(things, name, judge, goal=_("gone"))
