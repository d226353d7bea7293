# SPDX-License-Identifier: Apache-2.0
"""What the operations on volumes are configured with, and how they reach Cinder."""

import dataclasses
from collections.abc import Collection

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.cinder_volumes import (
    VERSION,
    Backups,
    Snapshots,
    Volumes,
)
from karbor.services.protection.clients.glance_images import Images, ImageThings
from karbor.services.protection.protection_plugins.settings import WaitingSettings
from karbor.services.protection.waiting.patience import Patience
from karbor.services.protection.waiting.until import Things, Until

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


@dataclasses.dataclass(frozen=True)
class VolumeSettings(WaitingSettings):
    """A plugin's options, and how its operations reach the services.

    Each plugin has a subclass, with a group of its own.

    :param copy_timeout: seconds to wait for what moves data
    """

    opts = OPTS
    service = "Cinder"

    copy_timeout: float

    def cloud(self, context: RequestContext) -> "VolumeCloud":
        """What the caller sees of the cloud."""
        return VolumeCloud(self, context)


@dataclasses.dataclass(frozen=True)
class BackupSettings(VolumeSettings):
    """Of the plugin by Cinder's backups.

    :param backup_from_snapshot: whether a temporary snapshot is what is backed up
    """

    group = "cinder_backup_protection_plugin"
    opts = (
        *OPTS,
        cfg.BoolOpt(
            "backup_from_snapshot",
            default=True,
            help="Take a temporary snapshot of a volume first and back that up: the "
            "data is that of one moment, and the volume can be used meanwhile. "
            "Without it an attached volume is backed up only with force, and changes "
            "under the backup.",
        ),
    )

    backup_from_snapshot: bool


@dataclasses.dataclass(frozen=True)
class SnapshotSettings(VolumeSettings):
    """Of the plugin by snapshots that stay in Cinder."""

    group = "volume_snapshot_plugin"


@dataclasses.dataclass(frozen=True)
class GlanceCopySettings(VolumeSettings):
    """Of the plugin by way of Glance."""

    group = "volume_glance_plugin"


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
    def patience(self) -> Patience:
        """For what moves no data."""
        return self._settings.patience

    def until(
        self, things: Things, thing_id: str, *ready: str, pending: Collection[str]
    ) -> Until:
        """The wait for a status that takes no copying."""
        return self._settings.patience.until_status(
            things, thing_id, *ready, pending=pending
        )

    def until_copied(
        self, things: Things, thing_id: str, *ready: str, pending: Collection[str]
    ) -> Until:
        """The wait for a status that comes when data has been copied."""
        return self._settings.patience_of("copy_timeout").until_status(
            things, thing_id, *ready, pending=pending
        )

    def busy_patience(self, things: Things) -> Patience:
        """For the end of what is being done with one of them.

        Data may be on its way into it, unless it is a snapshot.
        """
        option = "status_timeout" if things is self.snapshots else "copy_timeout"
        return self._settings.patience_of(option)
