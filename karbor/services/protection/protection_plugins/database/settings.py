# SPDX-License-Identifier: Apache-2.0
"""What the operations on databases are configured with."""

import dataclasses

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.trove_databases import (
    Backups,
    BackupThings,
    Instances,
    InstanceThings,
)
from karbor.services.protection.waiting.until import (
    Thing,
    Things,
    Until,
    Verdict,
    until_gone,
    until_status,
)

GROUP = "database_backup_plugin"

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


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the group ``[database_backup_plugin]`` known to a configuration."""
    conf.register_opts(OPTS, group=GROUP)


@dataclasses.dataclass(frozen=True)
class DatabaseSettings:
    """The plugin's options, and how its operations reach Trove.

    :param conf: the provider's configuration
    :param poll_interval: seconds between two looks at most
    :param status_timeout: seconds to wait for one thing
    """

    conf: cfg.ConfigOpts
    poll_interval: float
    status_timeout: float

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "DatabaseSettings":
        """Read the plugin's group of a provider's configuration."""
        register_opts(conf)
        group = conf[GROUP]
        return cls(
            conf=conf,
            poll_interval=group.poll_interval,
            status_timeout=group.status_timeout,
        )

    def trove(self, context: RequestContext) -> "Trove":
        """The instances and backups that the caller sees."""
        client = ClientFactory.create_client("trove", context, self.conf)
        return Trove(self, context, Instances(client), Backups(client))


@dataclasses.dataclass(frozen=True)
class Trove:
    """A caller's instances and backups, and how to wait for them."""

    settings: DatabaseSettings
    context: RequestContext
    instances: Instances
    backups: Backups

    def until_instance(self, instance_id: str) -> Until:
        """The wait for an instance that can be used."""
        return until_status(
            InstanceThings(self.instances, self.context),
            instance_id,
            *READY,
            pending=ON_THE_WAY,
            timeout=self.settings.status_timeout,
            interval=self.settings.poll_interval,
            hint=_HINT,
        )

    def until_backup(self, backup_id: str) -> Until:
        """The wait for a complete backup."""
        return until_status(
            BackupThings(self.backups, self.context),
            backup_id,
            "completed",
            pending=RUNNING,
            timeout=self.settings.status_timeout,
            interval=self.settings.poll_interval,
            hint=_HINT,
        )

    def until_backup_settled(self, backup_id: str) -> Until:
        """The wait for a backup that is no longer being made, however that went."""
        things = BackupThings(self.backups, self.context)
        return self._until_settled(things, backup_id, RUNNING)

    def until_instance_settled(self, instance_id: str) -> Until:
        """The wait for an instance that is no longer being made or changed."""
        things = InstanceThings(self.instances, self.context)
        return self._until_settled(things, instance_id, ON_THE_WAY)

    def until_backup_gone(self, backup_id: str) -> Until:
        """The wait for a backup that is being deleted; it keeps its old status."""
        things = BackupThings(self.backups, self.context)
        return self._until_gone(things, backup_id, "delete_failed")

    def until_instance_gone(self, instance_id: str) -> Until:
        """The wait for an instance that is being deleted, whatever it was before."""
        things = InstanceThings(self.instances, self.context)
        return self._until_gone(things, instance_id, None)

    def _until_settled(
        self, things: Things, name: str, unsettled: frozenset[str]
    ) -> Until:
        def judge(status: str | None, thing: Thing | None) -> Verdict:
            return Verdict.NOT_YET if status in unsettled else Verdict.READY

        return Until(
            things=things,
            id=name,
            judge=judge,
            goal=_("made or failed"),
            timeout=self.settings.status_timeout,
            interval=self.settings.poll_interval,
            hint=_HINT,
        )

    def _until_gone(self, things: Things, name: str, failed: str | None) -> Until:
        def judge(status: str | None, thing: Thing | None) -> Verdict:
            if status is None:
                return Verdict.READY
            return Verdict.FAILED if status == failed else Verdict.NOT_YET

        return dataclasses.replace(
            until_gone(
                things,
                name,
                timeout=self.settings.status_timeout,
                interval=self.settings.poll_interval,
                hint=_HINT,
            ),
            judge=judge,
        )


_HINT = f"Raise [{GROUP}] status_timeout where Trove takes longer"
