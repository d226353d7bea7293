# SPDX-License-Identifier: Apache-2.0
"""The temporary snapshot that holds a volume's data still while it is copied."""

from collections.abc import Generator
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugins.resumable import Notes
from karbor.services.protection.protection_plugins.volume import temporary
from karbor.services.protection.protection_plugins.volume.settings import VolumeCloud
from karbor.services.protection.waiting.until import Until, Waits

LOG = logging.getLogger(__name__)

_NOTE = "snapshot"


class TemporarySnapshot:
    """Made in the hook that prepares, and gone when the data has been copied.

    :param cloud: where
    :param notes: of the operation
    """

    def __init__(self, cloud: VolumeCloud, notes: Notes) -> None:
        self._cloud = cloud
        self._notes = notes

    def make(self, resource: Resource) -> Waits:
        """Make it, or find it, and wait until the volume may change again.

        :raises KarborException: when Cinder does not make it
        """
        snapshots = self._cloud.snapshots
        made = temporary.find_or_make(
            self._notes,
            _NOTE,
            snapshots,
            lambda name: snapshots.create(
                resource.id,
                name,
                description=_("Temporary, while volume %s is protected") % resource.id,
            ),
        )
        yield self._cloud.until(
            snapshots, made["id"], "available", pending=("creating",)
        )
        LOG.info("Volume %s has its temporary snapshot %s.", resource.id, made["id"])

    def get(self, resource: Resource) -> dict[str, Any]:
        """What :meth:`make` made.

        :raises ProtectableResourceNotFound: when it is not there
        """
        found = temporary.find(self._notes, _NOTE, self._cloud.snapshots)
        if found is None:
            raise exception.ProtectableResourceNotFound(
                id=resource.id,
                type=resource.type,
                reason=_(
                    "its temporary snapshot is gone. Protect it again, and let nobody "
                    "delete what is called 'karbor-…' meanwhile"
                ),
            )
        return found

    def remove(self, snapshot: dict[str, Any]) -> Generator[Until, Any, None]:
        """Delete what :meth:`get` gave, once nothing is copied from it any more.

        :raises KarborException: when Cinder does not delete it
        """
        snapshots = self._cloud.snapshots
        yield from temporary.remove(
            self._cloud, snapshots, snapshots.delete, snapshot["id"], is_idle=True
        )
        self._notes.forget(_NOTE)

    def clean_up(self) -> Waits:
        """Delete it if it is there.

        :raises LeftBehind: when it could not be deleted
        """
        snapshots = self._cloud.snapshots
        yield from temporary.clean_up(
            self._cloud, self._notes, _NOTE, snapshots, snapshots
        )
