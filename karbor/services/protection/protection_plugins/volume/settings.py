# SPDX-License-Identifier: Apache-2.0
"""What the operations on volumes are configured with, and how they reach Cinder."""

import dataclasses
from collections.abc import Collection

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.cinder_volumes import (
    VERSION,
    Backups,
    Snapshots,
    Volumes,
)
from karbor.services.protection.clients.glance_images import Images, ImageThings
from karbor.services.protection.waiting.until import (
    Thing,
    Things,
    Until,
    Verdict,
    until_gone,
    until_status,
)

#: The options that every plugin for volumes has, in its own group.
OPTS: tuple[cfg.Opt, ...] = (
    cfg.FloatOpt(
        "poll_interval",
        default=5.0,
        min=0.01,
        help="Seconds between two looks at most at what Cinder is doing; the first "
        "looks follow each other faster, see [waiting] first_interval.",
    ),
    cfg.FloatOpt(
        "status_timeout",
        default=600.0,
        min=0.0,
        help="Seconds to wait for what moves no data: a snapshot, a deletion, or a "
        "volume that something else is done with. A paused server stays paused while "
        "the snapshots of its volumes are waited for.",
    ),
    cfg.FloatOpt(
        "copy_timeout",
        default=86400.0,
        min=0.0,
        help="Seconds to wait while Cinder copies the data of a volume: into "
        "another volume, an image or a backup, and back. Raise it for large volumes.",
    ),
)


#: The statuses in which Cinder or Glance works on a thing, and refuses its deletion.
_BUSY = frozenset(
    {
        "attaching",
        "backing-up",
        "creating",
        "deleting",
        "detaching",
        "downloading",
        "extending",
        "reserved",
        "restoring",
        "restoring-backup",
        "retyping",
        "uploading",
    }
)


@dataclasses.dataclass(frozen=True)
class VolumeSettings:
    """A plugin's options, and how its operations reach the services.

    :param conf: the provider's configuration
    :param group: of the plugin's options
    :param poll_interval: seconds between two looks at most
    :param status_timeout: seconds to wait for what moves no data
    :param copy_timeout: seconds to wait for what moves data
    """

    conf: cfg.ConfigOpts
    group: str
    poll_interval: float
    status_timeout: float
    copy_timeout: float

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts, group: str) -> "VolumeSettings":
        """Read a plugin's group of a provider's configuration."""
        conf.register_opts(OPTS, group=group)
        options = conf[group]
        return cls(
            conf=conf,
            group=group,
            poll_interval=options.poll_interval,
            status_timeout=options.status_timeout,
            copy_timeout=options.copy_timeout,
        )

    def cloud(self, context: RequestContext) -> "VolumeCloud":
        """What the caller sees of the cloud."""
        return VolumeCloud(self, context)


class VolumeCloud:
    """What a caller sees of Cinder and Glance, and the waits for it.

    :param settings: of the plugin
    :param context: the caller
    """

    def __init__(self, settings: VolumeSettings, context: RequestContext) -> None:
        self._settings = settings
        client = ClientFactory.create_client(
            "cinder", context, settings.conf, version=VERSION
        )
        self.volumes = Volumes(client, context)
        self.snapshots = Snapshots(client, context)
        self.backups = Backups(client, context)
        self._context = context

    @property
    def images(self) -> Images:
        """The images that the caller sees."""
        return Images(
            ClientFactory.create_client("glance", self._context, self._settings.conf)
        )

    def image_things(self, images: Images) -> Things:
        """Images as something to wait for."""
        return ImageThings(images, self._context)

    @property
    def status_timeout(self) -> float:
        """Seconds to wait for what moves no data."""
        return self._settings.status_timeout

    def until(
        self, things: Things, thing_id: str, *ready: str, pending: Collection[str]
    ) -> Until:
        """The wait for a status that takes no copying."""
        return until_status(
            things,
            thing_id,
            *ready,
            pending=pending,
            timeout=self._settings.status_timeout,
            interval=self._settings.poll_interval,
            hint=self._hint("status_timeout"),
        )

    def until_copied(
        self, things: Things, thing_id: str, *ready: str, pending: Collection[str]
    ) -> Until:
        """The wait for a status that comes when data has been copied."""
        return until_status(
            things,
            thing_id,
            *ready,
            pending=pending,
            timeout=self._settings.copy_timeout,
            interval=self._settings.poll_interval,
            hint=self._hint("copy_timeout"),
        )

    def until_gone(self, things: Things, thing_id: str) -> Until:
        """The wait for the end of a deletion that was asked for."""
        return until_gone(
            things,
            thing_id,
            pending=("deleting", "pending_delete"),
            timeout=self._settings.status_timeout,
            interval=self._settings.poll_interval,
            hint=self._hint("status_timeout"),
        )

    def until_idle(self, things: Things, thing_id: str) -> Until:
        """The wait for a thing that nothing is done with, or that is gone.

        Data may be on its way into it, unless it is a snapshot.
        """
        moves_data = things is not self.snapshots
        return Until(
            things=things,
            id=thing_id,
            judge=_judge_idle,
            goal=_("idle"),
            timeout=self._settings.copy_timeout
            if moves_data
            else self._settings.status_timeout,
            interval=self._settings.poll_interval,
            hint=self._hint("copy_timeout" if moves_data else "status_timeout"),
        )

    def _hint(self, option: str) -> str:
        return _("Raise [%(group)s] %(option)s where it takes longer") % {
            "group": self._settings.group,
            "option": option,
        }


def _judge_idle(status: str | None, thing: Thing | None) -> Verdict:
    return Verdict.NOT_YET if status in _BUSY else Verdict.READY
